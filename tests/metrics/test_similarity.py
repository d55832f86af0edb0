import numpy as np
import pytest
from scipy import stats
from skimage.metrics import structural_similarity

from zsxai.metrics import similarity as s


def pair(seed, shape=(40, 61), zeros=0.0):
    rng = np.random.default_rng(seed)
    first = rng.random(shape)
    second = 0.5 * first + 0.5 * rng.random(shape)
    return first * (first >= zeros), second * (second >= zeros)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("zeros", [0.0, 0.6])
def test_correlations_are_scipys(zeros, dtype):
    first, second = (v.astype(dtype) for v in pair(0, zeros=zeros))
    wide = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    assert s.pearson(first, second) == pytest.approx(stats.pearsonr(*wide)[0], abs=1e-12)
    assert s.spearman(first, second) == pytest.approx(stats.spearmanr(*wide)[0], abs=1e-12)


def test_ranks_share_ties():
    np.testing.assert_array_equal(s.ranks([3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0])
    np.testing.assert_array_equal(s.ranks([]), [])


def test_correlation_survives_tiny_and_huge_values():
    first, second = pair(1)
    assert s.pearson(first * 1e-60, second * 1e60) == pytest.approx(s.pearson(first, second), abs=1e-12)


def test_what_is_constant_or_broken_has_no_correlation():
    flat, shape = np.full((8, 8), 0.1, np.float32), pair(2, (8, 8))[0]
    broken = shape.copy()
    broken[0, 0] = np.nan
    for function in (s.pearson, s.spearman):
        for other in (flat, broken, np.full((8, 8), np.nan)):
            assert np.isnan(function(shape, other))
            assert np.isnan(function(other, shape))
    assert np.isnan(s.pearson([], []))


def test_agreement_judges_flat_maps():
    first, second = pair(3)
    flat, higher = np.zeros_like(first), np.ones_like(first)
    assert s.agreement(first, second) == s.pearson(first, second)
    assert [s.agreement(first, flat), s.agreement(higher, second), s.agreement(flat, higher)] == [0.0, 0.0, 1.0]
    assert np.isnan(s.agreement(flat, flat * np.nan))


@pytest.mark.parametrize("shape", [(7, 7), (40, 61), (513, 101)])
def test_ssim_is_scikit_images(shape):
    first, second = pair(4, shape)
    expected = structural_similarity(first, second, data_range=np.ptp(second))
    assert s.ssim(first, second) == pytest.approx(expected, abs=1e-10)
    narrow = first.astype(np.float32), second.astype(np.float32)
    assert s.ssim(*narrow) == pytest.approx(expected, abs=1e-6)
    assert s.ssim(first, first) == pytest.approx(1.0, abs=1e-12)


def test_ssim_takes_the_range_of_the_second_map():
    first, second = pair(5)
    second = second * 0.01
    assert s.ssim(first, second) == pytest.approx(structural_similarity(first, second, data_range=np.ptp(second)))
    assert s.ssim(first, second) != pytest.approx(s.ssim(second, first), abs=1e-4)


def test_ssim_that_cannot_be():
    first, second = pair(6)
    broken = second.copy()
    broken[3, 3] = np.nan
    for a, b in ((first, first * 0), (first * 0, second), (first[:6], second[:6]), (first, broken)):
        assert np.isnan(s.ssim(a, b))


def test_energy_ratio():
    assert s.energy_ratio(np.full((2, 4), 0.5, np.float32), np.full((2, 4), 0.1, np.float32)) == pytest.approx(0.2)
    assert s.energy_ratio([[1.0]], [[0.0]]) == 0
    assert np.isnan(s.energy_ratio(np.zeros((2, 2)), np.ones((2, 2))))
    assert np.isnan(s.energy_ratio(np.ones((2, 2)), np.full((2, 2), np.nan)))
