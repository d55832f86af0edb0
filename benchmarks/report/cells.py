"""Tables and plots as plain values; the templates write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsxai.benchmarks.analyse.blocks import Block
from zsxai.benchmarks.analyse.bootstrap import Interval, has_mean
from zsxai.benchmarks.analyse.formatting import NOTHING, choose_digits, format_interval
from zsxai.benchmarks.analyse.plots.theme import encode_png
from zsxai.benchmarks.analyse.reading import find_reading

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes:
        text: What it says.
        meaning: What the column is, in a sentence.
        link: Where on the page more is said; empty where nowhere.
        figure: Name of the figure, by which columns are chosen; empty where the column always stays.
    """

    text: str
    meaning: str = ""
    link: str = ""
    figure: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: What it says first.
        between: The interval.
        lost: How many values were invalid.
        number: What it sorts by, NaN last; None where it sorts by its text, which is the run's.
        title: Counts.
    """

    text: str
    between: str = ""
    lost: str = ""
    number: float | None = None
    title: str = ""


@dataclass(frozen=True)
class Row:
    """A row: the name of what it is of, and the other cells."""

    name: str
    cells: tuple[Cell, ...]
    is_control: bool = False


@dataclass(frozen=True)
class Table:
    """A table that scrolls by itself where it is too wide, and sorts by its heads.

    Attributes:
        caption: What it is of.
        heads: One per column, that of the names first.
        rows: As many cells each as there are heads, less the name.
        in_words: Whether it holds sentences.
    """

    caption: str
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    in_words: bool = False


@dataclass(frozen=True)
class Plot:
    """A picture with its words."""

    png: bytes
    alt: str
    caption: str


EXPLAINER = Head("explainer")
CALIBRATION = Head("calibration", "How relevance became a mask; chosen beforehand.")
COUNT = Head("n", "Items, valid or not.")


def make_plot(draw: Callable[[], Figure | None], alt: str, caption: str) -> Plot | None:
    """Draw a plot; None where there is nothing to draw."""
    figure = draw()
    return None if figure is None else Plot(encode_png(figure), alt, caption)


def make_head(task: str, figure: str) -> Head:
    """Make the head of a figure's column, with its meaning."""
    known = find_reading(task, figure)
    return Head(known.symbol + known.arrow, known.meaning, f"#{anchor(task, figure)}", figure)


def anchor(task: str, figure: str) -> str:
    """Where the page says how a figure is read."""
    return f"figure-{task}-{figure}"


def make_interval(found: Interval | None, digits: int = 2) -> Cell:
    """Mean and interval; n and n_invalid as title, invalid values in plain sight."""
    if found is None or not found.n:
        return Cell(NOTHING, number=float("nan"), title="not measured")
    title = f"n {found.n}, invalid {found.n_invalid}"
    lost = f"{found.n_invalid} of {found.n} invalid" if found.n_invalid else ""
    if not has_mean(found):
        return Cell("none", lost=lost, number=float("nan"), title=title)
    mean, _, between = format_interval(found._replace(n_invalid=0), digits).partition(" ")
    return Cell(mean, between, lost, found.mean, title)


def make_number(value: float, text: str | None = None) -> Cell:
    """A number that sorts by its value."""
    return Cell(f"{value:g}" if text is None else text, number=float(value))


def make_texts(*values: object) -> tuple[Cell, ...]:
    """Texts from a run."""
    return tuple(Cell(str(value)) for value in values)


def make_block(block: Block, metrics: Sequence[str], caption: str) -> Table:
    """Make a row per explainer of a block and a column per figure, with n."""
    rows = []
    for name, group in block.rows().items():
        found = [block.interval(group, m) for m in metrics]
        n = max((i.n for i in found if i is not None), default=len(group))
        cells = [make_interval(i, choose_digits(block.task, m)) for i, m in zip(found, metrics, strict=True)]
        first = (*make_texts(group["calibration"].iloc[0]), make_number(n))
        rows.append(Row(name, (*first, *cells), block.is_control(name)))
    heads = (EXPLAINER, CALIBRATION, COUNT, *(make_head(block.task, m) for m in metrics))
    return Table(caption, heads, tuple(rows))


def format_p(value: float) -> str:
    """Write a p value as it is quoted."""
    if not np.isfinite(value):
        return NOTHING
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"
