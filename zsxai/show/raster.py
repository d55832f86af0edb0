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
from zsxai.spectral import Grid, overlap
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
        seconds: Length of the recording.
        top: Highest frequency, hertz; the lowest is 0.
        band: Lowest and highest frequency the model hears, hertz.
    """

    power: NDArray[Any]
    mask: NDArray[Any]
    gain: NDArray[Any]
    seconds: float
    top: float
    band: tuple[float, float]

    @property
    def peak(self) -> float:
        """Highest power of a pixel."""
        return float(self.power.max())

    def level(self, peak: float | None = None) -> NDArray[Any]:
        """Level in [0, 1]: 1 at ``peak`` (the picture's own where None), 0 at 80 dB under it."""
        reference = max(self.peak if peak is None else peak, 1e-30)
        decibels = 10.0 * np.log10(np.maximum(self.power / reference, 1e-30))
        level: NDArray[Any] = np.clip(1.0 + decibels / RANGE_DB, 0.0, 1.0)
        return level

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
        return np.linspace(0.0, self.seconds, self.power.shape[1] + 1)

    @property
    def columns_s(self) -> NDArray[Any]:
        """Centres of the columns, seconds."""
        centres: NDArray[Any] = (np.arange(self.power.shape[1]) + 0.5) * (self.seconds / self.power.shape[1])
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


def raster(explanation: Explanation, columns: int = COLUMNS) -> Raster:
    """The picture of an explanation: its recording under its mask."""
    grid = explanation.grid
    spec = explanation.front_end
    plain = spectrogram(
        explanation.original, explanation.sample_rate, n_fft=spec.n_fft, hop=spec.hop, columns=columns, band=grid.band
    )
    mask, gain = (_onto(values, grid, plain) for values in (explanation.mask, explanation.gain))
    return Raster(plain.power, mask, gain, plain.seconds, plain.top, plain.band)


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
    power = _power(np.asarray(waveform, dtype=np.float32), n_fft, hop, onto_rows)
    times = np.arange(power.shape[1]) * (hop / sample_rate)
    edges = np.concatenate([[0.0], (times[1:] + times[:-1]) / 2, [max(seconds, times[-1] + 1e-9)]])
    wanted = np.linspace(0.0, seconds, min(columns, power.shape[1]) + 1)
    pixels_power = _average(power, edges, wanted)
    nothing = np.zeros_like(pixels_power)
    return Raster(pixels_power, nothing, nothing, seconds, top, band or (0.0, top))


def _onto(values: NDArray[Any], grid: Grid, onto: Raster) -> NDArray[Any]:
    """Mean of values in [0, 1] within each pixel."""
    rows = overlap(grid.frequency_edges, onto.frequency_edges).astype(np.float32) @ values
    found: NDArray[Any] = np.clip(_average(rows, grid.time_edges, onto.time_edges), 0.0, 1.0)
    return found


def _steps(under: NDArray[Any], step: float) -> NDArray[Any]:
    """Decibels under something in whole steps, rounded away from it but for rounding; 255 at most."""
    return np.minimum(np.ceil(under / step - 1e-4), 255)


def _power(waveform: NDArray[Any], n_fft: int, hop: int, onto_rows: NDArray[Any]) -> NDArray[Any]:
    """Centred Hann STFT power, averaged onto rows; block by block, so that an hour fits in memory."""
    half = n_fft // 2
    padded = np.pad(waveform, half, mode="reflect" if len(waveform) > half else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][: len(waveform) // hop + 1]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    found = np.empty((len(onto_rows), len(frames)), dtype=np.float32)
    for start in range(0, len(frames), _BLOCK):
        spectrum = np.fft.rfft(frames[start : start + _BLOCK] * window)
        found[:, start : start + _BLOCK] = onto_rows @ (spectrum.real**2 + spectrum.imag**2).astype(np.float32).T
    return found


def _average(values: NDArray[Any], edges: NDArray[Any], wanted: NDArray[Any]) -> NDArray[Any]:
    """Mean over time of piecewise constant ``(R, N)`` values between ``wanted`` edges, ``(R, C)`` float32."""
    before = np.zeros((len(values), len(edges)))
    np.cumsum(values * np.diff(edges), axis=1, dtype=np.float64, out=before[:, 1:])
    cell = np.clip(np.searchsorted(edges, wanted, side="right") - 1, 0, values.shape[1] - 1)
    at = before[:, cell] + values[:, cell] * (np.minimum(wanted, edges[-1]) - edges[cell])
    mean: NDArray[Any] = (np.diff(at, axis=1) / np.diff(wanted)).astype(np.float32)
    return mean


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
