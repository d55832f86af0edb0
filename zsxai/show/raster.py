"""Spectrograms and masks as pixels: seconds x mel, one picture for the plot and for the page.

Brightness is the recording's level, colour is what remains of it: a cell that is kept wears viridis, one of which
nothing is heard any more is grey of about the same lightness, so neither hides the other and no pair of hues has to be
distinguished.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zsxai.regions import LINE_DB, check_line
from zsxai.show.canvas import import_matplotlib
from zsxai.spectral import overlap
from zsxai.spectral.front_end import hz_to_mel, mel_to_hz

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

ROWS, COLUMNS = 224, 1000
"""Pixels along frequency, and at most along time; more frames than columns are averaged (power and mask alike)."""
RANGE_DB = 80.0
"""Levels further under the peak than this are drawn as silence."""
FADE_DB = 20.0
"""What is kept so far under the recording, or further, is drawn as left: grey."""
DIM = 0.35
"""Part of the colour that remains on the picture of an explanation that is not to be believed."""
LEVEL_STEP, KEPT_STEP, MASK_STEP = 0.5, 0.25, 0.01
"""Decibels, decibels and mask of one step of the numbers that a page reads off its picture (:func:`data_png`)."""
TICKS_HZ = (100, 500, 1000, 2000, 4000, 8000, 16000, 32000)
_BLOCK = 2048
_DARK, _LIGHT = 14.0, 240.0


@dataclass(frozen=True, eq=False)
class Raster:
    """A picture of a recording; rows rise evenly in mel, columns evenly in seconds.

    Attributes:
        power: ``(R, C)`` float32, mean power of the STFT within each pixel.
        mask: ``(R, C)`` float32, mean of the mask within each pixel; 0 everywhere where there is none.
        gain: ``(R, C)`` float32, mean part of the power that is kept within each pixel, likewise.
        seconds: Length.
        top: Highest frequency, hertz; the lowest is 0.
        band: Lowest and highest frequency the model hears, hertz.
        start: Where it begins in the recording, seconds.
    """

    power: NDArray[Any]
    mask: NDArray[Any]
    gain: NDArray[Any]
    seconds: float
    top: float
    band: tuple[float, float]
    start: float = 0.0

    @property
    def peak(self) -> float:
        """Highest power of a pixel."""
        return float(self.power.max())

    def level(self, peak: float | None = None) -> NDArray[Any]:
        """Level in [0, 1]: 1 at ``peak`` (the picture's own where None), 0 at 80 dB under it."""
        return level_of(self.power, self.peak if peak is None else peak)

    @property
    def rows_hz(self) -> NDArray[Any]:
        """Centres of the rows, hertz."""
        return mel_to_hz((np.arange(len(self.power)) + 0.5) * (float(hz_to_mel(self.top)) / len(self.power)))

    @property
    def frequency_edges(self) -> NDArray[Any]:
        """``(R + 1,)`` hertz between rows."""
        return mel_to_hz(np.linspace(0.0, float(hz_to_mel(self.top)), len(self.power) + 1))

    @property
    def time_edges(self) -> NDArray[Any]:
        """``(C + 1,)`` seconds between columns."""
        return np.linspace(self.start, self.start + self.seconds, self.power.shape[1] + 1)

    @property
    def columns_s(self) -> NDArray[Any]:
        """Centres of the columns, seconds."""
        centres: NDArray[Any] = (self.time_edges[1:] + self.time_edges[:-1]) / 2
        return centres

    @property
    def under_db(self) -> NDArray[Any]:
        """How far what is kept is under the recording, ``(R, C)`` decibels, 0 or more; infinite where nothing is."""
        with np.errstate(divide="ignore"):
            under: NDArray[Any] = np.maximum(-10.0 * np.log10(self.gain), 0.0)
        return under

    @property
    def colour(self) -> NDArray[Any]:
        """How much colour a pixel wears: 1 where all is kept, 0 where it is :data:`FADE_DB` or more under."""
        fading: NDArray[Any] = np.clip(1.0 - self.under_db / FADE_DB, 0.0, 1.0)
        return fading

    def worn(self, *, dimmed: bool) -> NDArray[Any]:
        """:attr:`colour` as it is drawn: paler on the picture of an explanation that is not to be believed."""
        worn: NDArray[Any] = self.colour * (DIM if dimmed else 1.0)
        return worn

    def inside(self, line_db: float = LINE_DB) -> NDArray[Any]:
        """Pixels within the line, ``(R, C)`` bool: at least so much of the level remains.

        Raises:
            InputError: If the line is no level under the recording's.
        """
        check_line(line_db)
        # In the steps of the numbers on a page, so that the line there is this one.
        within: NDArray[Any] = _steps(self.under_db, KEPT_STEP) <= np.floor(-line_db / KEPT_STEP)
        return within

    def is_ragged(self, line_db: float = LINE_DB) -> bool:
        """Whether the line would be speckle: over 6 % of the cells border on one at its other side."""
        inside = self.inside(line_db)
        crossings = np.count_nonzero(inside[1:] != inside[:-1]) + np.count_nonzero(inside[:, 1:] != inside[:, :-1])
        return bool(crossings > 0.06 * 2 * inside.size)


def raster(explanation: Explanation, columns: int = COLUMNS, part: tuple[float, float] | None = None) -> Raster:
    """The picture of an explanation: its recording under its mask.

    Args:
        explanation: The explanation.
        columns: Pixels along time at most.
        part: Between which seconds; all where None.
    """
    e, grid = explanation, explanation.grid
    start, stop = (0.0, e.seconds) if part is None else part
    top = e.sample_rate / 2
    pixels = mel_to_hz(np.linspace(0.0, float(hz_to_mel(top)), ROWS + 1))
    bins = np.arange(e.front_end.n_bins) * (e.sample_rate / e.front_end.n_fft)
    from_bins = overlap(np.concatenate([[0.0], (bins[1:] + bins[:-1]) / 2, [top]]), pixels).astype(np.float32)
    from_rows = overlap(grid.frequency_edges, pixels).astype(np.float32)
    frames = int(np.count_nonzero((grid.time_edges[1:] > start) & (grid.time_edges[:-1] < stop)))
    wanted = np.linspace(start, stop, min(columns, frames) + 1)
    power, mask, gain = (_Average(grid.time_edges, wanted) for _ in range(3))
    for stretch in e.stretches(part):
        at = stretch.frames.start
        power.add(from_bins @ stretch.power.float().numpy(), at)
        mask.add(from_rows @ e.mask_of(stretch), at)
        gain.add(from_rows @ e.gain_of(stretch), at)
    return Raster(
        power.mean, np.clip(mask.mean, 0.0, 1.0), np.clip(gain.mean, 0.0, 1.0), stop - start, top, grid.band, start
    )


def spectrogram(
    waveform: NDArray[Any],
    sample_rate: int,
    *,
    n_fft: int = 1024,
    hop: int | None = None,
    rows: int = ROWS,
    columns: int = COLUMNS,
    band: tuple[float, float] | None = None,
) -> Raster:
    """The picture of a waveform alone.

    Args:
        waveform: ``(T,)`` samples.
        sample_rate: Samples per second.
        n_fft: Length of the Hann window, samples.
        hop: Samples between frames; a third of the window where None.
        rows: Pixels along frequency.
        columns: Pixels along time at most.
        band: Lowest and highest frequency the model hears; all where None.
    """
    hop = hop or n_fft // 3
    top = sample_rate / 2
    seconds = len(waveform) / sample_rate
    pixels = mel_to_hz(np.linspace(0.0, float(hz_to_mel(top)), rows + 1))
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    onto_rows = overlap(np.concatenate([[0.0], (bins[1:] + bins[:-1]) / 2, [top]]), pixels).astype(np.float32)
    times = np.arange(len(waveform) // hop + 1) * (hop / sample_rate)
    edges = np.concatenate([[0.0], (times[1:] + times[:-1]) / 2, [max(seconds, times[-1] + 1e-9)]])
    power = _Average(edges, np.linspace(0.0, seconds, min(columns, len(times)) + 1))
    for start in range(0, len(times), _BLOCK):
        power.add(onto_rows @ _power(waveform, n_fft, hop, range(start, min(start + _BLOCK, len(times)))), start)
    nothing = np.zeros_like(power.mean)
    return Raster(power.mean, nothing, nothing, seconds, top, band or (0.0, top))


def level_of(power: NDArray[Any], peak: float) -> NDArray[Any]:
    """Level in [0, 1] of power of any shape: 1 at ``peak``, 0 at 80 dB under it."""
    decibels = 10.0 * np.log10(np.maximum(power / max(peak, 1e-30), 1e-30))
    level: NDArray[Any] = np.clip(1.0 + decibels / RANGE_DB, 0.0, 1.0)
    return level


def _steps(under: NDArray[Any], step: float) -> NDArray[Any]:
    """Decibels under something in whole steps, rounded away from it but for rounding; 255 at most."""
    return np.minimum(np.ceil(under / step - 1e-4), 255)


def _power(waveform: NDArray[Any], n_fft: int, hop: int, frames: range) -> NDArray[np.float32]:
    """Centred Hann STFT power of some frames, ``(F, n)``."""
    half = n_fft // 2
    begin = frames.start * hop - half
    first, stop = max(0, begin - n_fft), min((frames.stop - 1) * hop + half, len(waveform))
    part = np.asarray(waveform[first:stop], dtype=np.float32)
    around = max(0, -begin), max(0, (frames.stop - 1) * hop + half - stop)
    padded = np.pad(part, around, mode="reflect" if len(waveform) > half else "constant")
    padded = padded[max(0, begin - first) :]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    spectrum = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][: len(frames)] * window)
    power: NDArray[np.float32] = (spectrum.real**2 + spectrum.imag**2).astype(np.float32).T
    return power


class _Average:
    """Mean over time of values that come part by part, each constant on its frame.

    Args:
        edges: ``(N + 1,)`` seconds between frames.
        wanted: ``(C + 1,)`` seconds between which the means are wanted.
    """

    def __init__(self, edges: NDArray[Any], wanted: NDArray[Any]) -> None:
        self._edges, self._wanted = edges, wanted
        self._cell = np.clip(np.searchsorted(edges, wanted, side="right") - 1, 0, len(edges) - 2)
        self._up_to: NDArray[Any] = np.zeros((0, len(wanted)))
        self._sum: NDArray[Any] = np.zeros((0, 1))

    def add(self, values: NDArray[Any], start: int) -> None:
        """Add ``(R, n)`` values, of the frames from ``start`` on."""
        if not len(self._sum):
            self._up_to, self._sum = np.zeros((len(values), len(self._wanted))), np.zeros((len(values), 1))
        edges = self._edges[start : start + values.shape[1] + 1]
        before = np.zeros((len(values), len(edges)))
        np.cumsum(values * np.diff(edges), axis=1, dtype=np.float64, out=before[:, 1:])
        here = (self._cell >= start) & (self._cell < start + values.shape[1])
        cell = self._cell[here] - start
        behind = np.minimum(self._wanted[here], self._edges[-1]) - edges[cell]
        self._up_to[:, here] = self._sum + before[:, cell] + values[:, cell] * behind
        self._sum = self._sum + before[:, -1:]

    @property
    def mean(self) -> NDArray[Any]:
        """The means, ``(R, C)`` float32."""
        found: NDArray[Any] = (np.diff(self._up_to, axis=1) / np.diff(self._wanted)).astype(np.float32)
        return found


@lru_cache(maxsize=1)
def colours() -> NDArray[Any]:
    """Viridis, ``(256, 3)`` uint8."""
    viridis = import_matplotlib().colormaps["viridis"]
    found: NDArray[Any] = np.round(viridis(np.arange(256))[:, :3] * 255).astype(np.uint8)
    return found


def greys() -> NDArray[Any]:
    """From near black to near white, ``(256, 3)`` uint8."""
    ramp: NDArray[Any] = np.linspace(_DARK, _LIGHT, 256).round().astype(np.uint8)
    return np.stack([ramp, ramp, ramp], axis=1)


def paint(level: NDArray[Any], colour: NDArray[Any]) -> NDArray[Any]:
    """Level and how much colour it wears as pixels, ``(R, C, 3)`` uint8; the first row is the lowest frequency."""
    index = np.round(level * 255).astype(np.uint8)
    grey, kept = greys()[index].astype(np.float32), colours()[index].astype(np.float32)
    mixed: NDArray[Any] = np.round(grey + (kept - grey) * colour[..., None]).astype(np.uint8)
    return mixed


def gradients() -> dict[str, list[str]]:
    """Five colours each of what is kept and what is left, from quiet to loud, and of what is left to what is kept."""
    steps = np.arange(5)
    fading = paint(np.full((1, 5), 0.75), steps[None] / 4)[0]
    palettes = {"kept": colours()[steps * 63], "left": greys()[steps * 63], "fade": fading}
    return {name: ["#{:02x}{:02x}{:02x}".format(*colour) for colour in p] for name, p in palettes.items()}


def plain_png(level: NDArray[Any], palette: NDArray[Any]) -> bytes:
    """Level as a PNG of 256 colours, low frequencies at the bottom."""
    image = _image(np.round(level * 255))
    image.putpalette(palette.tobytes())
    return _png(image)


def colour_png(level: NDArray[Any], colour: NDArray[Any]) -> bytes:
    """What is kept as a see-through layer: viridis at the level's lightness, as opaque as it wears colour.

    Args:
        level: ``(R, C)`` in [0, 1].
        colour: ``(R, C)`` in [0, 1].
    """
    # 64 shades and 32 opacities are more than an eye tells apart and halve the file.
    shade = np.round(level * 63).astype(np.uint8) * 4
    opacity = np.round(np.round(colour * 31) * (255 / 31))
    return _png(_image(np.concatenate([colours()[shade], opacity[..., None]], axis=2)))


def line_png(inside: NDArray[Any]) -> bytes:
    """The edge of what is inside, white on a see-through layer."""
    inner = inside.copy()
    inner[1:] &= inside[:-1]
    inner[:-1] &= inside[1:]
    inner[:, 1:] &= inside[:, :-1]
    inner[:, :-1] &= inside[:, 1:]
    image = _image(inside & ~inner)
    image.putpalette(bytes(3) + b"\xff\xff\xff")
    return _png(image, transparency=0)


def data_png(picture: Raster, peak: float | None = None) -> bytes:
    """The numbers behind a picture, for the script of its page: red, green and blue are level, mask and what is kept.

    Red counts steps of :data:`LEVEL_STEP` over 80 dB under ``peak`` (as :meth:`Raster.level`), green steps of
    :data:`MASK_STEP`, blue steps of :data:`KEPT_STEP` under the recording, 255 and more alike.
    """
    level = np.round(picture.level(peak) * (RANGE_DB / LEVEL_STEP))
    mask = np.round(picture.mask / MASK_STEP)
    return _png(_image(np.stack([level, mask, _steps(picture.under_db, KEPT_STEP)], axis=2)))


def rgb_png(pixels: NDArray[Any]) -> bytes:
    """:func:`paint`'s pixels as one PNG, low frequencies at the bottom."""
    return _png(_image(pixels))


def _image(pixels: NDArray[Any]) -> Image.Image:
    """Palette indices or channels as an image, low frequencies at the bottom."""
    return Image.fromarray(np.ascontiguousarray(pixels[::-1].astype(np.uint8)))


def _png(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=6, **options)
    return file.getvalue()
