"""Figures against the size of the masks, and the size of the masks against what the model hears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.analyse.blocks import Block
from zsxai.benchmarks.analyse.bootstrap import has_mean
from zsxai.benchmarks.analyse.formatting import format_number
from zsxai.benchmarks.analyse.plots.theme import (
    CONTROL,
    add_explainers_legend,
    add_legend,
    assign_looks,
    make_figure,
    style_axes,
)
from zsxai.benchmarks.analyse.reading import find_reading

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

SIZE = "mask-mean"
POINTS = 2000
"""Points drawn per explainer at most; the correlation in the title is over all clips."""
RHO = "\N{GREEK SMALL LETTER RHO}"
FOLLOWS = "similarity-correlation"


def draw_trade_off(block: Block, metrics: Sequence[str]) -> Figure | None:
    """Draw figures against the mask mean: what size alone buys is where the controls lie."""
    groups = block.rows()
    metrics = [m for m in metrics if m in block.sample.rows]
    if not metrics or SIZE not in block.sample.rows:
        return None
    figure = make_figure(4.4)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    looks = assign_looks(block, list(groups))
    for axes, metric in zip(panels, metrics, strict=True):
        for name, group in groups.items():
            size, value = block.interval(group, SIZE), block.interval(group, metric)
            if not (has_mean(size) and has_mean(value)):
                continue
            look = looks[name]
            if np.isfinite([size.low, value.low]).all():
                axes.plot([size.low, size.high], [value.mean] * 2, color=look.colour, linewidth=1.2, alpha=0.8)
                axes.plot([size.mean] * 2, [value.low, value.high], color=look.colour, linewidth=1.2, alpha=0.8)
            axes.plot(size.mean, value.mean, linestyle="", **{**look.point, "markersize": 7})
        known = find_reading(block.task, metric)
        style_axes(axes, title=known.symbol + known.arrow, x="mask mean")
        axes.set_xlim(0, 1)
    add_explainers_legend(figure, block, looks)
    return figure


def draw_by_similarity(block: Block) -> Figure | None:
    """Draw the mask mean against similarity, a point per clip and prompt, a panel per explainer."""
    groups = {
        n: g for n, g in block.rows().items() if {"mask_means", "similarities"} <= set(g) and len(_list_points(g)[0])
    }
    if not groups:
        return None
    columns = min(4, len(groups))
    rows = -(-len(groups) // columns)
    figure = make_figure(2.2 * rows + 0.7)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel().tolist()
    shapes = {"right": ("o", "#0072b2"), "wrong": ("x", CONTROL), "paraphrase": ("^", "#d55e00")}
    for i, (axes, (name, group)) in enumerate(zip(grid, groups.items(), strict=False)):
        similar, means, kinds = _list_points(group)
        chosen = np.random.default_rng(0).permutation(len(means))[:POINTS]
        for kind in ("wrong", "paraphrase", "right"):
            mine = chosen[kinds[chosen] == kind]
            mark, colour = shapes[kind]
            axes.plot(
                similar[mine], means[mine], linestyle="", marker=mark, color=colour, markersize=2.6, alpha=0.4, mew=0.6
            )
        follows = block.interval(group, FOLLOWS)
        follows_text = f": {RHO} {format_number(follows.mean)}" if has_mean(follows) else ""
        style_axes(
            axes,
            title=f"{block.label(name)}{follows_text}",
            x="similarity" if i >= len(groups) - columns else "",
            y="mask mean" if i % columns == 0 else "",
        )
        axes.set_ylim(-0.03, 1.03)
        axes.tick_params(labelbottom=i >= len(groups) - columns)
    for axes in grid[len(groups) :]:
        axes.set_visible(False)
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], linestyle="", marker=m, color=c) for m, c in shapes.values()]
    add_legend(figure, marks, [f"{kind} prompt" if kind != "paraphrase" else kind for kind in shapes])
    return figure


def _list_points(group: DataFrame) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """List similarities, mask means and kinds of prompts: the right one first, then wrong ones, then paraphrases."""
    similar: list[float] = []
    means: list[float] = []
    kinds: list[str] = []
    for _, row in group.iterrows():
        if isinstance(row["mask_means"], (list, tuple)) and isinstance(row["similarities"], (list, tuple)):
            wrong = int(row.get("wrong", len(row["mask_means"]) - 1))
            similar += row["similarities"]
            means += row["mask_means"]
            kinds += ["right", *["wrong"] * wrong, *["paraphrase"] * (len(row["mask_means"]) - wrong - 1)]
    return np.array(similar), np.array(means), np.array(kinds, dtype=str)
