"""What pages are made of, as values: ``templates/parts.html`` has a macro for each that writes it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.level import under_db
from zsxai.regions import LINE_DB, Region
from zsxai.show.raster import (
    TICKS_HZ,
    Raster,
    colour_png,
    colours,
    data_png,
    greys,
    line_png,
    plain_png,
    spectrogram,
)
from zsxai.spectral.front_end import hz_to_mel
from zsxai.written import clock, data_uri

SECONDS = 30.0
"""A player holds at most this much of a recording, so that a page of an hour is no larger than one of a minute."""
_ROWS, _COLUMNS = 64, 420
_CLOCK = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 36000)
"""Seconds between labels that are written as a clock shows them."""


@dataclass(frozen=True)
class Excerpt:
    """What the players of a page hold.

    Attributes:
        start: First sample.
        stop: One past the last sample.
        sample_rate: Samples per second.
        factor: Common factor on every sample, 1 unless a peak was beyond full scale.
    """

    start: int
    stop: int
    sample_rate: int
    factor: float

    @property
    def seconds(self) -> tuple[float, float]:
        """Start and stop."""
        return self.start / self.sample_rate, self.stop / self.sample_rate


@dataclass(frozen=True)
class Tick:
    """A label of an axis.

    Attributes:
        text: The label.
        at: Where, per cent of the axis from the left or from the top.
        anchor: What of the label lies there: ``start``, ``middle`` or ``end``.
    """

    text: str
    at: float
    anchor: str = "middle"


@dataclass(frozen=True)
class Box:
    """A part of a picture's height or width, per cent."""

    start: float
    size: float


@dataclass(frozen=True)
class Number:
    """A number on a picture; per cent from the left and from the top."""

    text: str
    left: float
    top: float


@dataclass(frozen=True)
class Picture:
    """The large picture.

    Attributes:
        level: The spectrogram as a data URI.
        colour: What is kept over it as a data URI, empty where there is no mask.
        line: The line around what is kept as a data URI, empty where it would be speckle.
        numbers: What the script of the page reads off the picture (:func:`zsxai.show.raster.data_png`), a data URI.
        hertz: Edges of its rows, from the lowest.
        alt: The picture in words.
        seconds: Length.
        line_db: Level that remains at the line.
        frequency_ticks: Labels from the top.
        time_ticks: Labels from the left.
        deaf: Heights where the model hears nothing.
        unplayed: Widths that the players do not hold.
        marks: Numbers of the regions.
        start: Where in the recording it starts, seconds.
        clocked: Whether times are written as a clock shows them.
    """

    level: str
    colour: str
    line: str
    numbers: str
    hertz: tuple[float, ...]
    alt: str
    seconds: float
    line_db: float
    frequency_ticks: tuple[Tick, ...]
    time_ticks: tuple[Tick, ...]
    deaf: tuple[Box, ...]
    unplayed: tuple[Box, ...]
    marks: tuple[Number, ...]
    start: float = 0.0
    clocked: bool = False


@dataclass(frozen=True)
class Strip:
    """A small spectrogram: a data URI, the picture in words, its length, and its start in the recording, seconds."""

    source: str
    alt: str
    seconds: float
    start: float = 0.0


@dataclass(frozen=True)
class Player:
    """A sound.

    Attributes:
        source: The sound as a data URI, of a part where there is a file.
        file: Address of a file beside the page that holds the whole recording; empty where there is none.
        whole: Length of that file, seconds.
        start: Where in the recording it starts, seconds.
        label: What it is to those who cannot see where it stands.
        match: Factor on its samples that makes it as loud as the recording, as far as full scale allows.
        seconds: Length.
    """

    source: str
    start: float
    label: str
    match: float = 1.0
    seconds: float = 0.0
    file: str = ""
    whole: float = 0.0

    @property
    def match_db(self) -> float:
        """The factor in decibels."""
        return float(20.0 * np.log10(self.match))


@dataclass(frozen=True)
class Card:
    """A player under the spectrogram of what it plays.

    Attributes:
        title: What it is.
        note: A sentence about it.
        strip: The spectrogram.
        player: The player.
        figure: A number to show beside the title.
        href: Address of a link under the player, if any.
        link: Words of the link; its address where empty.
    """

    title: str
    note: str
    strip: Strip
    player: Player
    figure: str = ""
    href: str = ""
    link: str = ""


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart: name, meaning, value, value as written, ``whole``, ``kept`` or ``left``, and a link."""

    name: str
    meaning: str
    value: float
    written: str
    kind: str
    href: str = ""


@dataclass(frozen=True)
class Axis:
    """The axis of a bar chart.

    Attributes:
        low: Left end, at most 0.
        high: Right end, at least 0.
        marks: Values that are written under it.
        absence: Value under which the prompt counts as not heard, marked where it is known.
    """

    low: float
    high: float
    marks: tuple[float, ...] = ()
    absence: float | None = None

    def place(self, value: float) -> float:
        """Where a value lies, per cent from the left; what is beyond an end lies on it."""
        inside = min(max(value, self.low), self.high)
        return 100.0 * (inside - self.low) / max(self.high - self.low, 1e-9)

    def start(self, value: float) -> float:
        """Left end of a value's bar, per cent."""
        return min(self.place(0.0), self.place(value))

    def length(self, value: float) -> float:
        """Length of a value's bar, per cent."""
        return abs(self.place(value) - self.place(0.0))

    def beyond(self, value: float) -> str:
        """At which end a value is off the axis: ``low``, ``high``, or nothing."""
        return "low" if value < self.low else "high" if value > self.high else ""

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Labels under the axis."""
        written = (f"{m:g}".replace("-", "\N{MINUS SIGN}").replace("0.", ".") for m in self.marks)
        return tuple(_tick(text, self.place(m)) for text, m in zip(written, self.marks, strict=True))


def excerpt(waveforms: Sequence[NDArray[Any]], sample_rate: int, middle: float, seconds: float = SECONDS) -> Excerpt:
    """At most ``seconds`` around ``middle``, and one factor that brings the highest peak of all under full scale."""
    samples = len(waveforms[0])
    length = min(samples, round(seconds * sample_rate))
    start = int(np.clip(round(middle * sample_rate) - length // 2, 0, samples - length))
    peak = max(float(np.abs(w[start : start + length]).max()) for w in waveforms)
    return Excerpt(start, start + length, sample_rate, 1.0 if peak <= 1.0 else 1.0 / peak)


def wav(waveform: NDArray[Any], part: Excerpt) -> bytes:
    """16-bit WAV of an excerpt. Not FLAC, a third smaller: Chromium is stuck once it seeks near the end of one."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(
        file, waveform[part.start : part.stop] * part.factor, part.sample_rate, format="WAV", subtype="PCM_16"
    )
    return file.getvalue()


def make_player(
    waveform: NDArray[Any], part: Excerpt, label: str, recording: NDArray[Any] | None = None, at: float = 0.0
) -> Player:
    """Make a player of an excerpt.

    Args:
        waveform: The whole waveform.
        part: What the player holds of it.
        label: What it is to those who cannot see where it stands.
        recording: What it is to be as loud as where the page is asked for equal loudness; nothing where None.
        at: Where in the recording the waveform starts, seconds.
    """
    match = 1.0
    if recording is not None:
        peak = float(np.abs(waveform[part.start : part.stop]).max()) * part.factor
        wanted = under_db(waveform, recording, part.sample_rate)
        match = min(10.0 ** (wanted / 20.0), 1.0 / peak) if peak > 0.0 and np.isfinite(wanted) else 1.0
    start, stop = part.seconds
    return Player(data_uri("audio/wav", wav(waveform, part)), at + start, label, match, stop - start)


def make_card(
    title: str,
    note: str,
    waveform: NDArray[Any],
    part: Excerpt,
    *,
    peak: float,
    kept: bool = False,
    figure: str = "",
    href: str = "",
    link: str = "",
    label: str = "",
    recording: NDArray[Any] | None = None,
    at: float = 0.0,
) -> Card:
    """Make a player under the spectrogram of what it plays.

    Args:
        title: What it is.
        note: A sentence about it.
        waveform: The whole waveform.
        part: What the player holds of it.
        peak: Power drawn brightest, the same for every card, so that levels compare (:func:`strip_peak`).
        kept: Draw it in the colours of what masks keep.
        figure: A number to show beside the title.
        href: Address of a link under the player.
        link: Words of the link; its address where empty.
        label: What it is to those who cannot see where it stands; the title where that is enough.
        recording: What it is to be as loud as where the page is asked for equal loudness; nothing where None.
        at: Where in the recording the waveform starts, seconds.
    """
    label = label or title
    strip = make_strip(waveform, part.sample_rate, peak=peak, kept=kept, alt=f"Spectrogram of {label}", at=at)
    return Card(title, note, strip, make_player(waveform, part, label, recording, at), figure, href, link)


def make_strip(
    waveform: NDArray[Any], sample_rate: int, *, peak: float, kept: bool, alt: str, at: float = 0.0
) -> Strip:
    """Draw a small spectrogram."""
    small = _small(waveform, sample_rate)
    image = plain_png(small.level(peak), colours() if kept else greys())
    return Strip(data_uri("image/png", image), alt, small.seconds, at)


def strip_peak(waveform: NDArray[Any], sample_rate: int) -> float:
    """Power of the loudest pixel of a strip, to draw others at the same level."""
    return _small(waveform, sample_rate).peak


def _small(waveform: NDArray[Any], sample_rate: int) -> Raster:
    # A long recording needs no more frames than a few per column; none is wider apart than its window.
    hop = int(np.clip(len(waveform) // (4 * _COLUMNS), 341, 1024))
    return spectrogram(waveform, sample_rate, hop=hop, rows=_ROWS, columns=_COLUMNS)


def make_picture(
    raster: Raster,
    alt: str,
    *,
    regions: Sequence[Region] = (),
    part: Excerpt | None = None,
    peak: float | None = None,
    line_db: float = LINE_DB,
    dimmed: bool = False,
    clocked: bool = False,
) -> Picture:
    """Draw the large picture: spectrogram, in colour where it is kept, axes, hatched where the model hears nothing.

    Args:
        raster: The pixels.
        alt: The picture in words.
        regions: Numbered on the picture.
        part: What the players hold, dimmed outside where it is not everything.
        peak: Power drawn brightest; the picture's own where None.
        line_db: Level that remains at the line, decibels relative to the recording.
        dimmed: Draw pale colours, as of what is not to be believed.
        clocked: Write times as a clock shows them.
    """
    level, masked = raster.level(peak), bool(raster.mask.any())
    colour = colour_png(level, raster.worn(dimmed=dimmed)) if masked else b""
    inside = raster.inside(line_db)
    line = line_png(inside) if inside.any() and not raster.is_ragged(line_db) else b""
    silent = [(_height(raster, high), _height(raster, low)) for low, high in _outside(raster)]
    started, stopped = (100 * s / raster.seconds for s in part.seconds) if part else (0.0, 100.0)
    return Picture(
        level=data_uri("image/png", plain_png(level, greys())),
        colour=data_uri("image/png", colour) if colour else "",
        line=data_uri("image/png", line) if line else "",
        numbers=data_uri("image/png", data_png(raster, peak)),
        hertz=tuple(round(float(f), 1) for f in raster.frequency_edges),
        alt=alt,
        seconds=raster.seconds,
        line_db=line_db,
        frequency_ticks=tuple(Tick(f"{t:,.0f}", _height(raster, t)) for t in TICKS_HZ if t <= raster.top),
        time_ticks=time_ticks(raster.seconds, raster.start, clocked=clocked),
        deaf=tuple(_box(top, bottom) for top, bottom in silent if bottom - top > 0.2),
        unplayed=tuple(_box(a, b) for a, b in ((0.0, started), (stopped, 100.0)) if b - a > 0.1),
        marks=tuple(_number(raster, n, r) for n, r in enumerate(regions, 1)),
        start=raster.start,
        clocked=clocked,
    )


def time_ticks(seconds: float, start: float = 0.0, *, clocked: bool = False) -> tuple[Tick, ...]:
    """Labels of times under a picture that starts at ``start``: seconds, or as a clock shows them."""
    step = _choose_step(seconds, clocked=clocked)
    first, last = np.ceil(start / step - 1e-9), np.floor((start + seconds) / step + 1e-9)
    times = (round(float(n * step), 6) for n in np.arange(first, last + 1))
    return tuple(
        _tick(clock(t, 0 if step >= 1 else 1) if clocked else f"{t:g}", 100 * (t - start) / seconds) for t in times
    )


def _choose_step(seconds: float, *, clocked: bool) -> float:
    """Seconds between labels, of which there are eight at most."""
    if clocked:
        return next((step for step in _CLOCK if seconds / step <= 7), _CLOCK[-1])
    step: float = 10.0 ** np.floor(np.log10(max(seconds, 1e-3) / 5))
    return step * next(m for m in (1, 2, 5, 10) if seconds / (step * m) <= 6)


def _tick(text: str, at: float) -> Tick:
    return Tick(text, round(at, 2), "start" if at < 1 else "end" if at > 97 else "middle")


def _box(start: float, stop: float) -> Box:
    return Box(round(start, 2), round(stop - start, 2))


def _number(raster: Raster, number: int, region: Region) -> Number:
    left, top = min(100 * (region.start - raster.start) / raster.seconds, 97.0), max(_height(raster, region.high), 5.0)
    return Number(str(number), round(left, 2), round(top, 2))


def _outside(raster: Raster) -> tuple[tuple[float, float], tuple[float, float]]:
    """Hertz that the model does not hear."""
    return (0.0, raster.band[0]), (raster.band[1], raster.top)


def _height(raster: Raster, hertz: float) -> float:
    """Per cent from the top of the picture."""
    return round(100.0 * (1.0 - float(hz_to_mel(hertz)) / float(hz_to_mel(raster.top))), 2)
