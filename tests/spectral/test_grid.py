"""Cells and where they lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.toys import SPEC
from zsxai.spectral import Grid, heard_band, map_grid, mel_grid, patch_grid, stft_grid
from zsxai.spectral.front_end import hz_to_mel, mel_bank
from zsxai.spectral.grid import FrontEndSpec

SAMPLES = 16000
GRIDS = {
    "stft": stft_grid(SPEC, SAMPLES, heard_band(SPEC)),
    "mel": mel_grid(SPEC, SAMPLES),
    "map": map_grid(SPEC, SAMPLES, 8, 26),
    "patches": patch_grid(mel_grid(SPEC, SAMPLES), 0.25, 4),
    "one frame": stft_grid(SPEC, 1),
    "odd end": mel_grid(SPEC, SAMPLES + 37),
}


@pytest.mark.parametrize("name", GRIDS)
def test_cells_tile_the_plane(name: str) -> None:
    grid = GRIDS[name]
    for centres, edges in ((grid.frequencies, grid.frequency_edges), (grid.times, grid.time_edges)):
        assert len(edges) == len(centres) + 1
        assert (np.diff(edges) > 0).all()
        assert ((edges[:-1] <= centres) & (centres <= edges[1:])).all()
    assert grid.in_band.any()
    for row in range(0, grid.shape[0], 7):
        for column in range(0, grid.shape[1], 7):
            assert grid.cell(grid.times[column], grid.frequencies[row]) == (row, column)


def test_cell_of_points_outside_is_the_nearest() -> None:
    assert GRIDS["mel"].cell(-1.0, 1.0) == (0, 0)
    assert GRIDS["mel"].cell(99.0, 1e6) == (31, 100)


def test_the_band_is_what_the_bank_hears() -> None:
    bank = mel_bank(SPEC)
    assert (GRIDS["stft"].in_band == (bank.sum(axis=0) > 0)).all()
    assert not GRIDS["stft"].in_band.all()
    assert GRIDS["mel"].in_band.all()
    # A triangle peaks at the centre of its row.
    peaks = bank[8:].argmax(axis=1) * (SPEC.sample_rate / SPEC.n_fft)
    np.testing.assert_allclose(GRIDS["mel"].frequencies[8:], peaks, atol=SPEC.sample_rate / SPEC.n_fft)


def test_frames_lie_where_the_stft_hears_them() -> None:
    """A click at sample n * hop is loudest in frame n, at the grid's own time for it."""
    from zsxai.spectral import Stft

    for frame in (0, 3, 50, 100):
        click = torch.zeros(SAMPLES + 1)
        click[frame * SPEC.hop] = 1.0
        energy = Stft(SPEC).power(click).sum(dim=0)
        assert int(energy.argmax()) == frame
        assert GRIDS["stft"].times[frame] == pytest.approx(frame * SPEC.hop / SPEC.sample_rate)


def test_a_map_divides_frames_and_bands_evenly() -> None:
    grid = map_grid(SPEC, SAMPLES, 4, 10, frames=100)
    half = 0.5 * SPEC.hop / SPEC.sample_rate
    np.testing.assert_allclose(grid.time_edges, np.linspace(0, 1, 11) - half, atol=1e-12)
    fine = mel_grid(SPEC, SAMPLES)
    np.testing.assert_allclose(grid.frequency_edges, fine.frequency_edges[::8], rtol=1e-9)
    same = map_grid(SPEC, SAMPLES, SPEC.n_mels, SPEC.n_frames(SAMPLES))
    np.testing.assert_allclose(same.times, fine.times, atol=1e-12)
    np.testing.assert_allclose(hz_to_mel(same.frequencies), hz_to_mel(fine.frequencies), atol=0.2)


def test_patches_are_no_longer_than_said() -> None:
    for samples, count in ((16000, 4), (16001, 4), (16160, 5), (4000, 1), (160, 1), (1, 1)):
        cells = patch_grid(mel_grid(SPEC, samples), 0.25, 3)
        assert cells.shape == (3, count)
        assert np.diff(cells.time_edges).max() <= 0.25 * 1.001
        assert np.ptp(np.diff(hz_to_mel(cells.frequency_edges))) < 1e-9


@pytest.mark.parametrize("source", GRIDS)
@pytest.mark.parametrize("onto", GRIDS)
def test_resampling_keeps_constants_and_what_is_linear(source: str, onto: str) -> None:
    a, b = GRIDS[source], GRIDS[onto]
    np.testing.assert_allclose(a.resample(np.full((2, *a.shape), 0.7), b), 0.7, rtol=1e-6)
    if 1 in (a.shape[1], b.shape[1]):
        return
    plane = a.times[None] + 0.01 * hz_to_mel(a.frequencies)[:, None]
    expected = (
        np.clip(b.times, a.times[0], a.times[-1])[None]
        + 0.01 * hz_to_mel(np.clip(b.frequencies, a.frequencies[0], a.frequencies[-1]))[:, None]
    )
    np.testing.assert_allclose(a.resample(plane, b), expected, atol=1e-5)
    if source == onto:
        noise = np.random.default_rng(0).normal(size=a.shape)
        np.testing.assert_allclose(a.resample(noise, b), noise, atol=1e-6)


@pytest.mark.parametrize(("seconds", "hertz"), [(0.11, 300.0), (0.52, 1500.0), (0.87, 6000.0)])
@pytest.mark.parametrize("onto", ["stft", "mel"])
def test_a_lit_cell_stays_in_its_place(seconds: float, hertz: float, onto: str) -> None:
    source, grid = GRIDS["map"], GRIDS[onto]
    values = np.zeros(source.shape)
    row, column = source.cell(seconds, hertz)
    values[row, column] = 1.0
    found = np.unravel_index(source.resample(values, grid).argmax(), grid.shape)
    assert source.cell(grid.times[found[1]], grid.frequencies[found[0]]) == (row, column)


def test_the_band_of_a_checkpoint() -> None:
    """LAION and HF hear 58 % of 513 bins."""
    spec = FrontEndSpec(sample_rate=48000, n_fft=1024, hop=480, n_mels=64, f_min=50, f_max=14000)
    assert Grid.in_band.fget(stft_grid(spec, 48000, heard_band(spec))).mean() == pytest.approx(0.58, abs=0.005)  # type: ignore[attr-defined]
