"""Oracles: the true share of a sound, read on the cells of an explainer, so that its map meets its own ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.clip import Clip, Relevance, make_grid
from zsxai.fill import fill
from zsxai.metrics.localisation import ideal_ratio_mask
from zsxai.recording import Recording
from zsxai.spectral import Grid, patch_grid

Cells = tuple[Grid, Literal["window", "clip"]]
"""Where an explainer's cells lie, and on what, as :class:`zsxai.clip.Relevance` says."""


def oracle(recording: Recording, sounds: NDArray[Any], cells: Sequence[Cells]) -> NDArray[Any]:
    """Ideal ratio masks as well as some cells can draw them, carried to the recording's grid as relevance is.

    Args:
        recording: The mixture.
        sounds: ``(2, T)``, which it is the sum of.
        cells: Per window of the recording.

    Returns:
        ``(2, F, N)`` in [0, 1]. Cells of one STFT bin and frame give the ideal ratio mask itself.
    """
    parts = torch.from_numpy(sounds).to(recording.waveform)
    windows = zip(recording.clips, recording.spans, cells, strict=True)
    return recording.stitch(
        _placed(clip, _share(clip, parts[:, start:stop], grid, on), grid, on)
        for clip, (start, stop), (grid, on) in windows
    )


def _share(clip: Clip, sounds: torch.Tensor, grid: Grid, on: Literal["window", "clip"]) -> NDArray[Any]:
    samples = clip.samples
    if on == "window":
        sounds, samples = fill(sounds, clip.model.audio_spec.fill, clip.window_samples), clip.window_samples
    with torch.no_grad():
        powers = clip.stft.power(sounds).cpu().numpy()
    return pooled_share(powers, make_grid(clip.stft.stft_spec, "stft", samples), grid)


def _placed(clip: Clip, share: NDArray[Any], grid: Grid, on: Literal["window", "clip"]) -> NDArray[Any]:
    placed = clip.place(Relevance(torch.from_numpy(share), grid, on))
    if on == "clip":
        return placed
    # Relevance of copies is summed on the sound they came from; a share is their mean.
    copies = clip.place(Relevance(torch.ones(1, *grid.shape), grid, on))
    mean: NDArray[Any] = np.divide(placed, copies, out=np.zeros_like(placed), where=copies > 0)
    return mean


def pooled_share(powers: NDArray[Any], bins: Grid, cells: Grid) -> NDArray[Any]:
    """Share of each of two sounds in the power of every cell.

    Args:
        powers: ``(2, F, N)``.
        bins: Their grid; bins that the model does not hear do not count.
        cells: Where the shares are wanted. A bin belongs to the cell whose edges hold its centre, beyond the edges to
            the outermost one; a cell without any takes the value of the nearest that has one.

    Returns:
        ``(2, *cells.shape)``; .5 where both are silent.
    """
    height, width = cells.shape
    rows = _cell_of(bins.frequencies[bins.in_band], cells.frequency_edges)
    columns = _cell_of(bins.times, cells.time_edges)
    index = (rows[:, None] * width + columns).ravel()
    first, second = (np.bincount(index, p[bins.in_band].ravel(), height * width) for p in powers)
    share = ideal_ratio_mask(first, second).reshape(height, width)
    share = share[_nearest(rows, height)][:, _nearest(columns, width)]
    return np.stack([share, 1.0 - share])


def _cell_of(points: NDArray[Any], edges: NDArray[Any]) -> NDArray[Any]:
    return np.clip(np.searchsorted(edges, points, side="right") - 1, 0, len(edges) - 2)


def _nearest(occupied: NDArray[Any], count: int) -> NDArray[Any]:
    """For each of ``count`` cells in a row the nearest occupied one."""
    there = np.unique(occupied)
    nearest: NDArray[Any] = there[np.abs(np.arange(count)[:, None] - there).argmin(axis=1)]
    return nearest


def resolution(clip: Clip, name: str) -> Cells:
    """Cells of a named resolution: ``125x16`` divides the time of a clip by 125 and its band by 16, equally in mel."""
    frames, bands = (int(n) for n in name.split("x"))
    return patch_grid(clip.grid, float(clip.grid.time_edges[-1]) / frames, bands), "clip"
