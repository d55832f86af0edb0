"""Means with their intervals, a panel per figure; methods beside the oracle of their own resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zsxai.benchmarks.analyse.blocks import Block
from zsxai.benchmarks.analyse.bootstrap import Interval, has_mean
from zsxai.benchmarks.analyse.plots.theme import (
    CONTROL,
    INK,
    LINE,
    QUIET,
    Look,
    add_legend,
    assign_looks,
    make_figure,
    style_axes,
)
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.analyse.resolution import CEILING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

PER_ROW = 4


def draw_intervals(block: Block, metrics: Sequence[str] | None = None) -> Figure | None:
    """Draw a forest plot per figure: means and 95 % intervals; controls are hollow, their range shaded."""
    groups = block.rows()
    wanted = block.result.metrics(block.task) if metrics is None else metrics
    found = {m: {name: block.interval(group, m) for name, group in groups.items()} for m in wanted}
    shown = [m for m in wanted if any(has_mean(i) for i in found[m].values())]
    if not shown:
        return None
    figure, panels = _make_panels(len(shown), len(groups))
    looks = assign_looks(block, list(groups))
    for axes, metric in zip(panels, shown, strict=False):
        known = find_reading(block.task, metric)
        _draw_forest(axes, found[metric], looks, block, shade=known.better != "neither")
        style_axes(axes, title=known.symbol + known.arrow)
        if known.chance is not None:
            axes.axvline(known.chance, color=QUIET, linewidth=1, linestyle=(0, (3, 2)))
    return figure


def draw_beside_oracles(block: Block) -> Figure | None:
    """Draw every method beside the oracle of its own resolution, and beside the floors."""
    own, best = block.rows(), block.rows(CEILING)
    extra = {v: next(iter(block.rows(v).values()), None) for v in block.variants if v.startswith(f"{CEILING} ")}
    wanted = [m for m in block.result.metrics(block.task) if _was_measured(block, [*best.values(), *extra.values()], m)]
    if not wanted:
        return None
    names = [*own, *extra]
    figure, panels = _make_panels(len(wanted), len(names), per_row=3)
    looks = assign_looks(block, list(own))
    ceiling = Look(INK, "D", "-", filled=False)
    for axes, metric in zip(panels, wanted, strict=False):
        known = find_reading(block.task, metric)
        means = {name: block.interval(group, metric) for name, group in own.items()}
        tops = {name: block.interval(group, metric) for name, group in best.items()}
        tops |= {name: block.interval(group, metric) for name, group in extra.items() if group is not None}
        for y, name in enumerate(names):
            ends = [i.mean for i in (means.get(name), tops.get(name)) if has_mean(i)]
            if len(ends) == 2:
                axes.plot(ends, [y, y], color=LINE, linewidth=2.2, zorder=1)
        _draw_forest(axes, {**means, **dict.fromkeys(extra)}, looks, block)
        for y, name in enumerate(names):
            top = tops.get(name)
            if has_mean(top):
                axes.plot(top.mean, y, linestyle="", **ceiling.point)
        style_axes(axes, title=known.symbol + known.arrow)
    handles = [_make_mark(Look(INK, "o", "-", filled=True)), _make_mark(Look(CONTROL, "o", "-", filled=False))]
    words = ["explainer", "blind control", "oracle on the same cells"]
    add_legend(figure, [*handles, _make_mark(ceiling)], words)
    return figure


def _was_measured(block: Block, groups: Sequence[DataFrame | None], metric: str) -> bool:
    found = [block.interval(group, metric) for group in groups if group is not None and len(group)]
    return any(has_mean(i) for i in found)


def _make_mark(look: Look) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", **look.point)


def draw_headline(blocks: Sequence[Block]) -> Figure | None:
    """Draw the suite's headline, a panel per setting and kind of mask."""
    if not blocks:
        return None
    chosen = blocks[0].result.suite.headline
    known = find_reading(chosen.task, chosen.metric)
    groups = [block.rows(stratum=chosen.stratum) for block in blocks]
    names = list(dict.fromkeys(name for group in groups for name in group))
    figure, panels = _make_panels(len(blocks), len(names), per_row=2 if len(blocks) in {2, 4} else 3)
    for axes, block, group in zip(panels, blocks, groups, strict=False):
        found = {n: block.interval(group[n], chosen.metric) if n in group else None for n in names}
        _draw_forest(axes, found, assign_looks(block, names), block)
        if known.chance is not None:
            axes.axvline(known.chance, color=QUIET, linewidth=1, linestyle=(0, (3, 2)))
        style_axes(axes, title=block.short, x=known.symbol + known.arrow)
    return figure


def _make_panels(count: int, lines: int, per_row: int = PER_ROW) -> tuple[Figure, list[Axes]]:
    columns = min(per_row, count)
    rows = -(-count // columns)
    figure = make_figure(rows * (0.23 * lines + 0.75) + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel().tolist()
    for axes in grid[count:]:
        axes.set_visible(False)
    return figure, grid


def _draw_forest(
    axes: Axes,
    found: dict[str, Interval | None],
    looks: dict[str, Look],
    block: Block,
    *,
    shade: bool = True,
) -> None:
    blind = [i.mean for n, i in found.items() if has_mean(i) and block.is_control(n)]
    if blind and shade:
        axes.axvspan(min(blind), max(blind), color=CONTROL, alpha=0.16, linewidth=0)
    for y, (name, each) in enumerate(found.items()):
        if not has_mean(each):
            continue
        look = looks[name]
        if np.isfinite(each.low):
            axes.plot([each.low, each.high], [y, y], color=look.colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot(each.mean, y, linestyle="", **look.point)
    axes.set_yticks(range(len(found)), [block.label(name) for name in found], parse_math=False)
    axes.set_ylim(len(found) - 0.4, -0.6)
