"""The picture of an explanation with matplotlib: seconds x hertz, level as brightness, what is kept of it as colour."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from textwrap import shorten
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.regions import LINE_DB, check_line
from zsxai.show.canvas import import_matplotlib, make_figure
from zsxai.show.raster import FADE_DB, RANGE_DB, TICKS_HZ, Raster, greys, paint, raster, spectrogram
from zsxai.spectral.front_end import hz_to_mel, mel_to_hz

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsxai.explanation import Explanation

SIZE, DPI = (9.0, 3.9), 110
"""Inches and dots per inch of a figure made here."""
_DRAWING = Lock()
"""Matplotlib draws in one thread at a time; nor can two threads change what is warned of."""


def plot_explanation(
    explanation: Explanation, ax: Axes | None = None, *, key: bool | None = None, line_db: float = LINE_DB
) -> Axes:
    """Draw the spectrogram, in colour where it is kept.

    The recording's level is brightness (0 dB is the loudest cell). Colour is what remains of it when only the mask's
    part is kept: full where the level stays, none where it is 20 dB lower or more; the white line lies where -6 dB
    remains. Frequencies the model does not hear are hatched. Where the verdict is other than heard and located, colours
    are paler, and a line under the axes says why.

    Args:
        explanation: What to draw.
        ax: Axes to draw on. Where None, axes on a new figure with a key beside them: pyplot's in IPython, so that
            notebooks show it, else a bare one (``ax.figure.savefig``).
        key: Draw the key to the right of the axes; None draws it on a new figure only.
        line_db: Level that remains at the line, decibels relative to the recording.

    Returns:
        The axes; data coordinates are seconds and hertz.

    Raises:
        InputError: If the line is no level under the recording's.
    """
    picture, level = raster(explanation), check_line(line_db)
    verdict = explanation.verdict
    dimmed = verdict is not None and not verdict.believable
    axes = framed_axes(new_figure()) if ax is None else ax
    _draw(axes, picture, paint(picture.level(), picture.worn(dimmed=dimmed)))
    crossed = picture.gain.min() < level < picture.gain.max()
    if crossed and not picture.is_ragged(line_db) and min(picture.gain.shape) > 1:
        axes.contour(
            picture.columns_s, picture.rows_hz, picture.gain, levels=[level], colors="white", linewidths=0.9, alpha=0.9
        )
    prompt = shorten(explanation.prompt, 70, placeholder=" …") or explanation.prompt[:70]
    axes.set_title(f"“{prompt}”: {explanation.score:.3f} ({explanation.unit})", loc="left", parse_math=False)
    if verdict is not None:
        said = f"{verdict.level}{': colours dimmed' if dimmed else ''}"
        axes.text(0.0, -0.175, said, transform=axes.transAxes, fontsize="small", va="bottom", parse_math=False)
    if key or (key is None and ax is None):
        _key(axes, line_db)
    return axes


def plot_spectrogram(
    waveform: NDArray[Any],
    sample_rate: int,
    ax: Axes | None = None,
    *,
    title: str = "",
    peak: float | None = None,
) -> Axes:
    """Draw the spectrogram of a waveform, in grey, on the same axes as :func:`plot_explanation`.

    Args:
        waveform: ``(T,)`` samples.
        sample_rate: Samples per second.
        ax: Axes to draw on; a new figure where None.
        title: Written above.
        peak: Power drawn as 0 dB, to compare waveforms; the waveform's own peak where None.
    """
    picture = spectrogram(waveform, sample_rate)
    axes = framed_axes(new_figure()) if ax is None else ax
    _draw(axes, picture, greys()[np.round(picture.level(peak) * 255).astype(np.uint8)])
    axes.set_title(title, loc="left", parse_math=False)
    return axes


def bare_figure() -> Figure:
    """A figure of the usual size that no window system knows of."""
    return make_figure(figsize=SIZE, dpi=DPI)


def new_figure() -> Figure:
    """A figure that a notebook shows; a bare one elsewhere."""
    # pyplot keeps every figure alive and costs as much to import as the drawing: only notebooks gain by it.
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return bare_figure()
    import_matplotlib()
    from matplotlib import pyplot

    return pyplot.figure(figsize=SIZE, dpi=DPI)


def framed_axes(figure: Figure) -> Axes:
    """Axes that leave room for labels and for the key."""
    return figure.add_axes((0.095, 0.145, 0.75, 0.76))


def write_drawing(path: Path, figure: Figure, draw: Callable[[], object], **options: Any) -> None:
    """Write what is drawn on a figure as a PNG.

    Args:
        path: The file.
        figure: The figure (:func:`bare_figure`).
        draw: Draws on it.
        **options: Of :meth:`matplotlib.figure.Figure.savefig`.
    """
    with _DRAWING, warnings.catch_warnings():
        # A prompt in a script that matplotlib's font lacks is drawn as boxes; the page beside shows it.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        draw()
        figure.savefig(path, format="png", pil_kwargs={"compress_level": 3}, **options)


def _draw(axes: Axes, picture: Raster, pixels: NDArray[Any]) -> None:
    from matplotlib.image import AxesImage
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_yscale("function", functions=(hz_to_mel, mel_to_hz))
    axes.set_xlim(0.0, picture.seconds)
    axes.set_ylim(0.0, picture.top)
    # Rows are even in mel, so the image lives between the scale (hertz to mel) and the affine rest of the axes'
    # transform: one fast image instead of a mesh of 200,000 quadrilaterals, and it still follows pan and zoom.
    image = AxesImage(axes, origin="lower", interpolation="auto")
    image.set_data(pixels)
    image.set_extent((0.0, picture.seconds, 0.0, float(hz_to_mel(picture.top))))
    image.set_transform(axes.transLimits + axes.transAxes)
    axes.add_image(image)
    axes.set_xlim(0.0, picture.seconds)
    axes.set_ylim(0.0, picture.top)
    low, high = picture.band
    for start, stop in ((0.0, low), (high, picture.top)):
        if hz_to_mel(stop) - hz_to_mel(start) > 0.1:
            axes.axhspan(start, stop, facecolor=(0.5, 0.5, 0.5, 0.35), edgecolor=(1, 1, 1, 0.45), hatch="////", lw=0)
    axes.yaxis.set_major_locator(FixedLocator([t for t in TICKS_HZ if t <= picture.top]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda hertz, _: f"{hertz:,.0f}"))
    axes.set_xlabel("time (s)")
    axes.set_ylabel("frequency (Hz)")


def _key(axes: Axes, line_db: float) -> None:
    """Both levels at once: the recording's upward, what is kept of it to the right."""
    key = axes.inset_axes((1.075, 0.36, 0.055, 0.64))
    level, colour = np.mgrid[0:1:64j, 0:1:32j]
    key.imshow(paint(level, colour), origin="lower", aspect="auto", extent=(-FADE_DB, 0.0, -RANGE_DB, 0.0))
    key.axvline(line_db, color="white", linewidth=1.2)
    key.set_xticks([-FADE_DB, 0], [f"-{FADE_DB:g}", "0"])
    key.set_yticks([0, -20, -40, -60, -80])
    key.set_xlabel("kept (dB)")
    key.set_ylabel("recording (dB)", labelpad=2)
    key.yaxis.tick_right()
    key.yaxis.set_label_position("right")
    key.tick_params(labelsize="small")
    words = f"white line:\n{line_db:g} dB remains\nhatched:\nnot heard"
    axes.text(1.075, 0.0, words, transform=axes.transAxes, fontsize="x-small", va="bottom")
