"""What carries out a unit: one process, one model at a time, nothing kept between units but what was loaded."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from zsxai.benchmarks.run.identity import own_code
from zsxai.benchmarks.run.plan import Library, PlannedCell, Settings, Unit
from zsxai.benchmarks.run.suite import Suite
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import Failure, Place, Row, Stage, TaskRunner
from zsxai.benchmarks.tasks.counting import Forwards, counted
from zsxai.conditions import evaluating
from zsxai.model import ZeroShotModel
from zsxai.versions import versions


@dataclass(frozen=True)
class Measured:
    """The result of one cell.

    Attributes:
        rows: Lines for the store.
        failures: Items on which the explainer raised.
        seconds: Process CPU time; of the unit's shared part, its share.
        forwards: Clips encoded, by purpose (``harness``, ``explainer``).
    """

    rows: Sequence[Row]
    failures: Sequence[Failure]
    seconds: float
    forwards: Mapping[str, int] = field(default_factory=dict)


class Job(NamedTuple):
    """What a worker is given.

    Attributes:
        unit: The unit.
        places: Those of its cells that are missing.
    """

    unit: Unit
    places: tuple[Place, ...]


def lose(job: Job, reason: str) -> list[Measured]:
    """What comes of a unit that killed its workers."""
    return [Measured([], [Failure("", reason)], 0.0)] * len(job.places)


def what_computes() -> dict[str, str]:
    """Versions of the libraries of this process, and a hash of its copy of our own source."""
    return {**versions(), "zsxai's source": own_code()[:12]}


class Worker:
    """Measures units of a suite; made once per process.

    Args:
        suite: The suite.
        settings: Where data lie, on which device.
    """

    def __init__(self, suite: Suite, settings: Settings) -> None:
        self.suite = suite
        self.library = Library(suite, settings)
        self._model: tuple[str, ZeroShotModel] | None = None
        self._runner: tuple[tuple[object, ...], TaskRunner[Any, Any]] | None = None

    @property
    def computes_with(self) -> Mapping[str, str]:
        """See :func:`what_computes`."""
        return what_computes()

    def run(self, job: Job) -> list[Measured]:
        """Measure the wanted places of a unit, in their order; whatever is raised is recorded."""
        from threadpoolctl import threadpool_limits

        before = torch.get_num_threads()
        torch.set_num_threads(self.suite.threads)
        try:
            # Numpy's libraries have threads of their own, and other sums with another number of them.
            with threadpool_limits(self.suite.threads):
                return self._run(job.unit, job.places)
        except Exception as error:
            return [Measured([], [Failure.of("", error)], 0.0) for _ in job.places]
        finally:
            torch.set_num_threads(before)

    def _run(self, unit: Unit, places: Sequence[Place]) -> list[Measured]:
        runner = self._get_runner(unit)
        items = self.library.items(unit.task, unit.data, unit.contamination, unit.seed, unit.model)
        forwards = Forwards()
        measured: list[Measured] = []
        model = runner.stage.model
        with evaluating(model), counted(model, forwards):
            start = time.process_time()
            prepared = runner.prepare(items[unit.start : unit.stop])
            shared = (time.process_time() - start) / len(places)
            for place in places:
                start, rows_before = time.process_time(), forwards.rows.copy()
                with forwards.on_behalf_of("harness"):
                    try:
                        rows, failures = runner.measure(prepared, place, forwards)
                    except Exception as error:
                        rows, failures = [], [Failure.of("", error)]
                spent = shared + time.process_time() - start
                measured.append(Measured(rows, failures, spent, dict(forwards.rows - rows_before)))
        return measured

    def _get_runner(self, unit: Unit) -> TaskRunner[Any, Any]:
        at = (unit.task, unit.model, unit.data, unit.contamination, unit.seed)
        if self._runner is None or self._runner[0] != at:
            task = self.suite.tasks[unit.task]
            stage = Stage(
                prompting=self.suite.prompting,
                task=task,
                model=self._get_model(unit.model),
                dataset=self.library.dataset(unit.data, unit.model),
                contamination=task.contaminations[unit.contamination],
                seed=unit.seed,
                explainers=self.library.explainers(task),
            )
            self._runner = (at, runner_of(task.kind)(stage))
        return self._runner[1]

    def _get_model(self, label: str) -> ZeroShotModel:
        if self._model is None or self._model[0] != label:
            self._model = self._runner = None  # before the next one is loaded
            self._model = (label, self.library.model(label))
        return self._model[1]


def group_by_unit(cells: Sequence[PlannedCell]) -> dict[Unit, list[PlannedCell]]:
    """Group cells by unit, in the order of the plan."""
    units: dict[Unit, list[PlannedCell]] = {}
    for cell in cells:
        units.setdefault(cell.unit, []).append(cell)
    return units
