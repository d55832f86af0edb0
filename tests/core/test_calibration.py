"""Calibrations, regions in words, rolled maps."""

from __future__ import annotations

import numpy as np
import pytest

from tests.toys import SPEC, STRICT
from zsxai.calibration import CALIBRATIONS, to_mask
from zsxai.controls import roll
from zsxai.errors import InputError
from zsxai.regions import find_regions
from zsxai.spectral import heard_band, mel_grid, stft_grid
from zsxai.spectral.front_end import hz_to_mel

pytestmark = STRICT
BY_HAND = {
    "identity": [0, 0, 0.25, 1],
    "sigmoid": [0.11920292, 0.5, 0.5621765, 0.98201379],
    "steep-sigmoid": [0.00033535, 0.5, 0.73105858, 0.99999989],
    "relu-max": [0, 0, 0.0625, 1],
    "sqrt-relu-max": [0, 0, 0.25, 1],
    "relu-p99": [0, 0, 0.25 / 3.8875, 1],
    "sqrt-relu-p99": [0, 0, (0.25 / 3.8875) ** 0.5, 1],
    "min-max": [0, 1 / 3, 2.25 / 6, 1],
    "rank": [0, 0, 0.75, 1],
}


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_by_hand(name: str) -> None:
    relevance = np.array([[-2.0, 0.0], [0.25, 4.0]], dtype=np.float32)
    mask = to_mask(relevance, np.array([True, True]), name)
    assert mask.dtype == np.float32
    np.testing.assert_allclose(mask.ravel(), BY_HAND[name], rtol=1e-5)


OF_POSITIVE = [name for name in CALIBRATIONS if "sigmoid" not in name]
"""Those that show the positive part only; log-odds of 0 are a mask of one half."""


@pytest.mark.parametrize("name", OF_POSITIVE)
def test_masks_stay_in_the_band_and_in_the_unit_interval(name: str) -> None:
    relevance = np.random.default_rng(0).normal(size=(9, 20)).astype(np.float32) * 3
    relevance[0] = 1e6
    band = np.arange(9) > 0
    mask = to_mask(relevance, band, name)
    assert not mask[0].any()
    assert mask.min() >= 0
    assert mask.max() == 1
    # What lies outside the band does not count.
    relevance[0] = -1e6
    np.testing.assert_array_equal(to_mask(relevance, band, name), mask)
    # The order of positive cells is kept.
    positive = np.sort(relevance[1:][relevance[1:] > 0])
    ranked = mask[1:].ravel()[np.argsort(relevance[1:].ravel(), kind="stable")][-len(positive) :]
    assert (np.diff(ranked) >= 0).all()
    assert not to_mask(relevance, np.zeros(9, dtype=bool), name).any()


def test_log_odds_of_any_size_become_a_mask() -> None:
    odds = np.array([[-1e4, -1.0, 0.0, 1.0, 1e4]], dtype=np.float32)
    mask = to_mask(odds, np.ones(1, dtype=bool), "sigmoid")[0]
    np.testing.assert_allclose(mask, [0, 1 - mask[3], 0.5, 1 / (1 + np.exp(-1)), 1], rtol=1e-6)
    assert not to_mask(odds, np.zeros(1, dtype=bool), "sigmoid").any()


@pytest.mark.parametrize("name", OF_POSITIVE)
def test_nothing_positive_is_an_empty_mask(name: str) -> None:
    assert not to_mask(np.zeros((3, 4), dtype=np.float32), np.ones(3, dtype=bool), name).any()
    if name != "min-max":
        assert not to_mask(np.full((3, 4), -1.0, dtype=np.float32), np.ones(3, dtype=bool), name).any()


def test_min_max_takes_the_least_to_zero_whatever_its_sign() -> None:
    band = np.ones(1, dtype=bool)
    assert to_mask(np.array([[3.0, 4.0, 5.0]], dtype=np.float32), band, "min-max").tolist() == [[0, 0.5, 1]]
    assert to_mask(np.array([[-5.0, -4.0, -3.0]], dtype=np.float32), band, "min-max").tolist() == [[0, 0.5, 1]]


def test_unknown_names_bring_the_known() -> None:
    with pytest.raises(InputError, match="unknown calibration 'softmax': one of identity, sigmoid, steep-sigmoid"):
        to_mask(np.zeros((1, 1), dtype=np.float32), np.ones(1, dtype=bool), "softmax")


def test_regions_say_where() -> None:
    grid = mel_grid(SPEC, 16000)
    mask = np.zeros(grid.shape, dtype=np.float32)
    first, last = grid.cell(0.2, 400.0), grid.cell(0.5, 900.0)
    mask[first[0] : last[0] + 1, first[1] : last[1] + 1] = 1.0
    mask[grid.cell(0.8, 5000.0)] = 0.6
    mask[grid.cell(0.65, 3000.0)] = 0.6  # a speck: under .5 % of the energy kept
    mask[0, -1] = 0.2
    power = np.ones(grid.shape)
    power[grid.cell(0.8, 5000.0)] = 4.0
    regions = find_regions(mask, power, grid)
    assert len(regions) == 2
    a, b = regions
    assert (a.start, a.stop) == (pytest.approx(0.2, abs=0.006), pytest.approx(0.5, abs=0.006))
    assert a.low <= 400 < grid.frequencies[first[0] + 1]
    assert grid.frequencies[last[0] - 1] < 900 <= a.high
    assert b.start <= 0.8 <= b.stop
    assert b.low <= 5000 <= b.high
    assert a.share > 0.9
    assert a.share + b.share == pytest.approx(1 - 0.8 / (mask * power).sum(), abs=1e-3)
    assert (a.under_db, b.under_db) == (0.0, pytest.approx(-10 * np.log10(0.6), abs=0.01))
    where = f"{a.start:.2f}-{a.stop:.2f} s, {a.low:,.0f}-{a.high:,.0f} Hz"
    assert str(a) == f"{where} ({a.share:.0%} of the energy kept, 0.0 dB under the recording)"
    assert find_regions(mask, power, grid, count=1) == [a]
    assert find_regions(mask * 0.2, power, grid) == []
    assert len(find_regions(mask * 0.2, power, grid, line_db=-8.0)) == 1


@pytest.mark.parametrize("grid", [mel_grid(SPEC, 16000), stft_grid(SPEC, 16000, heard_band(SPEC))])
def test_rolled_maps_lie_half_a_clip_and_half_a_band_away(grid) -> None:
    values = np.zeros((1, *grid.shape), dtype=np.float32)
    row, column = grid.cell(0.2, 500.0)
    values[0, row, column] = 1.0
    rows, columns = roll(values, grid)[0].nonzero()
    assert set(columns) == {column + grid.shape[1] // 2}
    middle = hz_to_mel(np.array(grid.band)).mean()
    mirrored = 2 * middle - hz_to_mel(grid.frequencies[rows])
    assert len(rows)
    np.testing.assert_allclose(mirrored, hz_to_mel(grid.frequencies[row]), atol=0.6)
    everywhere = roll(np.ones(grid.shape), grid)
    assert (everywhere[grid.in_band] == 1).all()
    assert not everywhere[~grid.in_band].any()


def test_rolling_a_mel_map_keeps_its_cells() -> None:
    grid = mel_grid(SPEC, 16000)
    values = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    np.testing.assert_array_equal(np.sort(roll(values, grid), axis=None), np.sort(values, axis=None))
