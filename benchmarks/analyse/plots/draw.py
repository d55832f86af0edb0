"""Plots of a run by name, each of one setting and kind of mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from zsxai.benchmarks.analyse.blocks import find_blocks
from zsxai.benchmarks.analyse.plots.curves import draw_budgets, draw_cascades
from zsxai.benchmarks.analyse.plots.intervals import draw_beside_oracles, draw_intervals
from zsxai.benchmarks.analyse.plots.scatter import draw_prompts, draw_trade_off
from zsxai.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zsxai.benchmarks.analyse.result import Result

Plot = Callable[..., "Figure | None"]

KINDS: Mapping[str, tuple[str | None, Plot]] = {
    "intervals": (None, draw_intervals),
    "budgets": ("faithfulness", draw_budgets),
    "trade-off": ("faithfulness", draw_trade_off),
    "prompts": ("prompts", draw_prompts),
    "randomisation": ("randomisation", draw_cascades),
    "two-sounds": ("two-sounds", draw_beside_oracles),
}
"""Task and function of every kind of plot."""


def draw(
    result: Result,
    kind: str = "intervals",
    *,
    task: str | None = None,
    metrics: list[str] | None = None,
    **where: Any,
) -> Figure:
    """Draw one plot.

    Args:
        result: The run.
        kind: One of :data:`KINDS`.
        task: Of ``intervals``; the headline's where None.
        metrics: Of ``intervals``; those of the task's tables where None.
        **where: Which setting and kind of mask (``contamination="clean"``, ``domain="mel"``); the first that fits.

    Raises:
        InputError: If the kind is unknown, or the run has nothing to plot.
    """
    if kind not in KINDS:
        raise InputError(f"no plot {kind!r}: one of {', '.join(KINDS)}")
    own_task, plot = KINDS[kind]
    chosen = own_task or task or result.suite.headline.task
    found = find_blocks(result, chosen, **where)
    options = {"metrics": metrics} if metrics is not None else {}
    figure = plot(found[0], **options) if found else None
    if figure is None:
        raise InputError(f"the run has nothing to plot as {kind!r}: no measured rows of the task {chosen!r} fit")
    return figure
