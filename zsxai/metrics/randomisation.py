"""Metrics of the task ``randomisation``: does the map change when the model no longer knows anything?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from zsxai.metrics import similarity
from zsxai.metrics.base import Array, Metric, RandomisedMaps
from zsxai.metrics.functional import Values, heard_rows

_EMPTY = "an empty map, or one that breaks, once the weights are random: read it beside the energy ratio"


class PairMetric(Metric[RandomisedMaps]):
    """A figure of two maps of one clip."""

    task: ClassVar[Literal["randomisation"]] = "randomisation"
    needs = ("maps", "randomised", "in_band")

    def compute(self, maps: Sequence[Array], randomised: Sequence[Array], in_band: Array) -> Values:
        """See :meth:`Metric.compute`."""
        pairs = zip(heard_rows(maps, in_band), heard_rows(randomised, in_band), strict=True)
        return np.array([self.of_pair(map_, other) for map_, other in pairs], dtype=np.float64)

    @abstractmethod
    def of_pair(self, *args: Any, **kwargs: Any) -> float:
        """The figure of the in-band rows of a map and of its randomised twin."""


class StructuralSimilarity(PairMetric):
    """SSIM of the map and the map of the randomised model, with the latter's range."""

    symbol, better, bounds = "SSIM", "lower", (-1.0, 1.0)
    reference = "Wang et al. 2004, as arXiv 2405.17615, figure 3, uses it; equal to scikit-image's"
    sensitive_to = "the range of the randomised map; large flat parts look alike"
    gamed_by = _EMPTY
    of_pair = staticmethod(similarity.ssim)


class RankCorrelation(PairMetric):
    """Spearman correlation of the map and the map of the randomised model."""

    symbol, better, bounds = "Spearman", "lower", (-1.0, 1.0)
    reference = "after Adebayo et al., arXiv 1810.03292"
    sensitive_to = "cells tied at 0, of which sparse masks have many"
    gamed_by = _EMPTY
    of_pair = staticmethod(similarity.spearman)


class EnergyRatio(PairMetric):
    """Sum of the randomised model's map over the sum of the model's: whether the other two compare anything at all."""

    symbol, better, bounds = "energy", "neither", (0.0, float("inf"))
    reference = "this project"
    sensitive_to = "the calibration of the mask: one that divides by the maximum hides an empty map"
    gamed_by = "nothing: it sets the other figures in context"
    of_pair = staticmethod(similarity.energy_ratio)
