"""Metrics by name, and of a lone explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zsxai.errors import InputError
from zsxai.metrics.base import MaskedScores, Metric
from zsxai.registry import METRICS

if TYPE_CHECKING:
    from zsxai.explanation import Explanation


def load_metric(name: str) -> Metric[Any]:
    """A metric by its registered name.

    Raises:
        InputError: If there is none of that name, or what is registered under it is no metric of that name.
    """
    metric = METRICS.get(name)
    if not isinstance(metric, Metric):
        raise InputError(
            f"{name!r} is no metric: write zsxai.metrics.Metric(name={name!r}, ..., compute=...), no class"
        )
    if metric.name != name:
        raise InputError(f"the metric {name!r} calls itself {metric.name!r}: register it under its own name")
    return metric


def metrics_of(evidence: type[Any]) -> dict[str, Metric[Any]]:
    """All registered metrics that read one type of evidence, by name, in alphabetical order.

    Args:
        evidence: Such as :class:`MaskedScores`; a subclass of it is read by the same metrics.

    Raises:
        InputError: If a registered metric does not load, or none reads that type.
    """
    loaded = {name: load_metric(name) for name in METRICS.names()}
    metrics = {name: metric for name, metric in loaded.items() if issubclass(evidence, metric.evidence)}
    if not metrics:
        known = sorted({metric.evidence.__name__ for metric in loaded.values()})
        raise InputError(f"no metric reads {evidence.__name__}: they read {', '.join(known)}")
    return metrics


def of(explanation: Explanation) -> MaskedScores:
    """The evidence of one explanation, one row, for metrics that read :class:`MaskedScores`.

    Its scores are probabilities where it explains one (``explain(..., among=[...])``); metrics that need them say so
    otherwise, those of the mask work for all. Scores of several windows are pooled as the explanation says.

    Example:
        ``load_metric("average-drop")(of(explanation))`` is an array of one.
    """
    scores: dict[str, Any] = {}
    if explanation.unit == "probability":
        fields = {"p": "score", "p_in": "score_in", "p_out": "score_out", "p_heard": "score_heard"}
        scores = {name: np.array([getattr(explanation, field)]) for name, field in fields.items()}
    return MaskedScores(
        **scores,
        masks=(explanation.mask,),
        in_band=explanation.grid.in_band,
        kept_energy=np.array([explanation.kept_energy]),
        audibility=np.array([explanation.audibility]),
    )
