"""Parts that pages are made of: pictures with a moving cursor, players, bars, tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.regions import Region
from zsxai.show.html import Html, data_uri, join, tag
from zsxai.show.raster import TICKS_HZ, Raster, colours, greys, mask_png, plain_png, spectrogram
from zsxai.spectral.front_end import hz_to_mel

SECONDS = 30.0
"""A player holds at most this much of a recording, so that a page of an hour is no larger than one of a minute."""
_ROWS, _COLUMNS = 64, 420


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


def excerpt(waveforms: Sequence[NDArray[Any]], sample_rate: int, middle: float, seconds: float = SECONDS) -> Excerpt:
    """At most ``seconds`` around ``middle``, and one factor that brings the highest peak of all under full scale."""
    samples = len(waveforms[0])
    length = min(samples, round(seconds * sample_rate))
    start = int(np.clip(round(middle * sample_rate) - length // 2, 0, samples - length))
    peak = max(float(np.abs(w[start : start + length]).max()) for w in waveforms)
    return Excerpt(start, start + length, sample_rate, 1.0 if peak <= 1.0 else 1.0 / peak)


def flac(waveform: NDArray[Any], part: Excerpt) -> bytes:
    """16-bit FLAC of an excerpt, which every current browser plays."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(
        file, waveform[part.start : part.stop] * part.factor, part.sample_rate, format="FLAC", subtype="PCM_16"
    )
    return file.getvalue()


def player(waveform: NDArray[Any], part: Excerpt, label: str) -> Html:
    """An audio element that shares its position with the page's other players."""
    return tag(
        "audio",
        controls=True,
        preload="auto",
        src=data_uri("audio/flac", flac(waveform, part)),
        data_start=f"{part.seconds[0]:.6f}",
        aria_label=label,
    )


def player_card(
    title: str,
    note: Html | str,
    waveform: NDArray[Any],
    part: Excerpt,
    *,
    peak: float,
    kept: bool = False,
    figure: str = "",
    link: Html | str = "",
    label: str = "",
) -> Html:
    """A player under the spectrogram of what it plays.

    Args:
        title: What it is.
        note: A sentence about it.
        waveform: The whole waveform.
        part: What the player holds of it.
        peak: Power drawn brightest, the same for every card, so that levels compare.
        kept: Draw it in the colours of what masks keep.
        figure: A number to show beside the title.
        link: Shown under the player.
        label: What it is to those who cannot see where it stands; the title where that is enough.
    """
    label = label or title
    return tag(
        "div",
        tag("div", tag("h3", title), tag("span", figure, class_="number quiet small"), class_="player-head"),
        strip(waveform, part.sample_rate, peak=peak, kept=kept, label=f"Spectrogram of {label}"),
        player(waveform, part, label),
        tag("p", note, " ", link, class_="quiet small"),
        class_="player",
        data_card=True,
    )


def strip(waveform: NDArray[Any], sample_rate: int, *, peak: float, kept: bool, label: str) -> Html:
    """A small spectrogram with a cursor, without axes."""
    picture = _small(waveform, sample_rate)
    image = plain_png(picture.level(peak), colours() if kept else greys())
    return tag(
        "div",
        tag("img", src=data_uri("image/png", image), alt=label),
        tag("div", class_="cursor", data_cursor=True, hidden=True),
        class_="plane",
        data_seconds=f"{picture.seconds:.6f}",
    )


def strip_peak(waveform: NDArray[Any], sample_rate: int) -> float:
    """Power of the loudest pixel of a :func:`strip`, to draw others at the same level."""
    return _small(waveform, sample_rate).peak


def _small(waveform: NDArray[Any], sample_rate: int) -> Raster:
    # A long recording needs no more frames than a few per column; none is wider apart than its window.
    hop = int(np.clip(len(waveform) // (4 * _COLUMNS), 341, 1024))
    return spectrogram(waveform, sample_rate, hop=hop, rows=_ROWS, columns=_COLUMNS)


def picture(
    raster: Raster, alt: str, *, regions: Sequence[Region] = (), part: Excerpt | None = None, peak: float | None = None
) -> Html:
    """The large picture: spectrogram, mask over it, axes, hatched where the model hears nothing, cursor.

    Args:
        raster: The pixels.
        alt: The picture in words.
        regions: Numbered on the picture.
        part: What the players hold, dimmed outside where it is not everything.
        peak: Power drawn brightest; the picture's own where None.
    """
    level = raster.level(peak)
    layers = [tag("img", src=data_uri("image/png", plain_png(level, greys())), alt=alt)]
    if raster.mask.any():
        png = mask_png(level, raster.mask, outline=not raster.is_ragged)
        layers.append(tag("img", src=data_uri("image/png", png), alt="", class_="layer-mask"))
    plane = tag(
        "div",
        *layers,
        _marks(raster, regions, part),
        tag("div", class_="cursor", data_cursor=True, hidden=True),
        tag(
            "input",
            type="range",
            class_="seek",
            data_seek=True,
            hidden=True,
            min=0,
            max=f"{raster.seconds:.3f}",
            step=0.05,
            value=0,
            aria_label="Play position on the picture, seconds; space plays and pauses",
        ),
        class_="plane",
        data_seconds=f"{raster.seconds:.6f}",
    )
    return tag(
        "div",
        tag("div", _frequency_axis(raster), class_="picture-y", aria_hidden="true"),
        plane,
        tag("div", "Hz · s", class_="unit", aria_hidden="true"),
        tag("div", time_axis(raster.seconds), class_="picture-x", aria_hidden="true"),
        class_="picture",
    )


def key(*, band: tuple[float, float]) -> Html:
    """What the colours of :func:`picture` mean."""
    whole = {"width": "100%", "height": "100%"}
    line = tag("line", x1=4, x2=42, y1=6, y2=6, stroke="#fff", stroke_width=2)
    heard = f"hatched: outside {band[0]:,.0f}-{band[1]:,.0f} Hz, which the model does not hear"
    swatches = (
        (tag("rect", **whole, fill="url(#kept)"), "colour: what the mask keeps; brighter is louder"),
        (tag("rect", **whole, fill="url(#left)"), "grey: what it leaves; brighter is louder"),
        (join(tag("rect", **whole, fill="#444"), line), "white line: the mask at one half"),
        (tag("rect", **whole, fill="url(#hatch)"), heard),
    )
    items = (tag("li", tag("svg", shape, aria_hidden="true"), tag("span", words)) for shape, words in swatches)
    return tag("ul", *items, class_="key")


def shades() -> Html:
    """Gradients and hatching that pictures and keys of a page share; once per page."""
    gradients = []
    for name, palette in (("kept", colours()), ("left", greys())):
        stops = (
            tag("stop", offset=f"{25 * i}%", stop_color="#{:02x}{:02x}{:02x}".format(*palette[i * 63]))
            for i in range(5)
        )
        gradients.append(tag("linearGradient", *stops, id=name))
    strokes = tag("path", d="M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4", stroke="#fff", stroke_opacity=0.5, stroke_width=1.2)
    ground = tag("rect", width=8, height=8, fill="#808080", fill_opacity=0.5)
    hatch = tag("pattern", ground, strokes, id="hatch", width=8, height=8, patternUnits="userSpaceOnUse")
    return tag("svg", *gradients, hatch, width=0, height=0, class_="shades", aria_hidden="true")


def bars(rows: Sequence[tuple[str, str, float, str, str]], low: float, high: float) -> Html:
    """A bar chart.

    Args:
        rows: Name, meaning, value, value as written, and kind (``whole``, ``kept`` or ``left``).
        low: Left end of the scale, at most 0.
        high: Right end, at least 0.
    """
    span = max(high - low, 1e-9)
    zero = 100 * -low / span

    def bar(value: float, kind: str) -> Html:
        end = 100 * (float(np.clip(value, low, high)) - low) / span
        shapes = [
            tag("rect", class_="track", width="100%", height="100%", rx=3),
            tag(
                "rect", class_=f"bar {kind}", x=_percent(min(zero, end)), width=_percent(abs(end - zero)), height="100%"
            ),
        ]
        if low < 0:
            shapes.append(tag("line", class_="zero", x1=_percent(zero), x2=_percent(zero), y1=-2, y2=18))
        return tag("svg", *shapes, aria_hidden="true")

    return tag(
        "dl",
        *(
            tag(
                "div",
                tag("dt", name, tag("span", meaning)),
                tag("dd", bar(value, kind)),
                tag("dd", written, class_="number"),
            )
            for name, meaning, value, written, kind in rows
        ),
        class_="bars",
    )


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> Html:
    """A table whose first column names the rows; it scrolls by itself where it is too wide."""
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *(tag("th", h, scope="col") for h in head))),
            tag(
                "tbody",
                *(
                    tag("tr", tag("th", row[0], scope="row"), *(c if _is_cell(c) else tag("td", c) for c in row[1:]))
                    for row in rows
                ),
            ),
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def definitions(pairs: Sequence[tuple[str, object]]) -> Html:
    """Names and what they stand for."""
    return tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in pairs), class_="card")


def _is_cell(value: object) -> bool:
    return isinstance(value, Html) and value.startswith("<td")


def _percent(value: float) -> str:
    return f"{value:.2f}%"


def _height(raster: Raster, hertz: float) -> float:
    """Per cent from the top of the picture."""
    return 100.0 * (1.0 - float(hz_to_mel(hertz)) / float(hz_to_mel(raster.top)))


def _frequency_axis(raster: Raster) -> Html:
    ticks = [t for t in TICKS_HZ if t <= raster.top]
    labels = (
        tag("text", f"{t:,.0f}", x="100%", dx=-8, y=_percent(_height(raster, t)), dy=".35em", text_anchor="end")
        for t in ticks
    )
    return tag("svg", *labels)


def time_axis(seconds: float) -> Html:
    """Seconds under a picture."""
    labels = []
    for second in _time_ticks(seconds):
        at = 100 * second / seconds
        anchor = "start" if at < 1 else "end" if at > 97 else "middle"
        labels.append(tag("text", f"{second:g}", x=_percent(at), y=16, text_anchor=anchor))
    return tag("svg", *labels)


def _time_ticks(seconds: float) -> list[float]:
    step = 10.0 ** np.floor(np.log10(max(seconds, 1e-3) / 5))
    step *= next(m for m in (1, 2, 5, 10) if seconds / (step * m) <= 6)
    return [round(float(t), 6) for t in np.arange(0, seconds * (1 + 1e-9), step)]


def _marks(raster: Raster, regions: Sequence[Region], part: Excerpt | None) -> Html:
    shapes = []
    for hertz in TICKS_HZ:
        if hertz < raster.top:
            y = _percent(_height(raster, hertz))
            shapes.append(tag("line", x1="0", x2="100%", y1=y, y2=y, stroke="#fff", stroke_opacity=0.13))
    for low, high in ((0.0, raster.band[0]), (raster.band[1], raster.top)):
        top, bottom = _height(raster, high), _height(raster, low)
        if bottom - top > 0.2:
            shapes.append(tag("rect", y=_percent(top), width="100%", height=_percent(bottom - top), fill="url(#hatch)"))
    if part is not None:
        start, stop = (100 * s / raster.seconds for s in part.seconds)
        for x, width in ((0.0, start), (stop, 100 - stop)):
            if width > 0.1:
                shade = {"fill": "#000", "fill_opacity": 0.45}
                shapes.append(tag("rect", x=_percent(x), width=_percent(width), height="100%", **shade))
    for number, region in enumerate(regions, 1):
        left, top = min(100 * region.start / raster.seconds, 97.0), max(_height(raster, region.high), 5.0)
        shapes.append(tag("text", number, x=_percent(left), y=_percent(top), dx=3, dy="-.2em", class_="region"))
    return tag("svg", *shapes, aria_hidden="true")
