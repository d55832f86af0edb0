"""Plots of a run by name, each of one setting and kind of mask, as the tasks declare them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zsxai.benchmarks.analyse.blocks import Block, find_blocks
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import INTERVALS, Plot
from zsxai.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zsxai.benchmarks.analyse.result import Result


def draw(
    result: Result,
    kind: str = INTERVALS.name,
    *,
    task: str | None = None,
    metrics: list[str] | None = None,
    **where: Any,
) -> Figure:
    """Draw one plot.

    Args:
        result: The run.
        kind: ``intervals``, or the name of a plot that a task of the suite declares.
        task: Task of ``intervals``, and of a plot that several tasks declare; the headline's where None.
        metrics: Metrics of ``intervals``; those of the task's tables where None.
        **where: Which setting and kind of mask (``contamination="clean"``, ``domain="mel"``); the first that fits.

    Raises:
        InputError: If the kind is unknown, or the run has nothing to plot.
    """
    tasks = list(dict.fromkeys([task or result.suite.headline.task, *(t.kind for t in result.suite.tasks)]))
    declared = [(name, plot) for name in tasks for plot in (INTERVALS, *runner_of(name).card.plots)]
    found = [(name, plot) for name, plot in declared if plot.name == kind]
    if not found:
        raise InputError(f"no plot {kind!r}: one of {', '.join(dict.fromkeys(plot.name for _, plot in declared))}")
    chosen, plot = found[0]
    blocks = find_blocks(result, chosen, **where)
    options = {} if metrics is None else {"metrics": metrics}
    figure = load_drawing(plot, blocks[0], **options)() if blocks else None
    if figure is None:
        raise InputError(f"the run has nothing to plot as {kind!r}: no measured rows of the task {chosen!r} fit")
    return figure


def load_drawing(plot: Plot, block: Block, **options: Any) -> Callable[[], Figure | None]:
    """Load what draws a plot of a block; it gives None where there is nothing to draw."""
    module, _, name = plot.draw.partition(":")
    return partial(getattr(import_module(module), name), block, **{**plot.options, **options})
