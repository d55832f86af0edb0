import numpy as np
import pytest

from zsxai.metrics import masks as m

ALL = np.ones(64, dtype=bool)


def random_mask(seed, rows=64, columns=501, zeros=0.0):
    rng = np.random.default_rng(seed)
    mask = rng.random((rows, columns)) ** 3
    return (mask * (rng.random(mask.shape) >= zeros)).astype(np.float32)


def gini_by_pairs(cells):
    cells = np.asarray(cells, dtype=np.float64)
    return np.abs(cells[:, None] - cells[None]).sum() / (2 * cells.size**2 * cells.mean())


def test_gini_is_the_mean_difference_of_all_pairs():
    mask = random_mask(0, 20, 15)
    found = m.sparseness([mask], np.ones(20, dtype=bool))[0]
    assert found == pytest.approx(gini_by_pairs(mask.ravel().astype(np.float64) / mask.max() + 1e-7), abs=1e-12)


def test_gini_by_hand():
    one = np.zeros((2, 5))
    one[1, 2] = 0.3
    # One cell of n alone: (n - 1) / n, less what 1e-7 in every cell takes away.
    assert m.sparseness([one], [True, True])[0] == pytest.approx(0.9 / (1 + 1e-6), abs=1e-12)
    assert m.sparseness([np.full((2, 5), 0.3)], [True, True])[0] == pytest.approx(0, abs=1e-12)


def test_entropy_by_hand():
    half = np.zeros((4, 4))
    half[:2, :4] = 0.2
    assert m.complexity([half], np.ones(4, dtype=bool))[0] == pytest.approx(np.log(8))
    one = np.zeros((4, 4))
    one[3, 3] = 0.7
    assert m.complexity([one], np.ones(4, dtype=bool))[0] == pytest.approx(0, abs=1e-15)


def test_entropy_depends_on_the_number_of_cells():
    small, large = np.ones((4, 10)), np.ones((4, 20))
    found = m.complexity([small, large], np.ones(4, dtype=bool))
    np.testing.assert_allclose(found, np.log([40, 80]))


@pytest.mark.parametrize("zeros", [0.0, 0.9])
@pytest.mark.parametrize("rows", [64, 513])
def test_equal_to_quantus(rows, zeros):
    import quantus

    mask = random_mask(1, rows, zeros=zeros)
    in_band = np.ones(rows, dtype=bool)
    for metric, ours in ((quantus.Sparseness, m.sparseness), (quantus.Complexity, m.complexity)):
        theirs = metric(disable_warnings=True, display_progressbar=False)
        batch = mask[None, None].astype(np.float64)
        expected = theirs(model=None, x_batch=batch, y_batch=np.zeros(1, int), a_batch=batch.copy(), channel_first=True)
        assert ours([mask], in_band)[0] == pytest.approx(expected[0], abs=1e-6)


def test_only_the_band_counts():
    mask = random_mask(2)
    in_band = np.arange(64) % 3 == 0
    changed = np.where(in_band[:, None], mask, 1 - mask)
    for function in (m.sparseness, m.complexity):
        assert function([mask], in_band) == function([changed], in_band)
        assert function([mask], in_band) != function([changed], ALL)


def test_height_does_not_count():
    mask = random_mask(3, zeros=0.99)
    for function in (m.sparseness, m.complexity):
        np.testing.assert_allclose(function([mask * np.float32(2**-10)], ALL), function([mask], ALL), rtol=1e-12)


def test_empty_constant_and_broken_masks():
    empty, ones, broken = np.zeros((64, 5)), np.ones((64, 5)), np.full((64, 5), 0.5)
    broken[3, 3] = np.nan
    np.testing.assert_allclose(m.sparseness([empty, ones, broken], ALL), [0, 0, np.nan], atol=1e-12)
    np.testing.assert_allclose(m.complexity([empty, ones, broken], ALL), [np.nan, np.log(320), np.nan])
    for function in (m.sparseness, m.complexity):
        assert np.isnan(function([ones], np.zeros(64, dtype=bool))).all()


def test_a_batch_is_its_single_masks_and_float32_is_float64():
    batch = [random_mask(4), random_mask(5, columns=77), random_mask(6, zeros=0.5)]
    for function in (m.sparseness, m.complexity):
        together = function(batch, ALL)
        np.testing.assert_array_equal(together, [function([mask], ALL)[0] for mask in batch])
        np.testing.assert_allclose(together, function([mask.astype(np.float64) for mask in batch], ALL), rtol=1e-12)
        np.testing.assert_array_equal(function(np.stack([batch[0], batch[2]]), ALL), together[[0, 2]])
