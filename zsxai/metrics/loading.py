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
        InputError: If there is none of that name, or what is registered under it is no metric.
    """
    plugin = METRICS.get(name)
    if isinstance(plugin, Metric):
        return plugin
    if not (isinstance(plugin, type) and issubclass(plugin, Metric)):
        raise InputError(f"{name!r} is no metric: subclass zsxai.metrics.Metric and write compute()")
    wanted = ("symbol", "better", "bounds", "reference", "gamed_by", "needs")
    lacking = [attribute for attribute in wanted if not hasattr(plugin, attribute)]
    lacking += [f"{method}()" for method in sorted(plugin.__abstractmethods__)]
    if lacking:
        raise InputError(f"the metric {name!r} lacks {', '.join(lacking)}: give {plugin.__name__} all of them")
    return plugin()


def metrics_of(task: str) -> dict[str, Metric[Any]]:
    """All registered metrics of a task, by name, in alphabetical order.

    Args:
        task: ``faithfulness``, ``two-sounds``, ``prompts`` or ``randomisation``.

    Raises:
        InputError: If a registered metric does not load, or none is of that task.
    """
    loaded = {name: load_metric(name) for name in METRICS.names()}
    found = {name: metric for name, metric in loaded.items() if metric.task == task}
    if not found:
        raise InputError(f"no metric is of the task {task!r}: {', '.join(sorted({m.task for m in loaded.values()}))}")
    return found


def of(explanation: Explanation) -> MaskedScores:
    """The evidence of one explanation, one row, for metrics of the task ``faithfulness``.

    Its scores are probabilities where it explains one (``explain(..., among=[...])``); metrics that need them say so
    otherwise, those of the mask work for all. Scores of several windows are pooled as the explanation says.

    Example:
        ``AverageDrop()(of(explanation))`` is an array of one.
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
    )
