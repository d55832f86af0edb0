"""Metrics of the task ``two-sounds``: does the map find the sound that was asked for?

A map that is blind to the prompt scores, in the mean over both prompts of a mixture, exactly one half (AUC, pointing,
specificity) or 0 (the others), whatever it shows; that is what makes these figures hard to game.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from zsxai.metrics import localisation
from zsxai.metrics.base import Array, Metric, MixtureMaps
from zsxai.metrics.functional import Values
from zsxai.metrics.localisation import ideal_binary_mask, ideal_ratio_mask, roc_auc
from zsxai.metrics.separation import si_sdr

_SNR = "the level of one sound over the other, and how much they overlap"
_HEARD = "whether the model hears both sounds at all: a faithful map of one that does not need not find the other"


class CellMetric(Metric[MixtureMaps]):
    """A figure of the cells that count: :meth:`of_cells` gets the fields in ``needs`` but the first, ``cells``."""

    task: ClassVar[Literal["two-sounds"]] = "two-sounds"

    def compute(self, cells: Sequence[Array], *fields: Sequence[Array]) -> Values:
        """See :meth:`Metric.compute`."""
        rows = zip(cells, *fields, strict=True)
        return np.array([self.of_cells(*_inside(inside, maps)) for inside, *maps in rows], dtype=np.float64)

    @abstractmethod
    def of_cells(self, *args: Any, **kwargs: Any) -> float:
        """The figure of one row, from flat arrays ``(n,)``."""


def _inside(cells: Array, maps: Sequence[Array]) -> list[Array]:
    at = np.flatnonzero(cells)  # once for all maps: several times faster than a mask for each
    return [m.reshape(-1)[at] for m in maps]


class WeightedAUC(CellMetric):
    """Area under the ROC curve of the relevance against the ideal binary mask, weighted by the mixture's magnitude."""

    symbol, better, bounds = "wAUC", "higher", (0.0, 1.0)
    reference = "this project, after explain_where (arXiv 2506.04391)"
    sensitive_to = f"the resolution of the map: compare with the oracle of the same resolution; {_HEARD}"
    gamed_by = "separating the sounds without the model; knowing which cells each class is apt to fill"
    needs = ("cells", "relevance", "target", "other", "mixture")

    def of_cells(self, relevance: Array, target: Array, other: Array, mixture: Array) -> float:
        """See :meth:`CellMetric.of_cells`."""
        return roc_auc(relevance, ideal_binary_mask(target, other), np.sqrt(mixture, dtype=np.float64))


class AUC(CellMetric):
    """Area under the ROC curve of the relevance against the ideal binary mask, every cell alike."""

    symbol, better, bounds = "AUC", "higher", (0.0, 1.0)
    reference = "this project, after explain_where (arXiv 2506.04391)"
    sensitive_to = "how quiet a cell still counts: there are many faint cells; besides, what changes the weighted AUC"
    gamed_by = "separating the sounds without the model; knowing which cells each class is apt to fill"
    needs = ("cells", "relevance", "target", "other")

    def of_cells(self, relevance: Array, target: Array, other: Array) -> float:
        """See :meth:`CellMetric.of_cells`."""
        return roc_auc(relevance, ideal_binary_mask(target, other))


class ContrastiveAUC(CellMetric):
    """Weighted AUC of the mask for this prompt less the mask for the other one."""

    symbol, better, bounds = "cAUC", "higher", (0.0, 1.0)
    reference = "this project"
    sensitive_to = f"the calibration of the masks; the resolution of the map; {_HEARD}"
    gamed_by = "separating the sounds without the model; knowing which cells each class is apt to fill"
    needs = ("cells", "masks", "masks_other", "target", "other", "mixture")

    def of_cells(self, mask: Array, mask_other: Array, target: Array, other: Array, mixture: Array) -> float:
        """See :meth:`CellMetric.of_cells`."""
        contrast = np.subtract(mask, mask_other, dtype=np.float64)
        return roc_auc(contrast, ideal_binary_mask(target, other), np.sqrt(mixture, dtype=np.float64))


class DeltaEnergy(CellMetric):
    """The wanted sound's part of the power under the mask, less its part of all power."""

    symbol, better, bounds = "dE", "higher", (-1.0, 1.0)
    reference = "this project, after the energy-based pointing game (Wang et al., arXiv 1910.01279)"
    sensitive_to = f"{_SNR}; a few loud cells decide"
    gamed_by = "a mask of the one cell that is surest: nothing asks how much of the sound it finds"
    needs = ("cells", "masks", "target", "other")
    of_cells = staticmethod(localisation.delta_energy)


class Pointing(CellMetric):
    """Whether the cell where mask times magnitude is greatest belongs to the wanted sound; tied cells share it."""

    symbol, better, bounds = "point", "higher", (0.0, 1.0)
    reference = "after the pointing game, Zhang et al., arXiv 1608.00507"
    sensitive_to = f"{_SNR}; one cell decides"
    gamed_by = "a mask of the one cell that is surest: nothing asks how much of the sound it finds"
    needs = ("cells", "masks", "target", "other", "mixture")

    def of_cells(self, mask: Array, target: Array, other: Array, mixture: Array) -> float:
        """See :meth:`CellMetric.of_cells`."""
        return localisation.pointing(mask, mixture, ideal_binary_mask(target, other))


class Correlation(CellMetric):
    """Pearson correlation of the mask with the ideal ratio mask; 0 for a constant mask."""

    symbol, better, bounds = "rho", "higher", (-1.0, 1.0)
    reference = "this project"
    sensitive_to = "the calibration of the mask; how quiet a cell still counts; the resolution of the map"
    gamed_by = "separating the sounds without the model; knowing which cells each class is apt to fill"
    needs = ("cells", "masks", "target", "other")

    def of_cells(self, mask: Array, target: Array, other: Array) -> float:
        """See :meth:`CellMetric.of_cells`."""
        return localisation.correlation(mask, ideal_ratio_mask(target, other))


class PromptSpecificity(CellMetric):
    """Whether the mask for this prompt fits its sound better than the mask for the other prompt does; a tie is .5."""

    symbol, better, bounds = "spec", "higher", (0.0, 1.0)
    reference = "this project"
    sensitive_to = "nothing but the order of two correlations: a difference of any size counts as a large one"
    gamed_by = "separating the sounds without the model; knowing which cells each class is apt to fill"
    needs = ("cells", "masks", "masks_other", "target", "other")

    def of_cells(self, mask: Array, mask_other: Array, target: Array, other: Array) -> float:
        """See :meth:`CellMetric.of_cells`."""
        truth = ideal_ratio_mask(target, other)
        own, foreign = localisation.correlation(mask, truth), localisation.correlation(mask_other, truth)
        # A NaN times anything stays one.
        return 0.5 + 0.5 * float(np.sign(own - foreign))


class MaskDifference(CellMetric):
    """Mean absolute difference of the masks for both prompts: 0 where the explainer is blind to the prompt."""

    symbol, better, bounds = "|dM|", "neither", (0.0, 1.0)
    reference = "this project"
    sensitive_to = "the calibration and the size of the masks"
    gamed_by = "masks drawn at random for every prompt: it says that masks differ, not that they are right"
    needs = ("cells", "masks", "masks_other")

    def of_cells(self, mask: Array, mask_other: Array) -> float:
        """See :meth:`CellMetric.of_cells`."""
        differences = np.abs(np.subtract(mask, mask_other, dtype=np.float64))
        return float(differences.mean()) if differences.size else float("nan")


class SISDRImprovement(Metric[MixtureMaps]):
    """SI-SDR of the rendered explanation less that of the mixture, against the wanted sound, in dB."""

    task: ClassVar[Literal["two-sounds"]] = "two-sounds"
    symbol, better, bounds = "SI-SDRi", "higher", (float("-inf"), float("inf"))
    reference = "Le Roux et al., arXiv 1811.02508, means kept"
    sensitive_to = "the resolution and the calibration of the mask; it rewards caution: ones give 0 dB, noise less"
    gamed_by = "a mask near ones never loses; separating the sounds without the model"
    needs = ("estimate", "sound", "heard")

    def compute(self, estimate: Sequence[Array], sound: Sequence[Array], heard: Sequence[Array]) -> Values:
        """See :meth:`Metric.compute`."""
        rows = zip(estimate, sound, heard, strict=True)
        return np.array([si_sdr(e, s) - si_sdr(h, s) for e, s, h in rows], dtype=np.float64)
