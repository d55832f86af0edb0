"""Curves: probability along a budget, likeness along a cascade."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.analyse.blocks import Block
from zsxai.benchmarks.analyse.bootstrap import has_mean
from zsxai.benchmarks.analyse.plots.theme import Look, add_explainers_legend, assign_looks, make_figure, style_axes
from zsxai.benchmarks.analyse.reading import find_reading, list_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

CURVES = (
    ("area:kept", "Best cells kept", "part of the cells"),
    ("area:removed", "Best cells removed", "part of the cells"),
    ("energy:kept", "Best cells kept, matched energy", "part of the energy"),
    ("energy:removed", "Best cells removed, matched energy", "part of the energy"),
)


def draw_budgets(block: Block) -> Figure | None:
    """Draw the explained class's probability as the best cells are kept, or removed, at matched area and energy."""
    groups = block.rows()
    shown = [c for c in CURVES if c[0] in block.sample.rows and any(_is_curve(g[c[0]]) for g in groups.values())]
    if not shown:
        return None
    figure = make_figure(3.0 * -(-len(shown) // 2) + 0.9)
    panels = figure.subplots(-(-len(shown) // 2), 2, squeeze=False, sharey=True).ravel().tolist()
    looks = assign_looks(block, list(groups))
    for axes, (name, title, x) in zip(panels, shown, strict=False):
        for explainer, group in groups.items():
            at, values = _find_curve(block, group, name)
            if len(at):
                _draw_line(axes, block, group, at, values, looks[explainer])
        style_axes(axes, title=title, x=x, y="probability" if axes in panels[::2] else "")
        axes.set_xlim(0, 1)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    add_explainers_legend(figure, block, looks, lines=True)
    return figure


def _is_curve(values: Any) -> bool:
    return any(isinstance(v, (list, tuple)) for v in values)


def _find_curve(block: Block, group: DataFrame, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find budgets with both ends, and ``(B, K)`` probabilities; rows without a curve are NaN."""
    given = group[name].tolist()
    sizes = {len(v) for v in given if isinstance(v, (list, tuple))}
    named = [getattr(t, "budgets", ()) for t in block.result.suite.tasks if t.kind == block.task]
    at = next((budgets for budgets in named if {len(budgets)} == sizes), None)
    if at is None:
        return np.empty(0), np.empty((len(group), 0))
    middle = np.array([v if isinstance(v, (list, tuple)) else [np.nan] * len(at) for v in given], dtype=np.float64)
    ends = [
        group[n].to_numpy(dtype=np.float64) if n in group else np.full(len(group), np.nan) for n in ("p_nothing", "p")
    ]
    start, stop = ends if name.endswith("kept") else reversed(ends)
    return np.array([0.0, *at, 1.0]), np.column_stack([start, middle, stop])


def draw_cascades(block: Block) -> Figure | None:
    """Draw the likeness of the maps of a model and of the model randomised step by step, a row of panels per tower."""
    cascades = _find_cascades(block.variants)
    metrics = [m for m in list_metrics(block.task) if m in block.sample.rows]
    if not cascades or not metrics:
        return None
    figure = make_figure(2.7 * len(cascades) + 0.9)
    panels = figure.subplots(len(cascades), len(metrics), squeeze=False)
    by_level = {v: block.rows(v) for levels in cascades.values() for v in levels.values()}
    names = list(dict.fromkeys(n for groups in by_level.values() for n in groups))
    looks = assign_looks(block, names)
    for line, (tower, levels) in zip(panels, cascades.items(), strict=True):
        for axes, metric in zip(line, metrics, strict=True):
            for name in names:
                found = [(k, block.interval(g[name], metric)) for k, v in levels.items() if name in (g := by_level[v])]
                points = [(k, i) for k, i in found if has_mean(i)]
                if points:
                    at = np.array([k for k, _ in points])
                    values = np.array([i[:3] for _, i in points])
                    draw_points(axes, at, values, looks[name])
            known = find_reading(block.task, metric)
            style_axes(axes, title=f"{tower}: {known.symbol}{known.arrow}", x="steps randomised")
            axes.set_xticks(list(levels))
    add_explainers_legend(figure, block, looks, lines=True)
    return figure


def _find_cascades(variants: Sequence[str]) -> dict[str, dict[int, str]]:
    """Find variants such as ``audio 2/4``, by tower and level; others are no levels."""
    found: dict[str, dict[int, str]] = {}
    for variant in variants:
        parts = re.fullmatch(r"(.+) (\d+)/\d+", variant)
        if parts:
            found.setdefault(parts[1], {})[int(parts[2])] = variant
    return {tower: dict(sorted(levels.items())) for tower, levels in found.items()}


def _draw_line(axes: Axes, block: Block, group: DataFrame, at: NDArray[Any], values: NDArray[Any], look: Look) -> None:
    found = block.sample.resampling.intervals(values, group["unit"].to_numpy())
    draw_points(axes, at, np.array([i[:3] for i in found]), look)


def draw_points(axes: Axes, at: NDArray[Any], values: NDArray[Any], look: Look) -> None:
    """Draw a line through means, ``(K, 3)`` with both bounds of their intervals, which are shaded."""
    mean, low, high = values.T
    axes.fill_between(at, low, high, color=look.colour, alpha=0.10, linewidth=0)
    point = {**look.point, "markersize": 4.5}
    axes.plot(at, mean, linestyle=look.line, linewidth=1.6, **point)
