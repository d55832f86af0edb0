"""Where the evidence of one recording lies, in a few hundred numbers: all that an audit keeps of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.explanation import Explanation
from zsxai.level import ACTIVE
from zsxai.spectral import Grid
from zsxai.spectral.front_end import hz_to_mel, mel_to_hz
from zsxai.spectral.grid import overlap

BANDS = 96
"""Bands of equal height in mel, from the lowest to the highest frequency that the model hears."""
PARTS = 40
"""Equal parts of a clip: two of them are 5 %."""
EDGE_PARTS = 2
"""Parts at either end that are the clip's edge."""
SECONDS, BIN = 15.0, 0.25
"""Absolute time goes so far, in bins so long; what lies behind is in no bin."""
MOMENTS, MOMENT = 50, 0.01
"""Bins at either end in which short sounds are looked for, and the length of one, seconds."""
QUIETEST = 1e-10
"""Power of samples that counts as silence, 100 dB under full scale."""
STEADY = 20.0
"""A band's steady level is this percentile of its power over the frames: what is there when all else is quiet."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """How much lies in a part of a recording.

    Attributes:
        evidence: Share of the evidence there; NaN where there is no evidence.
        power: Share of the power.
        level: Share of the level in decibels above the floor: what a map gives that shows how loud each cell is,
            whatever the label (the explainer ``energy``).
        size: Share of the seconds and of the band in mel.
    """

    evidence: Array
    power: Array
    level: Array
    size: Array

    @property
    def own(self) -> Array:
        """What evidence that knows nothing of the label would put there at most: the largest of the other shares."""
        return np.maximum(np.maximum(self.power, self.level), self.size)


@dataclass(frozen=True, eq=False)
class Profile:
    """A recording in numbers.

    Attributes:
        name: Unique in its data set.
        label: Its class, which it was explained for.
        source: The recording that it was cut from: the unit of intervals and tests.
        seconds: Length.
        score: Score of its label.
        hertz: Shares of the bands, :data:`BANDS`.
        time: Shares of equal parts of the clip, :data:`PARTS`.
        after: Shares of the bins of absolute time.
        silence: Share in frames 40 dB or more under the loudest, ``(1,)``.
        outside: Share outside the time that is annotated, ``(1,)``; NaN where nothing is.
        steady: Steady level of each band, decibels.
        moments: Level of each short bin at the start and, in a second row, at the end, the last first; decibels.
    """

    name: str
    label: str
    source: str
    seconds: float
    score: float
    hertz: Part
    time: Part
    after: Part
    silence: Part
    outside: Part
    steady: Array
    moments: Array


def band_edges(band: tuple[float, float]) -> Array:
    """Edges of the bands, ``(BANDS + 1,)`` hertz."""
    low, high = hz_to_mel(np.array(band))
    edges: Array = mel_to_hz(np.linspace(low, high, BANDS + 1))
    return edges


def profile_of(
    made: Explanation, name: str, label: str, source: str, annotated: Sequence[tuple[float, float]] | None = None
) -> Profile:
    """Sum an explanation up.

    Args:
        made: The explanation of the recording for its label.
        name: Name of the recording.
        label: Its class.
        source: The recording that it was cut from.
        annotated: Start and stop in seconds of what is annotated in it; None where nothing is known.
    """
    grid, power = made.grid, made.power.astype(np.float64)
    frames = np.diff(grid.time_edges)
    average, split = _onto_bands(grid)
    floor = made.masking.floor
    level = average @ (10.0 * np.log10(np.maximum(power, floor) / floor))
    of_band = split @ power
    maps = (average @ made.mask.astype(np.float64) * frames, of_band * frames, level * frames)
    size = np.broadcast_to(frames / (frames.sum() * BANDS), maps[0].shape)
    end = float(grid.time_edges[-1])

    def over(which: Array) -> Part:  # (N, B) part of every frame that lies in each of B bins
        return Part(*(_share(m.sum(axis=0) @ which, m) for m in (*maps, size)))

    whole = np.ones(len(frames))
    loud = of_band.sum(axis=0)
    outside = np.full((len(frames), 1), np.nan) if annotated is None else 1.0 - _covered(grid.time_edges, annotated)
    edges = np.linspace(0.0, end, PARTS + 1)
    return Profile(
        name=name,
        label=label,
        source=source,
        seconds=made.seconds,
        score=made.score,
        hertz=Part(*(_share(m @ whole, m) for m in (*maps, size))),
        time=over(_inside(grid.time_edges, edges)),
        after=over(_inside(grid.time_edges, np.arange(0.0, SECONDS + BIN / 2, BIN))),
        silence=over((loud <= ACTIVE * loud.max())[:, None].astype(np.float64)),
        outside=over(outside),
        steady=10.0 * np.log10(np.maximum(np.percentile(of_band, STEADY, axis=1), floor)),
        moments=_moments(made.original, made.sample_rate),
    )


def _onto_bands(grid: Grid) -> tuple[Array, Array]:
    """Matrices from rows to bands: one averages over mel, one adds up."""
    edges = hz_to_mel(band_edges(grid.band))
    rows = hz_to_mel(grid.frequency_edges)
    average = overlap(rows, edges)
    return average, average * np.diff(edges)[:, None] / np.maximum(np.diff(rows), 1e-12)


def _inside(edges: Array, wanted: Array) -> Array:
    """``(N, B)``: the part of each frame that lies in each bin."""
    found: Array = overlap(edges, wanted).T * np.diff(wanted) / np.diff(edges)[:, None]
    return found


def _covered(edges: Array, spans: Sequence[tuple[float, float]]) -> Array:
    """``(N, 1)``: the part of each frame that spans cover, overlapping ones once."""
    covered, reached = np.zeros(len(edges) - 1), -np.inf
    for start, stop in sorted(spans):
        if stop > max(start, reached):
            covered += _inside(edges, np.array([max(start, reached), stop]))[:, 0]
            reached = stop
    return np.minimum(covered, 1.0)[:, None]


def _share(values: Array, of: NDArray[Any]) -> Array:
    total = float(of.sum())
    return values / total if total > 0 else np.full(values.shape, np.nan)


def _moments(waveform: NDArray[Any], sample_rate: int) -> Array:
    """``(2, MOMENTS)`` decibels, of the samples themselves: frames of a transform are longer than a click."""
    frame = max(1, round(MOMENT * sample_rate))
    found = np.zeros((2, MOMENTS))
    for row, samples in zip(found, (waveform, waveform[::-1]), strict=True):
        bins = samples[: MOMENTS * frame].astype(np.float64)
        bins = bins[: len(bins) // frame * frame].reshape(-1, frame)
        row[: len(bins)] = (bins**2).mean(axis=1)
    return 10.0 * np.log10(np.maximum(found, QUIETEST))
