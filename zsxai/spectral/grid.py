"""Where the cells of a map lie: seconds x hertz."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zsxai.errors import InputError
from zsxai.spectral.front_end import FrontEndSpec, StftSpec, hz_to_mel, mel_points, mel_to_hz

Domain = Literal["stft", "mel"]
DOMAINS: tuple[Domain, ...] = ("stft", "mel")

MOST_PATCHES = 100_000
"""Patches of :func:`patch_grid`, each of which may cost a forward."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells on seconds x hertz; axis 0 of every map is frequency (low to high), axis 1 is time.

    Attributes:
        frequencies: Cell centres, ``(F,)`` hertz, rising.
        times: Cell centres, ``(N,)`` seconds from the start of the clip, rising.
        frequency_edges: ``(F + 1,)`` hertz.
        time_edges: ``(N + 1,)`` seconds.
        domain: ``stft`` or ``mel`` for grids a mask can act on, ``map`` for a model's own coarser cells.
        band: Lowest and highest frequency the model hears, hertz.
    """

    frequencies: NDArray[Any]
    times: NDArray[Any]
    frequency_edges: NDArray[Any]
    time_edges: NDArray[Any]
    domain: Literal["stft", "mel", "map"]
    band: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells along frequency and time, ``(F, N)``."""
        return len(self.frequencies), len(self.times)

    @property
    def in_band(self) -> NDArray[Any]:
        """``(F,)`` bool: the rows the model hears."""
        return (self.frequencies >= self.band[0]) & (self.frequencies <= self.band[1])

    def cell(self, seconds: float, hertz: float) -> tuple[int, int]:
        """Row and column of the cell that holds a point."""
        row = int(np.searchsorted(self.frequency_edges, hertz, side="right")) - 1
        column = int(np.searchsorted(self.time_edges, seconds, side="right")) - 1
        return min(max(row, 0), self.shape[0] - 1), min(max(column, 0), self.shape[1] - 1)

    def resample(self, values: NDArray[Any], onto: Grid) -> NDArray[Any]:
        """Read a map on another grid, linear between centres (frequency on the mel axis), flat beyond them.

        Args:
            values: ``(..., *self.shape)``.
            onto: The grid wanted.

        Returns:
            ``(..., *onto.shape)`` float32. Values are densities: the sum is not kept, the height is.
        """
        read = np.asarray(values, dtype=np.float64)
        # Time first, while the map still has few rows.
        if not np.array_equal(self.times, onto.times):
            read = read @ _weights(self.times, onto.times).T
        if not np.array_equal(self.frequencies, onto.frequencies):
            read = _weights(hz_to_mel(self.frequencies), hz_to_mel(onto.frequencies)) @ read
        return read.astype(np.float32)


def interpolation(source: Grid, onto: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
    """Matrices of :meth:`Grid.resample`: along frequency ``(F', F)`` and along time ``(N', N)``."""
    frequency = _weights(hz_to_mel(source.frequencies), hz_to_mel(onto.frequencies))
    return frequency, _weights(source.times, onto.times)


def _weights(source: NDArray[Any], wanted: NDArray[Any]) -> NDArray[Any]:
    """Matrix of linear interpolation from points ``source`` to points ``wanted``."""
    matrix = np.zeros((len(wanted), len(source)))
    if len(source) == 1:
        matrix[:, 0] = 1.0
        return matrix
    right = np.clip(np.searchsorted(source, wanted), 1, len(source) - 1)
    part = np.clip((wanted - source[right - 1]) / (source[right] - source[right - 1]), 0.0, 1.0)
    row = np.arange(len(wanted))
    matrix[row, right - 1] = 1.0 - part
    matrix[row, right] = part
    return matrix


def overlap(edges: NDArray[Any], wanted: NDArray[Any]) -> NDArray[Any]:
    """Matrix that averages cells between ``edges`` over those between ``wanted``; what no cell covers counts 0."""
    low = np.maximum(wanted[:-1, None], edges[None, :-1])
    high = np.minimum(wanted[1:, None], edges[None, 1:])
    matrix: NDArray[Any] = np.maximum(high - low, 0.0) / np.diff(wanted)[:, None]
    return matrix


@lru_cache(maxsize=16)
def heard_band(spec: FrontEndSpec) -> tuple[float, float]:
    """Lowest and highest STFT bin with any weight in the mel bank, in hertz: those inside its outermost corners."""
    rate = spec.filter_rate or spec.sample_rate
    points = mel_points(spec) * (rate / spec.sample_rate)
    bins = np.linspace(0.0, rate / 2, spec.n_bins)
    heard = np.flatnonzero((bins > points[0]) & (bins < points[-1]))
    width = spec.sample_rate / spec.n_fft
    return float(heard[0] * width), float(heard[-1] * width)


def _frames(spec: StftSpec, samples: int) -> tuple[NDArray[Any], NDArray[Any]]:
    times = np.arange(spec.n_frames(samples)) * (spec.hop / spec.sample_rate)
    middles = (times[1:] + times[:-1]) / 2
    # A hop that does not divide the clip leaves a last frame at its very end: never an empty cell.
    end = max(samples / spec.sample_rate, times[-1] + 0.5 / spec.sample_rate)
    return times, np.concatenate([[0.0], middles, [end]])


def stft_grid(spec: StftSpec, samples: int, band: tuple[float, float] | None = None) -> Grid:
    """Grid of the STFT of a clip of ``samples`` samples; ``band`` defaults to everything."""
    frequencies = np.arange(spec.n_bins) * (spec.sample_rate / spec.n_fft)
    middles = (frequencies[1:] + frequencies[:-1]) / 2
    times, time_edges = _frames(spec, samples)
    nyquist = spec.sample_rate / 2
    edges = np.concatenate([[0.0], middles, [nyquist]])
    return Grid(frequencies, times, edges, time_edges, "stft", band or (0.0, nyquist))


def mel_grid(spec: FrontEndSpec, samples: int) -> Grid:
    """Grid of the mel spectrum of a clip: centres are the peaks of the triangles, edges lie midway in mel."""
    points = mel_points(spec)
    mels = hz_to_mel(points)
    edges = mel_to_hz((mels[1:] + mels[:-1]) / 2)
    times, time_edges = _frames(spec, samples)
    return Grid(points[1:-1], times, edges, time_edges, "mel", (float(edges[0]), float(edges[-1])))


def map_grid(spec: FrontEndSpec, samples: int, n_frequency: int, n_time: int, frames: float | None = None) -> Grid:
    """Grid of a feature map whose cells divide the mel axis and the frames evenly.

    Args:
        spec: The model's front end.
        samples: Samples in the model's window.
        n_frequency: Cells along frequency, each ``n_mels / n_frequency`` bands high.
        n_time: Cells along time.
        frames: Frames that the ``n_time`` cells span, where padding or cropping makes them differ from the
            window's own number.
    """
    points = mel_points(spec)
    mels = hz_to_mel(points)
    band_edges = (mels[1:] + mels[:-1]) / 2
    at = np.linspace(0, spec.n_mels, n_frequency + 1)
    edges = np.interp(at, np.arange(spec.n_mels + 1), band_edges)
    centres = mel_to_hz((edges[1:] + edges[:-1]) / 2)
    span = frames if frames is not None else spec.n_frames(samples)
    # Frame n is centred on n * hop, so the span starts half a hop before zero.
    time_edges = (np.linspace(0, span, n_time + 1) - 0.5) * (spec.hop / spec.sample_rate)
    times = (time_edges[1:] + time_edges[:-1]) / 2
    hertz = mel_to_hz(edges)
    return Grid(centres, times, hertz, time_edges, "map", (float(hertz[0]), float(hertz[-1])))


def patch_grid(grid: Grid, seconds: float, bands: int) -> Grid:
    """Coarse cells over a clip: equal parts of its time and of its band in mel.

    Args:
        grid: The clip's own grid.
        seconds: Length of a patch at most, to a thousandth: a clip of whole patches ends a touch behind its last frame.
        bands: Patches along frequency.

    Raises:
        InputError: If there are more than :data:`MOST_PATCHES`.
    """
    end = float(grid.time_edges[-1])
    parts = max(1.0, np.ceil(end / seconds - 1e-3))
    if parts * bands > MOST_PATCHES:
        raise InputError(
            f"seconds={seconds:g} and bands={bands} cut {end:.4g} s into {parts * bands:.3g} patches, more than "
            f"{MOST_PATCHES:,}: take longer ones or fewer bands"
        )
    time_edges = np.linspace(0.0, end, int(parts) + 1)
    low, high = hz_to_mel(np.array(grid.band))
    mels = np.linspace(low, high, bands + 1)
    centres = mel_to_hz((mels[1:] + mels[:-1]) / 2)
    times = (time_edges[1:] + time_edges[:-1]) / 2
    return Grid(centres, times, mel_to_hz(mels), time_edges, "map", grid.band)
