"""The best part of a map: exact parts, fair ties, matched energy."""

from __future__ import annotations

import numpy as np
import pytest

from zsxai.benchmarks.tasks.budgets import Ranking

ALL = np.ones(40, dtype=bool)


def test_the_highest_cells_of_the_band() -> None:
    relevance = np.arange(12.0).reshape(3, 4)
    in_band = np.array([True, True, False])
    (kept,) = Ranking(relevance, in_band).best([0.25])
    np.testing.assert_array_equal(kept.nonzero(), [[1, 1], [2, 3]])


def test_parts_are_exact_and_nested() -> None:
    relevance = np.random.default_rng(0).integers(0, 5, (40, 40)).astype(float)
    kept = Ranking(relevance, ALL).best([0.1, 0.25, 0.5])
    assert kept.sum(axis=(1, 2)).tolist() == [160, 400, 800]
    assert not (kept[0] & ~kept[1]).any()
    assert not (kept[1] & ~kept[2]).any()


def test_a_map_that_says_nothing_prefers_no_place() -> None:
    (kept,) = Ranking(np.zeros((40, 40)), ALL).best([0.25])
    assert kept.sum() == 400
    for half in (kept[:20], kept[:, :20], kept[::2]):
        assert abs(half.sum() - 200) < 40
    np.testing.assert_array_equal(kept, Ranking(np.full((40, 40), 3.0), ALL).best([0.25])[0])


def test_matched_energy_is_met_by_the_fewest_best_cells() -> None:
    rng = np.random.default_rng(1)
    relevance, energy = rng.normal(size=(40, 40)), rng.pareto(1.5, (40, 40))
    (kept,) = Ranking(relevance, ALL).best([0.3], energy)
    order = np.argsort(-relevance.ravel())
    spent = np.cumsum(energy.ravel()[order])
    count = int(np.argmax(spent >= 0.3 * spent[-1])) + 1
    assert set(np.flatnonzero(kept)) == set(order[:count])


def test_ties_are_filled_up_to_the_energy() -> None:
    energy = np.random.default_rng(2).random((40, 40))
    (kept,) = Ranking(np.zeros((40, 40)), ALL).best([0.5], energy)
    assert energy[kept].sum() == pytest.approx(0.5 * energy.sum(), rel=0.01)
    assert energy[kept].sum() >= 0.5 * energy.sum() * (1 - 1e-6)


def test_nan_ranks_last() -> None:
    relevance = np.full((40, 40), np.nan)
    relevance[:10] = -5.0
    np.testing.assert_array_equal(Ranking(relevance, ALL).best([0.25])[0], ~np.isnan(relevance))
