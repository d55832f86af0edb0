import numpy as np
import pytest
from sklearn.metrics import auc

from zsxai.errors import InputError
from zsxai.metrics import curves

BUDGETS = np.array([0.1, 0.25, 0.5])


def test_areas_by_hand():
    # 0 -> .2 over .5, .2 -> 1 over .5.
    assert curves.insertion_auc([0.5], [[0.2]], [0.0], [1.0])[0] == pytest.approx(0.05 + 0.3)
    assert curves.deletion_auc([0.5], [[0.2]], [0.0], [1.0])[0] == pytest.approx(0.3 + 0.05)


def test_areas_are_scikit_learns():
    rng = np.random.default_rng(0)
    values, nothing, p = rng.random((6, 3)), rng.random(6), rng.random(6)
    points = [0, *BUDGETS, 1]
    inserted, deleted = (
        curves.insertion_auc(BUDGETS, values, nothing, p),
        curves.deletion_auc(BUDGETS, values, nothing, p),
    )
    for b in range(6):
        assert inserted[b] == pytest.approx(auc(points, [nothing[b], *values[b], p[b]]), abs=1e-12)
        assert deleted[b] == pytest.approx(auc(points, [p[b], *values[b], nothing[b]]), abs=1e-12)
    single = [curves.insertion_auc(BUDGETS, values[[b]], nothing[[b]], p[[b]])[0] for b in range(6)]
    np.testing.assert_allclose(inserted, single, rtol=1e-14)


def test_a_broken_point_breaks_its_row_alone():
    found = curves.insertion_auc(BUDGETS, [[0.1, np.nan, 0.2], [0.1, 0.1, 0.1]], [0.1, 0.1], [0.1, 0.1])
    np.testing.assert_allclose(found, [np.nan, 0.1])


def test_a_budget_that_was_not_measured_is_not_guessed():
    values = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], dtype=np.float32)
    np.testing.assert_allclose(curves.at_budget(BUDGETS.astype(np.float32), values, 0.25), [0.2, 0.5], rtol=1e-6)
    assert np.isnan(curves.at_budget(BUDGETS, values, 0.26)).all()
    assert np.isnan(curves.at_budget([], np.zeros((2, 0)), 0.25)).all()


@pytest.mark.parametrize("budgets", [[0.5, 0.25], [0.0, 0.5], [0.5, 1.0], [0.5, 0.5]])
def test_budgets_that_do_not_rise(budgets):
    with pytest.raises(InputError, match=r"budgets rise and lie inside \(0, 1\)"):
        curves.insertion_auc(budgets, np.zeros((1, 2)), [0], [1])
