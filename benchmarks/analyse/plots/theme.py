"""How plots look: one set of colours and marks for every figure of a run."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsxai.show import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsxai.benchmarks.analyse.blocks import Block

WIDTH = 10.4
"""Inches; a figure fills the page."""


INK, QUIET, LINE, CONTROL = "#1b1d22", "#5a606b", "#dcdad4", "#767c87"
"""The page's own colours. On a dark page its style inverts lightness and keeps the hues."""

# After Okabe and Ito (2008), whose hues colour-blind readers distinguish; without black, and the yellow lost on white.
HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "p", "h", "<", ">", "*")
CONTROL_LINES = ((0, (1, 1.4)), (0, (4, 1.6)), (0, (4, 1.2, 1, 1.2)), (0, (8, 2)))


@dataclass(frozen=True)
class Look:
    """How one explainer is drawn: hue, mark and line, so that none of them has to carry the difference alone.

    Attributes:
        colour: Colour of line and mark.
        mark: Mark of points.
        line: Dashes, as matplotlib takes them.
        filled: Controls are hollow.
    """

    colour: str
    mark: str
    line: Any
    filled: bool

    @property
    def point(self) -> dict[str, Any]:
        """Arguments of a marker."""
        return {
            "marker": self.mark,
            "color": self.colour,
            "markerfacecolor": self.colour if self.filled else "none",
            "markeredgecolor": self.colour,
            "markeredgewidth": 1.3,
            "markersize": 6,
        }


def assign_looks(block: Block, names: Sequence[str]) -> dict[str, Look]:
    """Assign looks to names of :meth:`Block.rows`, by their place in the suite: the same in every figure of a run."""
    found: dict[str, Look] = {}
    ours = blind = 0
    for name in dict.fromkeys([*(e.title for e in block.result.suite.all_explainers), *names]):
        if block.is_control(name):
            mark = MARKS[blind % len(MARKS)]
            found[name] = Look(CONTROL, mark, CONTROL_LINES[blind % len(CONTROL_LINES)], filled=False)
            blind += 1
        else:
            line = "-" if ours < len(HUES) else (0, (6, 1.5))
            found[name] = Look(HUES[ours % len(HUES)], MARKS[ours % len(MARKS)], line, filled=True)
            ours += 1
    return {name: found[name] for name in names}


def make_figure(height: float) -> Figure:
    """Make a figure that no window system knows of."""
    return canvas.make_figure(figsize=(WIDTH, height), dpi=100, facecolor="white", layout="constrained")


def style_axes(axes: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Draw axes quietly, under plain text: labels from a run are text, never formulas."""
    axes.set_facecolor("white")
    axes.tick_params(colors=QUIET, labelsize=9)
    for name, spine in axes.spines.items():
        spine.set_visible(name in {"left", "bottom"})
        spine.set_color(LINE)
    axes.grid(True, color=LINE, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", fontsize=10.5, color=INK, parse_math=False)
    axes.set_xlabel(x, fontsize=9.5, color=QUIET, parse_math=False)
    axes.set_ylabel(y, fontsize=9.5, color=QUIET, parse_math=False)


def add_legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str], columns: int = 6) -> None:
    """Put one legend under all panels."""
    made = figure.legend(
        handles, labels, loc="outside lower center", ncols=min(columns, max(len(labels), 1)), frameon=False, fontsize=9
    )
    for text in made.get_texts():
        text.set_color(INK)
        text.set_parse_math(False)


def add_explainers_legend(figure: Figure, block: Block, looks: Mapping[str, Look], *, lines: bool = False) -> None:
    """Put a legend of explainers under all panels, with their lines where they are drawn as such."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle=look.line if lines else "", linewidth=1.6, **look.point) for look in looks.values()
    ]
    add_legend(figure, handles, [block.label(name) for name in looks])


def encode_png(figure: Figure, dpi: int = 150) -> bytes:
    """Encode a figure as a small PNG: flat colours need no more than a palette."""
    from PIL import Image

    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=dpi, facecolor=figure.get_facecolor())
    raw.seek(0)
    small = io.BytesIO()
    with Image.open(raw) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()
