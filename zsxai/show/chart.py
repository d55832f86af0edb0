"""Numbers of windows over time as a page draws them: a line a name, a step a window, and what the script needs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.show.parts import Box, Tick

COLOURS = 8
"""Colours of lines; what is further wears them again."""
COLUMNS = 600
"""Columns of a line as it stands before the script draws: each from its least to its greatest value."""
_STEPS = 30_000
"""Steps of 16 bits between the ends of a scale, and beyond them as many again."""


@dataclass(frozen=True)
class Line:
    """A level on a scale: its value, where it lies (per cent from the top), and what it is."""

    value: float
    at: float
    words: str


@dataclass(frozen=True)
class Scale:
    """What the height of a chart stands for.

    Attributes:
        name: Such as ``presence``.
        words: What it is.
        low: Bottom.
        high: Top.
        ticks: Labels from the top.
        lines: Levels across the chart.
        per_cent: Whether values are parts of a whole.
    """

    name: str
    words: str
    low: float
    high: float
    ticks: tuple[Tick, ...]
    lines: tuple[Line, ...] = ()
    per_cent: bool = False


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        name: Its name; lines of one name on several scales have one switch.
        colour: From 1 to :data:`COLOURS`, or 0 for ink.
        scale: Name of its scale.
        values: Steps of 16 bits from the bottom of the scale, as base64.
        path: As it stands before the script draws, on 1,000 x 1,000.
        faint: Drawn thin and dashed: a level, no score.
    """

    name: str
    colour: int
    scale: str
    values: str
    path: str
    faint: bool = False


@dataclass(frozen=True)
class Span:
    """A stretch that is marked along the top of a chart: a box, its colour, and the name of its line."""

    box: Box
    colour: int
    name: str


@dataclass(frozen=True)
class Chart:
    """Numbers of windows over time.

    Attributes:
        alt: The chart in words.
        seconds: Length of the recording.
        window: Length of a window, seconds.
        step: From one window to the next.
        last: Start of the last window.
        count: Number of windows.
        scales: What the height stands for; the first is shown first.
        series: The lines.
        spans: Stretches along its top.
        time_ticks: Labels from the left.
        strip: The spectrogram under it as a data URI, empty where there is none.
        top: Highest hertz of the strip.
        colour: What is kept over the strip as a data URI, empty where there is no mask.
        dark: Stretches that are shaded.
    """

    alt: str
    seconds: float
    window: float
    step: float
    last: float
    count: int
    scales: tuple[Scale, ...]
    series: tuple[Series, ...]
    spans: tuple[Span, ...]
    time_ticks: tuple[Tick, ...]
    strip: str = ""
    top: float = 0.0
    colour: str = ""
    dark: tuple[Box, ...] = ()

    @property
    def names(self) -> list[Series]:
        """The lines that have a switch, one of each name."""
        return list({one.name: one for one in self.series if not one.faint}.values())


def make_scale(
    name: str,
    words: str,
    low: float,
    high: float,
    marks: Sequence[float],
    lines: Sequence[tuple[float, str]] = (),
    *,
    per_cent: bool = False,
) -> Scale:
    """A scale with labels at ``marks`` and levels at ``lines``."""

    def at(value: float) -> float:
        return round(100.0 * (high - value) / (high - low), 2)

    written = (f"{mark:.0%}" if per_cent else f"{mark:g}".replace("-", "\N{MINUS SIGN}") for mark in marks)
    ticks = tuple(Tick(text, at(mark)) for text, mark in zip(written, marks, strict=True))
    return Scale(name, words, low, high, ticks, tuple(Line(v, at(v), said) for v, said in lines), per_cent)


def make_series(
    name: str, colour: int, scale: Scale, values: NDArray[Any], edges: NDArray[Any], *, faint: bool = False
) -> Series:
    """A line of the values ``(W,)`` of windows that meet at ``edges`` ``(W + 1,)``."""
    height = (np.asarray(values, np.float64) - scale.low) / (scale.high - scale.low)
    steps = np.clip(np.round(height * _STEPS), -32768, 32767).astype("<i2")
    encoded = b64encode(steps.tobytes()).decode("ascii")
    return Series(name, colour, scale.name, encoded, _path(height, edges / edges[-1]), faint)


def _path(height: NDArray[Any], edges: NDArray[Any]) -> str:
    """Steps of few windows; of many each column's least and greatest value."""
    if len(height) > COLUMNS:
        first = np.searchsorted(edges, np.arange(COLUMNS) / COLUMNS, side="right") - 1
        pairs = np.stack([np.minimum.reduceat(height, first), np.maximum.reduceat(height, first)], axis=1)
        x = np.repeat((np.arange(COLUMNS) + 0.5) / COLUMNS, 2)
        height = pairs.ravel()
    else:
        x, height = np.repeat(edges, 2)[1:-1], np.repeat(height, 2)
    points = zip((1000 * x).tolist(), (1000 * (1 - np.clip(height, 0, 1))).tolist(), strict=True)
    return "M" + "L".join(f"{across:.1f},{down:.1f}" for across, down in points)


def make_span(start: float, stop: float, seconds: float, colour: int, name: str) -> Span:
    """A stretch along the top of a chart."""
    return Span(Box(round(100 * start / seconds, 3), round(100 * (stop - start) / seconds, 3)), colour, name)
