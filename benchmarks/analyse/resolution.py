"""The resolution table: how far explainers get from a mask that says nothing to the oracle of their own resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.analyse.bootstrap import Interval, find_bounds
from zsxai.benchmarks.analyse.reading import find_reading
from zsxai.benchmarks.analyse.sample import Sample

if TYPE_CHECKING:
    from pandas import DataFrame

FLOOR, CEILING = "constant", "oracle"


@dataclass(frozen=True)
class Resolution:
    """How far explainers get from a mask that says nothing to the oracle of their own resolution.

    Attributes:
        floor: Label of the blind control that is 0; empty where none ran.
        shares: By explainer, calibration and figure.
    """

    floor: str
    shares: dict[tuple[str, str, str], Interval]


def measure_resolution(
    sample: Sample, domain: str, scale: str, metrics: Sequence[str], controls: Sequence[str] = (FLOOR,)
) -> Resolution:
    """Compute ``(own - floor) / (oracle - floor)`` of means over the same mixtures, with 95 % intervals.

    The floor is a blind control measured in the same run, at the same calibration where it has that: the one labelled
    ``constant``, else the first of the others. Where none was measured it is what blind maps score by construction;
    where that is not known, the share is NaN.

    Args:
        sample: Setting.
        domain: Domain of masks.
        scale: Scale of masks.
        metrics: Figures; those where neither way is better are left out.
        controls: Labels of blind controls.

    Returns:
        Shares of every explainer and calibration that has an oracle.
    """

    def group(variant: str) -> dict[str, dict[str, DataFrame]]:
        rows = sample.select(variant)
        return sample.group_by_explainer(rows[(rows["domain"] == domain) & (rows["scale"] == scale)])

    # An oracle is no explainer's map, so it has one calibration, its own.
    own, oracles = group("own"), {name: next(iter(of.values())) for name, of in group(CEILING).items()}
    floor = next((name for name in sorted(controls, key=lambda name: name != FLOOR) if name in own), "")
    shares: dict[tuple[str, str, str], Interval] = {}
    for metric in metrics:
        if find_reading(sample.task, metric).better == "neither":
            continue
        for name, best in oracles.items():
            for calibration, rows in own.get(name, {}).items():
                if sample.has(rows, metric) and sample.has(best, metric):
                    blind = own[floor].get(calibration, next(iter(own[floor].values()))) if floor else None
                    values = _align(sample, (rows, blind, best), metric)
                    shares[name, calibration, metric] = _estimate_share(sample, values, len(rows))
    return Resolution(floor, shares)


def _align(sample: Sample, groups: Sequence[DataFrame | None], metric: str) -> NDArray[Any]:
    """Align own masks, floor and oracle as ``(B, 3)`` of all units, NaN where any of them is invalid."""
    values = np.full((len(sample.resampling), 3), np.nan)
    for k, group in enumerate(groups):
        if group is not None and sample.has(group, metric):
            values[group["unit"].to_numpy(), k] = sample.values(group, [metric])[:, 0]
        else:
            chance = find_reading(sample.task, metric).chance
            values[:, k] = np.nan if chance is None else chance
    values[~np.isfinite(values).all(axis=1)] = np.nan
    return values


def _estimate_share(sample: Sample, values: NDArray[Any], n: int) -> Interval:
    means = np.array([[i.mean for i in sample.resampling.intervals(values)]])
    (share,), drawn = _divide(means), _divide(sample.resampling.means(values))
    low, high = find_bounds(drawn[:, None])
    return Interval(float(share), float(low[0]), float(high[0]), n, n - int(np.isfinite(values[:, 0]).sum()))


def _divide(means: NDArray[Any]) -> NDArray[Any]:
    """``(draws, 3)`` to shares ``(draws,)``; NaN where the oracle is not above the floor."""
    own, floor, best = means.T
    shares: NDArray[Any] = np.full(len(means), np.nan)
    np.divide(own - floor, best - floor, out=shares, where=best - floor > 1e-9)
    return shares
