"""Spectrograms and masks as pixels: seconds x mel, one picture for the plot and for the page.

Brightness is level, colour is the mask: a cell that the mask keeps wears viridis, one that it leaves is grey of
about the same lightness, so neither hides the other and no pair of hues has to be distinguished.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.show.canvas import import_matplotlib
from zsxai.spectral import Grid, overlap
from zsxai.spectral.front_end import hz_to_mel, mel_to_hz

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

ROWS, COLUMNS = 224, 1000
"""Pixels along frequency, and at most along time; more frames than columns are averaged (power and mask alike)."""
RANGE_DB = 80.0
"""Levels further under the peak than this are drawn as silence."""
TICKS_HZ = (100, 500, 1000, 2000, 4000, 8000, 16000, 32000)
_BLOCK = 2048
_DARK, _LIGHT = 14.0, 240.0


@dataclass(frozen=True, eq=False)
class Raster:
    """A picture of a recording; rows rise evenly in mel, columns evenly in seconds.

    Attributes:
        power: ``(R, C)`` float32, mean power of the STFT within each pixel.
        mask: ``(R, C)`` float32, mean of the mask within each pixel; 0 everywhere where there is none.
        seconds: Length of the recording.
        top: Highest frequency, hertz; the lowest is 0.
        band: Lowest and highest frequency the model hears, hertz.
    """

    power: NDArray[Any]
    mask: NDArray[Any]
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
        mels = (np.arange(len(self.power)) + 0.5) * (float(hz_to_mel(self.top)) / len(self.power))
        return mel_to_hz(mels)

    @property
    def columns_s(self) -> NDArray[Any]:
        """Centres of the columns, seconds."""
        centres: NDArray[Any] = (np.arange(self.power.shape[1]) + 0.5) * (self.seconds / self.power.shape[1])
        return centres

    @property
    def is_ragged(self) -> bool:
        """Whether an outline of the mask at one half would be speckle: over 6 % of its cells border on another side."""
        inside = self.mask >= 0.5
        crossings = np.count_nonzero(inside[1:] != inside[:-1]) + np.count_nonzero(inside[:, 1:] != inside[:, :-1])
        return bool(crossings > 0.06 * 2 * inside.size)


def raster(explanation: Explanation, columns: int = COLUMNS) -> Raster:
    """The picture of an explanation: its recording under its mask."""
    grid = explanation.grid
    spec = explanation.front_end
    plain = spectrogram(
        explanation.original, explanation.sample_rate, n_fft=spec.n_fft, hop=spec.hop, columns=columns, band=grid.band
    )
    return Raster(plain.power, _mask_pixels(explanation.mask, grid, plain), plain.seconds, plain.top, plain.band)


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
    return Raster(pixels_power, np.zeros_like(pixels_power), seconds, top, band or (0.0, top))


def _mask_pixels(mask: NDArray[Any], grid: Grid, onto: Raster) -> NDArray[Any]:
    pixels = mel_to_hz(np.linspace(0.0, float(hz_to_mel(onto.top)), len(onto.power) + 1))
    rows = overlap(grid.frequency_edges, pixels).astype(np.float32) @ mask
    wanted = np.linspace(0.0, onto.seconds, onto.power.shape[1] + 1)
    found: NDArray[Any] = np.clip(_average(rows, grid.time_edges, wanted), 0.0, 1.0)
    return found


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


def paint(level: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """Level and mask as colour, ``(R, C, 3)`` uint8; the first row is the lowest frequency."""
    index = np.round(level * 255).astype(np.uint8)
    grey, colour = greys()[index].astype(np.float32), colours()[index].astype(np.float32)
    mixed: NDArray[Any] = np.round(grey + (colour - grey) * mask[..., None]).astype(np.uint8)
    return mixed


def plain_png(level: NDArray[Any], palette: NDArray[Any]) -> bytes:
    """Level as a PNG of 256 colours, low frequencies at the bottom."""
    return _png(np.round(level[::-1] * 255).astype(np.uint8), palette)


def mask_png(level: NDArray[Any], mask: NDArray[Any], *, outline: bool) -> bytes:
    """The mask as a see-through layer: viridis at the level's lightness, as opaque as the mask.

    Args:
        level: ``(R, C)`` in [0, 1].
        mask: ``(R, C)`` in [0, 1].
        outline: Draw a light line where the mask crosses one half.
    """
    # 64 shades and 32 opacities are more than an eye tells apart and halve the file.
    shade = np.round(level[::-1] * 63).astype(np.uint8) * 4
    opacity = np.round(mask[::-1] * 31) * (255 / 31)
    pixels = np.concatenate([colours()[shade], np.round(opacity)[..., None].astype(np.uint8)], axis=2)
    if outline:
        inside = mask[::-1] >= 0.5
        inner = inside.copy()
        inner[1:] &= inside[:-1]
        inner[:-1] &= inside[1:]
        inner[:, 1:] &= inside[:, :-1]
        inner[:, :-1] &= inside[:, 1:]
        pixels[inside & ~inner] = (255, 255, 255, 255)
    return _png(pixels)


def _png(pixels: NDArray[Any], palette: NDArray[Any] | None = None) -> bytes:
    """A PNG from ``(R, C)`` palette indices or ``(R, C, 4)`` RGBA."""
    height, width = pixels.shape[:2]
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    kind = 6 if palette is None else 3
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))]
    if palette is not None:
        chunks.append((b"PLTE", palette.tobytes()))
    chunks += [(b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b"")]
    framed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def rgb_png(pixels: NDArray[Any]) -> bytes:
    """:func:`paint`'s pixels as one PNG, low frequencies at the bottom."""
    opaque = np.full((*pixels.shape[:2], 1), 255, dtype=np.uint8)
    return _png(np.concatenate([pixels[::-1], opaque], axis=2))
