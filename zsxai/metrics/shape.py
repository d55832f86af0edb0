"""Metrics of the task ``faithfulness`` that look at the mask alone: its size, its energy, how it is spread."""

from __future__ import annotations

import numpy as np

from zsxai.metrics import functional, masks
from zsxai.metrics.base import Array, MaskedScores, Metric
from zsxai.metrics.functional import Values


class MaskMean(Metric[MaskedScores]):
    """Mean of the mask over the cells that the model hears."""

    symbol, better, bounds = "MM", "neither", (0.0, 1.0)
    reference = "arXiv 2405.17615, section 4"
    sensitive_to = "the calibration of the mask"
    gamed_by = "nothing: it sets the other figures in context"
    needs = ("masks", "in_band")
    compute = staticmethod(functional.mask_mean)


class KeptEnergy(Metric[MaskedScores]):
    """Part of the in-band power that the explanation keeps."""

    symbol, better, bounds = "KE", "neither", (0.0, 1.0)
    reference = "this project"
    sensitive_to = "the calibration and the scale of the mask; one loud cell can be all of the power"
    gamed_by = "nothing: it sets the other figures in context"
    needs = ("kept_energy",)

    def compute(self, kept_energy: Array) -> Values:
        """See :meth:`Metric.compute`."""
        return np.asarray(kept_energy, dtype=np.float64)


class Sparseness(Metric[MaskedScores]):
    """Gini index of the mask over the cells that the model hears."""

    symbol, better, bounds = "SPS", "higher", (0.0, 1.0)
    reference = "Chalasani et al., arXiv 1810.06583; equal to Quantus's Sparseness"
    sensitive_to = "the calibration of the mask: the same ranks score anything"
    gamed_by = "any mask of a single cell, wherever it is"
    needs = ("masks", "in_band")
    compute = staticmethod(masks.sparseness)


class Complexity(Metric[MaskedScores]):
    """Entropy of the mask over the cells that the model hears, in nats."""

    symbol, better, bounds = "COMP", "lower", (0.0, float("inf"))
    reference = "Bhatt et al., arXiv 2005.00631; equal to Quantus's Complexity"
    sensitive_to = "the number of cells n, whose log n bounds it: never compare it across resolutions, lengths or bands"
    gamed_by = "any mask of a single cell, wherever it is"
    needs = ("masks", "in_band")
    compute = staticmethod(masks.complexity)
