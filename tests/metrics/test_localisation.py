import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from zsxai.metrics import localisation as loc

RNG = np.random.default_rng(0)
POWERS = RNG.exponential(size=(2, 3000))
WEIGHTS = np.sqrt(POWERS.sum(axis=0))
LABELS = (POWERS[0] > POWERS[1]).astype(int)
SCORES = {
    "distinct": RNG.random(3000),
    "ties": np.round(RNG.random(3000) + 0.3 * LABELS, 1),
    "sparse": np.where(RNG.random(3000) < 0.9, 0.0, RNG.random(3000)).astype(np.float32),
    "binary": (RNG.random(3000) < 0.3).astype(np.float32),
    "signed": RNG.normal(size=3000) + LABELS,
    "zeros of both signs": np.where(RNG.random(3000) < 0.5, -0.0, 0.0) + (RNG.random(3000) < 0.2),
}


@pytest.mark.parametrize("name", SCORES)
def test_auc_is_scikit_learns(name):
    scores = SCORES[name]
    assert loc.roc_auc(scores, LABELS) == pytest.approx(roc_auc_score(LABELS, scores), abs=1e-12)
    expected = roc_auc_score(LABELS, scores, sample_weight=WEIGHTS)
    assert loc.roc_auc(scores, LABELS, WEIGHTS) == pytest.approx(expected, abs=1e-12)


def test_auc_is_the_mann_whitney_statistic():
    scores = SCORES["ties"]
    u = stats.mannwhitneyu(scores[LABELS == 1], scores[LABELS == 0]).statistic
    assert loc.roc_auc(scores, LABELS) == pytest.approx(u / (LABELS.sum() * (1 - LABELS).sum()), abs=1e-12)


def test_auc_of_cells_that_are_half_and_half():
    scores, positive, weights = np.array([0.1, 0.4, 0.4, 0.9]), np.array([0.0, 0.5, 1.0, 0.5]), np.array([1.0, 2, 3, 4])
    # The same cells, split by hand into positive and negative ones of half the weight.
    split = [0.1, 0.4, 0.4, 0.4, 0.9, 0.9]
    expected = roc_auc_score([0, 1, 0, 1, 1, 0], split, sample_weight=[1, 1, 1, 3, 2, 2])
    assert loc.roc_auc(scores, positive, weights) == pytest.approx(expected, abs=1e-12)


def test_auc_that_cannot_be():
    assert np.isnan(loc.roc_auc([0.1, 0.2], [1, 1]))
    assert np.isnan(loc.roc_auc([0.1, 0.2], [1, 0], [1, 0]))
    assert np.isnan(loc.roc_auc([], []))
    assert np.isnan(loc.roc_auc([0.1, np.nan], [1, 0]))


def test_auc_of_a_whole_map_does_not_take_all_pairs():
    # A matrix of all pairs would not fit in memory.
    scores = np.random.default_rng(1).random(513 * 501).astype(np.float32)
    assert loc.roc_auc(scores, scores > 0.5) == 1.0


def test_ideal_masks():
    target, other = np.array([4.0, 1, 2, 0]), np.array([1.0, 4, 2, 0])
    np.testing.assert_array_equal(loc.ideal_binary_mask(target, other), [1, 0, 0.5, 0.5])
    np.testing.assert_array_equal(loc.ideal_ratio_mask(target, other), [0.8, 0.2, 0.5, 0.5])


def test_energy_by_hand():
    target, other = np.array([3.0, 1.0]), np.array([1.0, 3.0])
    assert loc.delta_energy([1, 0], target, other) == pytest.approx(3 / 4 - 1 / 2)
    assert loc.delta_energy([0.5, 0.5], target, other) == pytest.approx(0)
    assert np.isnan(loc.delta_energy([0, 0], target, other))
    assert np.isnan(loc.delta_energy([1, 1], target * 0, other * 0))


def test_pointing_by_hand():
    mixture, positive = np.array([4.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.5])
    assert loc.pointing([0.4, 1.0, 0.0], mixture, positive) == 1
    assert loc.pointing([0.6, 1.0, 0.0], mixture, positive) == 0
    assert loc.pointing([0.5, 1.0, 1.0], mixture, positive) == pytest.approx(0.5)
    assert loc.pointing([0.0, 0.0, 0.0], mixture, positive) == pytest.approx(0.5)
    assert np.isnan(loc.pointing([], [], []))
    assert np.isnan(loc.pointing([np.nan, 1.0, 0.0], mixture, positive))


def test_correlation_of_constants():
    truth = loc.ideal_ratio_mask(*POWERS)
    mask = SCORES["ties"]
    assert loc.correlation(mask, truth) == pytest.approx(stats.pearsonr(mask, truth)[0], abs=1e-12)
    assert loc.correlation(np.full(3000, 0.1, np.float32), truth) == 0
    assert np.isnan(loc.correlation(mask, np.ones(3000)))
    assert np.isnan(loc.correlation(mask * 0, np.ones(3000)))
