"""Metrics of :class:`RandomisedMaps`: does the map change when the model no longer knows anything?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from zsxai.metrics.base import Array, Metric, RandomisedMaps
from zsxai.metrics.functional import Values, heard_rows
from zsxai.metrics.similarity import energy_ratio, spearman, ssim

_metric = partial(
    Metric,
    evidence=RandomisedMaps,
    needs=("maps", "randomised", "in_band"),
    gamed_by="an empty map, or one that breaks, once the weights are random: read it beside the energy ratio",
)


def _by_pair(
    figure: Callable[[Array, Array], float], maps: Sequence[Array], randomised: Sequence[Array], in_band: Array
) -> Values:
    pairs = zip(heard_rows(maps, in_band), heard_rows(randomised, in_band), strict=True)
    return np.array([figure(*pair) for pair in pairs], dtype=np.float64)


SSIM = _metric(
    name="ssim",
    symbol="SSIM",
    summary="SSIM of the map and the map of the randomised model, with the latter's range.",
    better="lower",
    bounds=(-1.0, 1.0),
    compute=partial(_by_pair, ssim),
    formula="mean over windows of 7 x 7 of `(2 m m' + c1) (2 cov + c2) / ((m^2 + m'^2 + c1) (v + v' + c2))`, "
    "`c = (.01 L)^2, (.03 L)^2`, L range of the randomised map, in the band",
    reference="Wang et al. 2004, as arXiv 2405.17615, figure 3, uses it; equal to scikit-image's",
    sensitive_to="the range of the randomised map; large flat parts look alike",
    invalid="either map is constant, or a side is shorter than 7 cells",
)

RANK_CORRELATION = _metric(
    name="rank-correlation",
    symbol="Spearman",
    summary="Spearman correlation of the map and the map of the randomised model.",
    better="lower",
    bounds=(-1.0, 1.0),
    compute=partial(_by_pair, spearman),
    formula="Spearman of both maps' cells in the band",
    reference="after Adebayo et al., arXiv 1810.03292",
    sensitive_to="cells tied at 0, of which sparse masks have many",
    invalid="either map is constant",
)

ENERGY_RATIO = _metric(
    name="energy-ratio",
    symbol="energy",
    summary="Sum of the randomised model's map over the sum of the model's: whether the other two compare anything "
    "at all.",
    better="neither",
    bounds=(0.0, float("inf")),
    compute=partial(_by_pair, energy_ratio),
    formula="`sum of the randomised map / sum of the map`, in the band",
    reference="this project",
    sensitive_to="the calibration of the mask: one that divides by the maximum hides an empty map",
    gamed_by="nothing: it sets the other figures in context",
    invalid="the map is empty",
)
