"""A long recording on a page: scores over time, the strongest minutes opened, players of the files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zsxai.level import FRAME_SECONDS, frame_powers, under
from zsxai.regions import Region, say_regions
from zsxai.scoring import WindowScores
from zsxai.show.chart import Chart, Series, make_scale, make_series, make_span
from zsxai.show.parts import Axis, Box, Picture, Strip, make_picture, time_ticks
from zsxai.show.raster import Raster, colour_png, colours, greys, plain_png, raster
from zsxai.timelines.windows import find_edges
from zsxai.written import clock, data_uri, signed

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

LONG = 60.0
"""Seconds from which on a recording is shown minute by minute."""
MINUTES = 5
"""Minutes that a page opens."""
LISTED = 10
"""Parts of the whole recording that a page lists."""
_STRIP_ROWS = 56


@dataclass(frozen=True)
class Place:
    """A region as a page of a long recording names it."""

    start: float
    stop: float
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Minute:
    """A minute of a long recording.

    Attributes:
        start: Seconds.
        stop: Seconds.
        name: Its times.
        score: Of its strongest window.
        picture: Where.
        regions: Where, in words.
    """

    start: float
    stop: float
    name: str
    score: str
    picture: Picture
    regions: Sequence[Place]


class Levels(NamedTuple):
    """How far what is kept, and what is left, are under a recording, decibels."""

    kept: float
    left: float


def is_long(explanation: Explanation) -> bool:
    """Whether a recording is shown minute by minute."""
    return explanation.seconds > LONG


def name_place(region: Region) -> Place:
    """A region with times as a clock shows them."""
    text = str(region).partition(", ")[2]
    return Place(region.start, region.stop, f"{clock(region.start, 2)}-{clock(region.stop, 2)}, {text}")


def choose_minutes(
    windows: Sequence[WindowScores], weights: Sequence[float], seconds: float, count: int = MINUTES
) -> list[tuple[float, float]]:
    """The minutes around the strongest windows, each of which lies in none of the minutes before.

    Args:
        windows: The windows.
        weights: How much each counts, or nothing where all count alike; one that does not has no minute.
        seconds: Length of the recording.
        count: How many minutes at most.

    Returns:
        Start and end of each, the strongest first.
    """
    found: list[tuple[float, float]] = []
    counting = [w for w, weight in zip(windows, weights or [1.0] * len(windows), strict=True) if weight > 0]
    for window in sorted(counting, key=lambda w: -w.score):
        middle = (window.start + window.stop) / 2
        if any(start <= middle <= stop for start, stop in found):
            continue
        start = float(np.clip(10 * round((middle - LONG / 2) / 10), 0.0, seconds - LONG))
        found.append((start, min(start + LONG, seconds)))
        if len(found) == count:
            break
    return found


def make_minutes(explanation: Explanation, *, count: int, dimmed: bool) -> list[Minute]:
    """Pictures of the strongest minutes, whose colours compare."""
    e = explanation
    spans = choose_minutes(e.windows, e.provenance.window_weights, e.seconds, count)
    pictures = [raster(e, part=span) for span in spans]
    peak = max(picture.peak for picture in pictures)
    return [_minute(e, span, r, peak, dimmed=dimmed) for span, r in zip(spans, pictures, strict=True)]


def _minute(e: Explanation, span: tuple[float, float], drawn: Raster, peak: float, *, dimmed: bool) -> Minute:
    regions = e.regions(part=span)
    name = f"{clock(span[0], 0)}-{clock(span[1], 0)}"
    alt = f"Spectrogram of {name}, in colour where the explanation keeps it: {say_regions(regions)}."
    picture = make_picture(drawn, alt, regions=regions, peak=peak, dimmed=dimmed, clocked=True)
    inside = [w.score for w in e.windows if span[0] <= (w.start + w.stop) / 2 <= span[1]]
    return Minute(*span, name, signed(max(inside)), picture, [name_place(r) for r in regions])


def make_levels(explanation: Explanation) -> Levels:
    """How loud what is kept and what is left are, a part of the recording at a time."""
    e = explanation
    powers: list[list[NDArray[Any]]] = [[], [], []]
    frame = round(FRAME_SECONDS * e.sample_rate)
    rest = [np.zeros(0, np.float32)] * 3
    for stretch in e.stretches():
        sounds = (np.array(e.original[stretch.samples]), e.sound_of(stretch), e.sound_of(stretch, residue=True))
        for i, sound in enumerate(sounds):
            joined = np.concatenate([rest[i], sound])
            whole = len(joined) // frame * frame
            rest[i] = joined[whole:]
            if whole:
                powers[i].append(frame_powers(joined[:whole], e.sample_rate))
    original, kept, left = (np.concatenate(of_sound) for of_sound in powers)
    return Levels(under(kept, original), under(left, original))


def strip_of(overview: Raster, part: str, alt: str) -> Strip:
    """A small spectrogram of a whole recording.

    Args:
        overview: The picture of the whole.
        part: ``recording``, ``kept`` or ``left``.
        alt: The strip in words.
    """
    share = {"recording": np.ones_like(overview.gain), "kept": overview.gain, "left": 1.0 - overview.gain}[part]
    level = replace(overview, power=overview.power * share).level(overview.peak)
    image = plain_png(_thin(level), colours() if part == "kept" else greys())
    return Strip(data_uri("image/png", image), alt, overview.seconds)


def _thin(rows: NDArray[Any]) -> NDArray[Any]:
    """Fewer rows, each the mean of neighbours."""
    each = len(rows) // _STRIP_ROWS
    thin: NDArray[Any] = rows[: each * _STRIP_ROWS].reshape(_STRIP_ROWS, each, -1).mean(axis=1)
    return thin


def make_chart(
    explanation: Explanation, overview: Raster, axis: Axis, regions: Sequence[Region], *, dimmed: bool
) -> Chart:
    """Scores of the windows over time, windows that were left dark, and the picture of the whole under them.

    Args:
        explanation: The explanation, of two windows or more.
        overview: The picture of the whole.
        axis: Of its unit, with the level of absence where that is known.
        regions: Marked along its top.
        dimmed: Draw pale colours.
    """
    e, windows = explanation, explanation.windows
    edges = find_edges(np.array([w.start for w in windows]), np.array([w.stop for w in windows]), e.seconds)
    rows = (
        ("recording", 0, [w.score for w in windows]),
        ("kept", 6, [w.score_in for w in windows]),
        ("heard", 7, [w.score_heard for w in windows]),
        ("removed", 2, [w.score_out for w in windows]),
    )
    values = np.array([numbers for *_, numbers in rows])
    low = float(np.floor(4 * min(axis.low, values.min())) / 4)
    high = float(np.ceil(4 * min(axis.high, max(values.max(), 0.5))) / 4)
    weights = e.provenance.window_weights
    words = f"{e.unit}: the recording, only what is kept, that as sound, and what is left once it is removed."
    lines = [] if axis.absence is None else [(axis.absence, "absence")]
    if lines:
        words += f" Dashed: {signed(axis.absence or 0.0)}, under which the prompt counts as not heard."
    if weights:
        words += " Shaded: windows that do not hear the prompt, which the explanation leaves dark."
    marks = [m for m in axis.marks if low <= m <= high]
    scale = make_scale("score", words, low, high, marks, lines)
    series: list[Series] = [make_series(name, colour, scale, np.array(v), edges) for name, colour, v in rows]
    scales = [scale]
    if weights:
        said = "How much each window counts: how surely it hears the prompt, from 0 (left dark) to 1."
        scales.append(make_scale("weight", said, 0, 1, (0, 0.5, 1)))
        series.append(make_series("recording", 0, scales[1], np.array(weights), edges))
    level = _thin(overview.level())
    colour = _thin(overview.worn(dimmed=dimmed))
    return Chart(
        alt=f"Scores of {len(windows)} windows over {e.seconds:.0f} seconds",
        seconds=e.seconds,
        window=windows[0].stop - windows[0].start,
        step=windows[1].start - windows[0].start,
        last=windows[-1].start,
        count=len(windows),
        scales=tuple(scales),
        series=tuple(series),
        spans=tuple(make_span(r.start, r.stop, e.seconds, 6, "") for r in regions),
        time_ticks=time_ticks(e.seconds, clocked=True),
        strip=data_uri("image/png", plain_png(level, greys())),
        colour=data_uri("image/png", colour_png(level, colour)) if colour.any() else "",
        top=overview.top,
        dark=_dark(weights, edges),
    )


def _dark(weights: Sequence[float], edges: NDArray[Any]) -> tuple[Box, ...]:
    """Stretches of windows without weight, per cent."""
    if not weights:
        return ()
    dark = np.concatenate([[False], np.array(weights) == 0, [False]])
    turns = np.flatnonzero(dark[1:] != dark[:-1]).reshape(-1, 2)
    places = 100 * edges / edges[-1]
    return tuple(Box(round(places[a], 3), round(places[b] - places[a], 3)) for a, b in turns.tolist())
