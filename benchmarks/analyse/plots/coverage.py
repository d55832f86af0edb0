"""How good the surest part is: a figure's mean over growing parts of the rows, by what says how sure each is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zsxai.benchmarks.analyse.blocks import Block
from zsxai.benchmarks.analyse.bootstrap import Interval, has_mean
from zsxai.benchmarks.analyse.plots.curves import draw_points
from zsxai.benchmarks.analyse.plots.theme import add_explainers_legend, assign_looks, make_figure, style_axes
from zsxai.benchmarks.analyse.reading import find_reading

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

PARTS = (0.25, 0.5, 0.75, 1.0)


def measure_coverage(block: Block, group: DataFrame, figure: str, by: str) -> list[Interval]:
    """Measure the mean of a figure over the surest part of some rows, for each of :data:`PARTS`.

    Args:
        block: Setting and kind of mask.
        group: Rows of one explainer.
        figure: What is averaged.
        by: Figure that says how sure a row is; rows without it are the least sure.
    """
    order = group[by].fillna(-np.inf).to_numpy(dtype=np.float64)
    rows = group.iloc[np.argsort(-order, kind="stable")]
    parts = [rows.iloc[: max(1, round(part * len(rows)))] for part in PARTS]
    values = [(part[figure].to_numpy(dtype=np.float64)[:, None], part["unit"].to_numpy()) for part in parts]
    return [block.sample.resampling.intervals(*of_part)[0] for of_part in values]


def draw_coverage(block: Block, figure: str, by: str) -> Figure | None:
    """Draw a line for each explainer."""
    groups = {n: g for n, g in block.rows().items() if block.sample.has(g, figure) and block.sample.has(g, by)}
    found = {name: measure_coverage(block, group, figure, by) for name, group in groups.items()}
    found = {name: means for name, means in found.items() if all(map(has_mean, means))}
    if not found:
        return None
    drawn = make_figure(4.0)
    axes = drawn.subplots()
    looks = assign_looks(block, list(found))
    for name, means in found.items():
        draw_points(axes, np.array(PARTS), np.array([i[:3] for i in means]), looks[name])
    known = find_reading(block.task, figure)
    style_axes(axes, title=known.symbol + known.arrow, x=f"part of the rows, the surest first by {by}")
    axes.set_xticks(PARTS)
    add_explainers_legend(drawn, block, looks, lines=True)
    return drawn
