"""A stage over short synthesised clips for any model and any explainers, and a runner's rows on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zsxai.benchmarks.run.suite import load_suite
from zsxai.benchmarks.tasks.base import Failure, Place, Row, Stage, TaskRunner
from zsxai.benchmarks.tasks.counting import Forwards, counted
from zsxai.black_box import as_model
from zsxai.conditions import evaluating
from zsxai.data import load_dataset
from zsxai.explainer import Explainer


def stage_of(
    task: Mapping[str, Any], model: object, explainers: Mapping[str, Explainer], seed: int = 0, **prompting: Any
) -> Stage:
    """A stage of one task on eight classes with one clip of a second each."""
    suite = load_suite(
        {
            "name": "test",
            "data": {"synthetic": {"reader": "synthetic"}},
            "explainers": [],
            "prompting": prompting,
            "tasks": [{"data": ["synthetic"], **task}],
            "headline": {"task": task["kind"], "metric": "none"},
        }
    )
    dataset = load_dataset("synthetic", None, clips_per_class=1, seconds=1.0, sample_rate=16000)
    chosen = suite.tasks[0]
    return Stage(suite.prompting, chosen, as_model(model), dataset, chosen.contaminations[0], seed, explainers)


def measured(
    runner: TaskRunner[Any, Any], explainer: str, count: int = 3, forwards: Forwards | None = None, domain: str = "mel"
) -> tuple[list[Row], list[Failure]]:
    """Rows and failures of one explainer on the first items."""
    stage, forwards = runner.stage, forwards or Forwards()
    items = runner.items(stage.task, stage.dataset, stage.contamination, stage.seed, None)[:count]
    with evaluating(stage.model), counted(stage.model, forwards):
        prepared = runner.prepare(items)
        return runner.measure(prepared, Place(explainer, domain, "log"), forwards)  # type: ignore[arg-type]
