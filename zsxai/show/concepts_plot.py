"""The picture of a concept explanation with matplotlib: words over time, or their bars."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

from zsxai.show.over_time import ROWS, OverTime, choose_rows
from zsxai.show.plot import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsxai.concepts.explanation import ConceptExplanation

NAME = 26
"""Letters of a word at most."""


def plot_concepts(explanation: ConceptExplanation, ax: Axes | None = None) -> Axes:
    """Draw the words over time, or their bars where there are no windows.

    Rows are the strongest concepts, and under a line those that only windows have. Words that a window does not have
    are black, whatever their place on the scale.

    Args:
        explanation: What to draw.
        ax: Axes to draw on. Where None, axes on a new figure: pyplot's in IPython, so that notebooks show it, else a
            bare one (``ax.figure.savefig``).

    Returns:
        The axes; seconds and rows, or weights and rows.
    """
    axes = named_axes(new_figure()) if ax is None else ax
    shown = choose_rows(explanation) if explanation.windows else None
    if shown is not None and shown.rows:
        _draw_windows(axes, shown)
    elif explanation.concepts:
        _draw_bars(axes, explanation)
    else:
        axes.set_axis_off()
        reason = f"no word: the penalty {explanation.penalty:.3g} is not under {explanation.largest_penalty:.3g}"
        axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center")
    name = shorten(explanation.provenance.audio_name, 50, placeholder=" …") or explanation.provenance.audio_name[:50]
    axes.set_title(f"{name}: the words say {explanation.said:.0%}", loc="left", parse_math=False)
    return axes


def named_axes(figure: Figure) -> Axes:
    """Axes that leave room for words at the left and for a scale at the right."""
    return figure.add_axes((0.25, 0.145, 0.65, 0.76))


def _draw_windows(axes: Axes, shown: OverTime) -> None:
    import numpy as np

    weights = np.ma.masked_less_equal(shown.weights, 0.0)
    rows = np.arange(len(shown.rows) + 1) - 0.5
    axes.set_facecolor("black")
    image = axes.pcolormesh(shown.edges, rows, weights, vmin=0.0, vmax=shown.peak or 1.0, cmap="viridis")
    axes.set_ylim(len(shown.rows) - 0.5, -0.5)
    if 0 < shown.whole < len(shown.rows):
        axes.axhline(shown.whole - 0.5, color="white", linewidth=1.2)
    axes.set_yticks(range(len(shown.rows)), [_short(c.name) for c in shown.rows], parse_math=False)
    axes.set_xlabel("time (s)")
    scale = axes.inset_axes((1.02, 0.0, 0.025, 1.0))
    axes.figure.colorbar(image, cax=scale, label="weight")


def _draw_bars(axes: Axes, explanation: ConceptExplanation) -> None:
    concepts = explanation.concepts[:ROWS]
    axes.barh(range(len(concepts)), [c.weight for c in concepts], color="#1f7f6d")
    axes.set_yticks(range(len(concepts)), [_short(c.name) for c in concepts], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("weight")


def _short(name: str) -> str:
    return shorten(name, NAME, placeholder=" …") or f"{name[:NAME]} …"
