"""Figures against the size of the masks, and the size of the masks against what the model hears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.analyse.blocks import Block
from zsxai.benchmarks.analyse.export import fixed
from zsxai.benchmarks.analyse.reading import reading
from zsxai.benchmarks.report.theme import CONTROL, legend, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

SIZE = "mask-mean"
POINTS = 2000
"""Points drawn per explainer at most; the correlation in the title is over all clips."""
RHO = "\N{GREEK SMALL LETTER RHO}"
FOLLOWS = "similarity-correlation"


def trade_off(block: Block, metrics: Sequence[str]) -> Figure | None:
    """Figures against the mask mean: what size alone buys is where the controls lie."""
    groups = block.rows()
    metrics = [m for m in metrics if m in block.sample.rows]
    if not metrics or SIZE not in block.sample.rows:
        return None
    figure = new_figure(4.4)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    drawn = block.looks(list(groups))
    for axes, metric in zip(panels, metrics, strict=True):
        for name, group in groups.items():
            size, value = block.interval(group, SIZE), block.interval(group, metric)
            if size is None or value is None or not np.isfinite([size.mean, value.mean]).all():
                continue
            look = drawn[name]
            if np.isfinite([size.low, value.low]).all():
                axes.plot([size.low, size.high], [value.mean] * 2, color=look.colour, linewidth=1.2, alpha=0.8)
                axes.plot([size.mean] * 2, [value.low, value.high], color=look.colour, linewidth=1.2, alpha=0.8)
            axes.plot(size.mean, value.mean, linestyle="", **{**look.point, "markersize": 7})
        known = reading(block.task, metric)
        style(axes, title=known.symbol + known.arrow, x="mask mean")
        axes.set_xlim(0, 1)
    _key(figure, block, drawn)
    return figure


def by_similarity(block: Block) -> Figure | None:
    """Mask mean against similarity, a point per clip and prompt, a panel per explainer."""
    groups = {n: g for n, g in block.rows().items() if {"mask_means", "similarities"} <= set(g) and len(_points(g)[0])}
    if not groups:
        return None
    columns = min(4, len(groups))
    rows = -(-len(groups) // columns)
    figure = new_figure(2.2 * rows + 0.7)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel().tolist()
    shapes = {"right": ("o", "#0072b2"), "wrong": ("x", CONTROL), "paraphrase": ("^", "#d55e00")}
    for i, (axes, (name, group)) in enumerate(zip(grid, groups.items(), strict=False)):
        similar, means, kinds = _points(group)
        chosen = np.random.default_rng(0).permutation(len(means))[:POINTS]
        for kind in ("wrong", "paraphrase", "right"):
            mine = chosen[kinds[chosen] == kind]
            mark, colour = shapes[kind]
            axes.plot(
                similar[mine], means[mine], linestyle="", marker=mark, color=colour, markersize=2.6, alpha=0.4, mew=0.6
            )
        follows = block.interval(group, FOLLOWS)
        said = "" if follows is None or not np.isfinite(follows.mean) else f": {RHO} {fixed(follows.mean)}"
        control = " (control)" if block.is_control(name) else ""
        style(
            axes,
            title=f"{name}{control}{said}",
            x="similarity" if i >= len(groups) - columns else "",
            y="mask mean" if i % columns == 0 else "",
        )
        axes.set_ylim(-0.03, 1.03)
        axes.tick_params(labelbottom=i >= len(groups) - columns)
    for axes in grid[len(groups) :]:
        axes.set_visible(False)
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], linestyle="", marker=m, color=c) for m, c in shapes.values()]
    legend(figure, marks, [f"{kind} prompt" if kind != "paraphrase" else kind for kind in shapes])
    return figure


def _points(group: DataFrame) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Similarities, mask means and kinds of all prompts: the right one first, then wrong ones, then paraphrases."""
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


def _key(figure: Figure, block: Block, drawn: dict[str, Any]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linestyle="", **look.point) for look in drawn.values()]
    legend(figure, handles, [f"{n} (control)" if block.is_control(n) else n for n in drawn])
