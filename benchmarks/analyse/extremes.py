"""The clips on which the best explainer did best and worst."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.analyse.blocks import Block, find_blocks
from zsxai.benchmarks.analyse.bootstrap import has_mean
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.run.figures import split_figure

if TYPE_CHECKING:
    from pandas import DataFrame

    from zsxai.benchmarks.analyse.result import Result

EACH = 2
"""Best clips, and as many worst."""


@dataclass(frozen=True, eq=False)
class Extremes:
    """The clips on which one explainer did best and worst, in one block.

    Attributes:
        block: Where.
        explainer: Label.
        calibration: Calibration of its masks.
        best: Rows, the best first.
        worst: Rows, the worst first.
    """

    block: Block
    explainer: str
    calibration: str
    best: DataFrame
    worst: DataFrame


def choose_extremes(result: Result) -> Extremes | None:
    """Choose clips of the best explainer in the headline's first setting, by the headline's figure."""
    headline = result.suite.headline
    for block in find_blocks(result, headline.task, seed=result.suite.seeds[0]):
        better = find_reading(headline.task, headline.metric).better
        sign = -1.0 if better == "lower" else 1.0
        means: dict[str, float] = {}
        groups = block.rows(stratum=headline.stratum)
        for name, group in groups.items():
            found = block.interval(group, headline.metric)
            if not block.is_control(name) and has_mean(found):
                means[name] = sign * found.mean
        if means:
            name = max(means, key=lambda n: means[n])
            group = groups[name].assign(_order=sign * _find_margins(block, groups[name], headline.metric))
            base = split_figure(headline.metric)[1]
            group["_ahead"] = group["_order"] * (-1.0 if find_reading(headline.task, base).better == "lower" else 1.0)
            ranked = group[np.isfinite(group["_order"])].sort_values(["_order", "item", "prompt"], ascending=False)
            count = min(EACH, len(ranked) // 2) or min(1, len(ranked))
            worst = ranked[::-1].head(count) if len(ranked) > 1 else ranked.iloc[:0]
            return Extremes(block, group["explainer"].iloc[0], group["calibration"].iloc[0], ranked.head(count), worst)
    return None


def _find_margins(block: Block, group: DataFrame, metric: str) -> NDArray[Any]:
    """Take the figure itself; for wins, of which many are ties, by how much."""
    control, base = split_figure(metric)
    if not control:
        return block.sample.values(group, [metric])[:, 0]
    other = block.rows(control)
    name = next(n for n, g in other.items() if g["explainer"].iloc[0] == group["explainer"].iloc[0])
    theirs = other[name].set_index("unit")[base].reindex(group["unit"]).to_numpy(dtype=np.float64)
    sign = -1.0 if find_reading(block.task, base).better == "lower" else 1.0
    found: NDArray[Any] = sign * (group[base].to_numpy(dtype=np.float64) - theirs)
    return found
