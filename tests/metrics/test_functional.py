import numpy as np
import pytest
from scipy.special import softmax

from zsxai.metrics import functional as f
from zsxai.metrics import summarise


def test_probabilities_are_one_softmax_with_the_stated_scale():
    cosines = np.random.default_rng(0).normal(size=(4, 7))
    np.testing.assert_allclose(f.probabilities(cosines, 14.3), softmax(14.3 * cosines, axis=-1), rtol=1e-12)
    assert np.ptp(f.probabilities(cosines / 10, 1.0)) < np.ptp(f.probabilities(cosines / 10, 14.3))


@pytest.mark.parametrize(
    ("function", "p", "other", "expected"),
    [
        (f.average_increase, [0.5, 0.5, 0.5], [0.6, 0.5, 0.4], [100, 0, 0]),
        (f.average_increase, [0.5, 0.02], [0.5 + 1e-7, 0.0201], [0, 100]),
        (f.average_drop, [0.6, 0.5, 0.2], [0.3, 0.5, 0.9], [50, 0, 0]),
        (f.average_gain, [0.6, 0.5, 0.2], [0.8, 0.5, 0.1], [50, 0, 0]),
        (f.faithfulness, [0.6, 0.2], [0.1, 0.5], [0.5, -0.3]),
        (f.listening_gap, [0.6, 0.2], [0.1, 0.5], [0.5, 0.3]),
        (f.input_fidelity, [3, 4], [3, 5], [1, 0]),
    ],
)
def test_by_hand(function, p, other, expected):
    np.testing.assert_allclose(function(p, other), expected, atol=1e-12)


def classes_with(p, count=50):
    return np.array([p, *[(1 - p) / (count - 1)] * (count - 1)])


@pytest.mark.parametrize(
    ("before", "after", "reads"), [(1.0, 0.0, 62.7), (1.0, 0.5, 38.7), (0.6, 0.3, 25.7), (0.3, 0.15, 13.9)]
)
def test_a_second_softmax_hides_most_of_a_drop(before, after, reads):
    p, p_in = classes_with(before)[None], classes_with(after)[None]
    found = f.average_drop_double_softmax(p, p_in, [0])
    assert found[0] == pytest.approx(reads, abs=0.05)
    twice = softmax(p, axis=-1)[0, 0], softmax(p_in, axis=-1)[0, 0]
    assert found[0] == pytest.approx(100 * (twice[0] - twice[1]) / twice[0], rel=1e-12)
    assert f.average_drop(before, after) == pytest.approx(100 * (before - after) / before)


def test_a_second_softmax_looks_at_the_target_and_is_bounded():
    p, p_in = np.eye(3)[[0, 1]], np.eye(3)[[1, 1]]
    np.testing.assert_allclose(f.average_drop_double_softmax(p, p_in, [0, 1]), [100 * (1 - np.exp(-1)), 0])


def test_what_cannot_be_computed_is_counted_not_filled():
    drops = f.average_drop([0.0, 0.5, np.nan], [0.1, 0.25, 0.5])
    assert np.isnan(drops[[0, 2]]).all()
    assert summarise(drops) == (50.0, 3, 2)
    assert np.isnan(f.average_gain([1.0], [1.0])).all()
    assert np.isnan(f.average_increase([np.nan], [0.5])).all()
    assert np.isnan(f.listening_gap([np.nan], [0.5])).all()
    assert np.isnan(summarise([np.nan]).mean)


def test_mask_mean_and_kept_energy_count_only_the_band():
    in_band = np.array([False, True, True])
    masks = np.zeros((2, 3, 4))
    masks[0, 1] = 1.0
    masks[1, 0] = 1.0
    np.testing.assert_allclose(f.mask_mean(masks, in_band), [0.5, 0.0])
    power = np.ones((3, 4)) * np.array([[100.0], [3.0], [1.0]])
    np.testing.assert_allclose(f.kept_energy(power, masks, in_band), [0.75, 0.0])
    assert np.isnan(f.kept_energy(power * 0, masks, in_band)).all()


def test_mask_mean_of_unlike_lengths_and_of_no_band():
    masks = [np.full((2, 3), 0.25, np.float32), np.full((2, 5), 0.5, np.float32)]
    np.testing.assert_array_equal(f.mask_mean(masks, [True, False]), [0.25, 0.5])
    assert np.isnan(f.mask_mean(masks, [False, False])).all()


def test_audibility_is_the_part_of_what_is_kept_that_is_loud():
    power = np.array([[8.0, 4.0], [2.0, 1.0]])
    six_db = 10**-0.6
    gain = np.array([[[1.0, 0.2], [six_db, 0.25]], np.zeros((2, 2)), np.ones((2, 2))])
    loud, quiet = 8.0 + 2.0 * six_db, 4.0 * 0.2 + 0.25
    np.testing.assert_allclose(f.audibility(power, gain), [loud / (loud + quiet), np.nan, 1.0])
    assert np.isnan(f.audibility(power * 0, gain)).all()
