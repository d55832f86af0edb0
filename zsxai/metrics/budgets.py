"""Metrics of the task ``faithfulness`` that look at rankings: the best cells kept, or removed, at stated budgets.

They need no calibration, and at one budget all explainers keep the same: ``area`` the same number of cells (mask mean),
``energy`` the same part of the power.
"""

from __future__ import annotations

from typing import ClassVar

from zsxai.metrics.base import Array, BudgetCurve, MaskedScores, Metric
from zsxai.metrics.curves import at_budget, deletion_auc, insertion_auc
from zsxai.metrics.functional import Values, average_drop, average_gain

_BY_ENERGY = "loud cells are expensive: a budget of energy keeps few of them, and many quiet ones"


class InsertionAUC(Metric[MaskedScores]):
    """Area under the probability while the best cells are put in, from nothing to the clip."""

    symbol, better, bounds = "ins", "higher", (0.0, 1.0)
    reference = "after RISE, arXiv 1806.07421; trapezoids over the budgets and both ends"
    sensitive_to = "the budgets, the floor that stands for nothing, how sure the model is of the clip"
    gamed_by = "loudness: the loud cells often carry the class; compare with the loudness control"
    needs = ("p", "by_area")

    def compute(self, p: Array, curve: BudgetCurve) -> Values:
        """See :meth:`Metric.compute`."""
        return insertion_auc(curve.budgets, curve.p_kept, curve.p_nothing, p)


class DeletionAUC(Metric[MaskedScores]):
    """Area under the probability while the best cells are taken out, from the clip to nothing."""

    symbol, better, bounds = "del", "lower", (0.0, 1.0)
    reference = "after RISE, arXiv 1806.07421; trapezoids over the budgets and both ends"
    sensitive_to = "the budgets, the floor that stands for nothing, how sure the model is of the clip"
    gamed_by = "any hole that makes a clip unlike what the model knows; compare with the random and rolled controls"
    needs = ("p", "by_area")

    def compute(self, p: Array, curve: BudgetCurve) -> Values:
        """See :meth:`Metric.compute`."""
        return deletion_auc(curve.budgets, curve.p_removed, curve.p_nothing, p)


class InsertionAUCEnergy(InsertionAUC):
    """Insertion over budgets of energy."""

    symbol = "ins E"
    sensitive_to = _BY_ENERGY
    gamed_by = "quietness: many quiet cells fit in a small budget; compare with the energy control"
    needs = ("p", "by_energy")


class DeletionAUCEnergy(DeletionAUC):
    """Deletion over budgets of energy."""

    symbol = "del E"
    sensitive_to = _BY_ENERGY
    gamed_by = "quietness: many quiet cells fit in a small budget; compare with the energy control"
    needs = ("p", "by_energy")


class KeptAt25(Metric[MaskedScores]):
    """Probability with only the best quarter of the cells kept."""

    symbol, better, bounds = "kept@25", "higher", (0.0, 1.0)
    reference = "this project: sufficiency at a matched mask mean"
    sensitive_to = "the logit scale, the label set, how sure the model is of the clip"
    gamed_by = "loudness: the loud cells often carry the class; compare with the loudness control"
    needs = ("by_area",)
    budget: ClassVar[float] = 0.25

    def compute(self, curve: BudgetCurve) -> Values:
        """See :meth:`Metric.compute`."""
        return at_budget(curve.budgets, curve.p_kept, self.budget)


class RemovedAt25(Metric[MaskedScores]):
    """Probability lost when the best quarter of the cells is removed: FF at a matched mask mean."""

    symbol, better, bounds = "FF@25", "higher", (-1.0, 1.0)
    reference = "this project: arXiv 2405.17615, eq. 10, at a matched mask mean"
    sensitive_to = "the logit scale, the label set, how sure the model is of the clip"
    gamed_by = "any hole that makes a clip unlike what the model knows; compare with the random and rolled controls"
    needs = ("p", "by_area")
    budget: ClassVar[float] = 0.25

    def compute(self, p: Array, curve: BudgetCurve) -> Values:
        """See :meth:`Metric.compute`."""
        return p - at_budget(curve.budgets, curve.p_removed, self.budget)


class DropAt25(Metric[MaskedScores]):
    """AD at a matched mask mean: relative loss of probability with only the best quarter of the cells kept, percent."""

    symbol, better, bounds = "AD@25", "lower", (0.0, 100.0)
    reference = "this project: arXiv 2405.17615, eq. 12, at a matched mask mean"
    sensitive_to = "the logit scale, the label set"
    gamed_by = "loudness: the loud cells often carry the class; compare with the loudness control"
    needs = ("p", "by_area")
    budget: ClassVar[float] = 0.25

    def compute(self, p: Array, curve: BudgetCurve) -> Values:
        """See :meth:`Metric.compute`."""
        return average_drop(p, at_budget(curve.budgets, curve.p_kept, self.budget))


class GainAt25(Metric[MaskedScores]):
    """AG at a matched mask mean: part of the missing probability gained with only the best quarter kept, percent."""

    symbol, better, bounds = "AG@25", "higher", (0.0, 100.0)
    reference = "this project: arXiv 2405.17615, eq. 13, at a matched mask mean"
    sensitive_to = "how sure the model is: near certainty it divides a little by a little"
    gamed_by = "rankings optimised on the score itself"
    needs = ("p", "by_area")
    budget: ClassVar[float] = 0.25

    def compute(self, p: Array, curve: BudgetCurve) -> Values:
        """See :meth:`Metric.compute`."""
        return average_gain(p, at_budget(curve.budgets, curve.p_kept, self.budget))


class DropAt25Energy(DropAt25):
    """Relative loss of probability with only the best cells kept that hold a quarter of the power, in percent."""

    symbol = "AD@25 E"
    reference = "this project: arXiv 2405.17615, eq. 12, at a matched kept energy"
    sensitive_to = _BY_ENERGY
    gamed_by = "quietness: many quiet cells fit in a small budget; compare with the energy control"
    needs = ("p", "by_energy")


class GainAt25Energy(GainAt25):
    """Part of the missing probability gained with only the best cells kept that hold a quarter of the power."""

    symbol = "AG@25 E"
    reference = "this project: arXiv 2405.17615, eq. 13, at a matched kept energy"
    sensitive_to = _BY_ENERGY
    gamed_by = "quietness: many quiet cells fit in a small budget; compare with the energy control"
    needs = ("p", "by_energy")


class KeptAt25Energy(KeptAt25):
    """Probability with only the best cells kept that hold a quarter of the power."""

    symbol = "kept@25 E"
    reference = "this project: sufficiency at a matched kept energy"
    sensitive_to = _BY_ENERGY
    gamed_by = "quietness: many quiet cells fit in a small budget; compare with the energy control"
    needs = ("by_energy",)


class RemovedAt25Energy(RemovedAt25):
    """Probability lost when the best cells that hold a quarter of the power are removed: FF at a matched energy."""

    symbol = "FF@25 E"
    reference = "this project: arXiv 2405.17615, eq. 10, at a matched kept energy"
    sensitive_to = _BY_ENERGY
    gamed_by = "quietness: many quiet cells fit in a small budget; compare with the energy control"
    needs = ("p", "by_energy")
