"""Metrics of :class:`MaskedScores` that look at rankings: the best cells kept, or removed, at stated budgets.

They need no calibration, and at one budget all explainers keep the same: ``area`` the same number of cells (mask mean),
``energy`` the same part of the power. Metrics are written for budgets of area; :func:`_by_energy` makes their twins.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from zsxai.metrics.base import BudgetCurve, MaskedScores, Metric
from zsxai.metrics.curves import at_budget, deletion_auc, insertion_auc
from zsxai.metrics.functional import Values, average_drop, average_gain

_metric = partial(Metric, evidence=MaskedScores, needs=("p", "by_area"))

_LOUDNESS = "loudness: the loud cells often carry the class; compare with the loudness control"
_HOLES = "any hole that makes a clip unlike what the model knows; compare with the random and rolled controls"
_AREA_UNDER = "after RISE, arXiv 1806.07421; trapezoids over the budgets and both ends"
_UNMEASURED = "no budget is .25: nothing is interpolated"

_TWINS = {"of area": "of energy", "of the cells": "of the power", "mask mean": "kept energy"}
"""What is said of budgets of area, and of budgets of energy."""


def _by_energy(metric: Metric[MaskedScores]) -> Metric[MaskedScores]:
    def reworded(text: str) -> str:
        for area, energy in _TWINS.items():
            text = text.replace(area, energy)
        return text

    return replace(
        metric,
        name=f"{metric.name}-energy",
        symbol=f"{metric.symbol} E",
        summary=reworded(metric.summary),
        needs=tuple("by_energy" if field == "by_area" else field for field in metric.needs),
        formula=reworded(metric.formula),
        reference=reworded(metric.reference),
        sensitive_to="loud cells are expensive: a budget of energy keeps few of them, and many quiet ones",
        gamed_by="quietness: many quiet cells fit in a small budget; compare with the energy control",
    )


def _kept(curve: BudgetCurve) -> Values:
    return at_budget(curve.budgets, curve.p_kept, 0.25)


def _removed(curve: BudgetCurve) -> Values:
    return at_budget(curve.budgets, curve.p_removed, 0.25)


INSERTION_AUC = _metric(
    name="insertion-auc",
    symbol="ins",
    summary="Area under the probability as the best cells are put in, from nothing to the clip, by budgets of area.",
    better="higher",
    bounds=(0.0, 1.0),
    compute=lambda p, curve: insertion_auc(curve.budgets, curve.p_kept, curve.p_nothing, p),
    formula="trapezoids through `(0, p_nothing)`, `p_kept` at the budgets of area, `(1, p)`",
    reference=_AREA_UNDER,
    sensitive_to="the budgets, the floor that stands for nothing, how sure the model is of the clip",
    gamed_by=_LOUDNESS,
)

DELETION_AUC = _metric(
    name="deletion-auc",
    symbol="del",
    summary="Area under the probability as the best cells are taken out, from the clip to nothing, by budgets of area.",
    better="lower",
    bounds=(0.0, 1.0),
    compute=lambda p, curve: deletion_auc(curve.budgets, curve.p_removed, curve.p_nothing, p),
    formula="trapezoids through `(0, p)`, `p_removed` at the budgets of area, `(1, p_nothing)`",
    reference=_AREA_UNDER,
    sensitive_to="the budgets, the floor that stands for nothing, how sure the model is of the clip",
    gamed_by=_HOLES,
)

KEPT_AT_25 = _metric(
    name="kept-at-25",
    symbol="kept@25",
    summary="Probability with only the best cells kept, a quarter of the cells.",
    better="higher",
    bounds=(0.0, 1.0),
    needs=("by_area",),
    compute=_kept,
    formula="`p_kept` at the budget .25 of area",
    reference="this project: sufficiency at a matched mask mean",
    sensitive_to="the logit scale, the label set, how sure the model is of the clip",
    gamed_by=_LOUDNESS,
    invalid=_UNMEASURED,
)

REMOVED_AT_25 = _metric(
    name="removed-at-25",
    symbol="FF@25",
    summary="Probability lost when the best cells are removed, a quarter of the cells: FF at a matched mask mean.",
    better="higher",
    bounds=(-1.0, 1.0),
    compute=lambda p, curve: p - _removed(curve),
    formula="`p - p_removed` at the budget .25 of area",
    reference="this project: arXiv 2405.17615, eq. 10, at a matched mask mean",
    sensitive_to="the logit scale, the label set, how sure the model is of the clip",
    gamed_by=_HOLES,
    invalid=_UNMEASURED,
)

DROP_AT_25 = _metric(
    name="drop-at-25",
    symbol="AD@25",
    summary="Relative loss of probability with only the best cells kept, a quarter of the cells, in percent.",
    better="lower",
    bounds=(0.0, 100.0),
    compute=lambda p, curve: average_drop(p, _kept(curve)),
    formula="`100 max(0, p - p_kept) / p` at the budget .25 of area",
    reference="this project: arXiv 2405.17615, eq. 12, at a matched mask mean",
    sensitive_to="the logit scale, the label set",
    gamed_by=_LOUDNESS,
    invalid=f"p is 0, or {_UNMEASURED}",
)

GAIN_AT_25 = _metric(
    name="gain-at-25",
    symbol="AG@25",
    summary="Part of the missing probability gained with only the best cells kept, a quarter of the cells, in percent.",
    better="higher",
    bounds=(0.0, 100.0),
    compute=lambda p, curve: average_gain(p, _kept(curve)),
    formula="`100 max(0, p_kept - p) / (1 - p)` at the budget .25 of area",
    reference="this project: arXiv 2405.17615, eq. 13, at a matched mask mean",
    sensitive_to="how sure the model is: near certainty it divides a little by a little",
    gamed_by="rankings optimised on the score itself",
    invalid=f"p is 1, or {_UNMEASURED}",
)

INSERTION_AUC_ENERGY = _by_energy(INSERTION_AUC)
DELETION_AUC_ENERGY = _by_energy(DELETION_AUC)
KEPT_AT_25_ENERGY = _by_energy(KEPT_AT_25)
REMOVED_AT_25_ENERGY = _by_energy(REMOVED_AT_25)
DROP_AT_25_ENERGY = _by_energy(DROP_AT_25)
GAIN_AT_25_ENERGY = _by_energy(GAIN_AT_25)
