"""A comparison as text: a table, and sentences."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import shorten
from typing import TYPE_CHECKING

from zsxai.names import printable
from zsxai.written import align

if TYPE_CHECKING:
    from zsxai.comparison.comparison import Cell, Comparison

WORDS = ("prompt", "explainer", "model", "verdict")
"""Columns of words stand left, those of figures right."""


def write_text(comparison: Comparison) -> str:
    """The table in plain aligned lines, then what was found in sentences."""
    head, rows = table(comparison)
    figures = [column for column, name in enumerate(head) if name not in WORDS]
    return "\n".join([*align([head, *rows], figures), *sentences(comparison)])


def table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table, as text that a terminal can show."""
    several = len(comparison.models) > 1
    head = ["prompt", "explainer", *(["model"] if several else []), "score", "kept", "removed", "verdict", "agrees"]
    rows = []
    for cell in comparison.cells:
        first = cell is comparison.of(cell.prompt)[0]
        names = [cell.prompt if first else "", cell.explainer, *([cell.model] if several else [])]
        rows.append([printable(text) for text in [*names, *_figures(comparison, cell)]])
    return [*head, "CPU", "clips"], rows


def _figures(comparison: Comparison, cell: Cell) -> list[str]:
    e = cell.explanation
    if e is None or cell.cost is None:
        return ["", "", "", f"failed: {shorten(str(cell.error), 60, placeholder=' …')}", "", "", ""]
    scores = [f"{value:.3f}" for value in (e.score, e.score_in, e.score_out)]
    cost = [f"{cell.cost.seconds:.2f} s", f"{cell.cost.clips:,}"]
    return [*scores, cell.verdict or "none", _agrees(comparison, cell), *cost]


def _agrees(comparison: Comparison, cell: Cell) -> str:
    first = comparison.first(cell.prompt)
    pair = comparison.agreement(first, cell) if first else None
    if pair is None:
        return "" if cell.error else "first"
    return "no order" if pair.correlation is None else f"{round(pair.correlation, 2) + 0.0:.2f}"


def sentences(comparison: Comparison) -> Iterator[str]:
    """What stands under the table: how to read it, where maps differ most, how far prompts move with wording."""
    count = len(comparison.prompts)
    prompts = "the prompt" if count == 1 else f"the {count} prompts together"
    yield f"agrees: rank correlation with the first map of the prompt. CPU and clips: for {prompts}."
    for prompt in comparison.prompts:
        apart = comparison.most_apart(prompt)
        if apart and apart.difference:
            words = apart.difference.describe(apart.first, apart.second)
            yield printable(f"{prompt}: they differ most {words}")
    for wordings in comparison.wordings:
        yield f"{printable(wordings.prompt)}: {wordings.describe()} ({wordings.explainer})"
