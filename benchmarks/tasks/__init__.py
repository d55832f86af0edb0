"""The tasks: what is asked of every explainer, and what is measured of its answers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsxai.benchmarks.tasks.base import TaskRunner

_RUNNERS = {
    "faithfulness": ("faithfulness", "FaithfulnessRunner"),
    "two-sounds": ("two_sounds", "TwoSoundsRunner"),
    "prompts": ("prompts", "PromptsRunner"),
    "randomisation": ("randomisation", "RandomisationRunner"),
}


def runner_of(kind: str) -> type[TaskRunner[Any, Any]]:
    """What carries out a kind of task, as a suite names it."""
    module, name = _RUNNERS[kind]
    found: type[TaskRunner[Any, Any]] = getattr(import_module(f"{__name__}.{module}"), name)
    return found


def evidence_of(kind: str) -> type:
    """Type of the evidence that a kind of task measures for metrics."""
    return runner_of(kind).evidence
