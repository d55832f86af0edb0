"""A suite is data: what is measured, on what, how; read from TOML and checked."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator

from zsxai.benchmarks.run.names import check_suite
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.settings import Frozen, Prompting, Task
from zsxai.errors import InputError, first_problem
from zsxai.toml import read_toml

SUITES = ("smoke", "faithfulness", "paper-esc50", "paper-us8k", "two-sounds", "sanity")


def _by_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _by_kind(value: object) -> object:
    """Settings of a task as its kind's own class checks them."""
    if isinstance(value, Task):
        return value
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(kind, str):
        raise ValueError("a task is a table that names its kind: see zsxai list tasks")
    task_type = runner_of(kind).task_type
    try:
        return task_type(**value)
    except ValidationError as error:
        raise ValueError(f"task {kind!r}: {first_problem(error, task_type.model_fields)}") from error


class DataSpec(Frozen):
    """A data set of a suite.

    Attributes:
        reader: Name in ``zsxai.datasets``.
        root: Folder; where None, the caller names it (``--data NAME=DIR``), or the reader needs none.
        options: What the reader takes besides, such as ``folds = [4]``.
    """

    reader: str
    root: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class Named(Frozen):
    """A plugin by name, with its options; a bare string in TOML is its name.

    Attributes:
        name: Registry name (of a model with its argument).
        options: What the plugin takes.
        label: How tables call it; the name where None.
    """

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    label: str | None = None

    @property
    def title(self) -> str:
        """How tables call it."""
        return self.label or self.name


Plugin = Annotated[Named, BeforeValidator(_by_name)]


class Headline(Frozen):
    """The one figure that a suite is about, fixed beforehand.

    Attributes:
        task: Kind of task.
        metric: Name of a metric, ``foil-wins:<metric>`` or ``rolled-wins:<metric>``.
        stratum: Only rows of a stratum (``correct``, ``both-heard``).
    """

    task: str
    metric: str
    stratum: str | None = None


class Comparisons(Frozen):
    """The family of tests named beforehand, over which Holm's correction runs.

    Attributes:
        metrics: Metrics compared.
        against: Explainer that every other is compared with; all pairs where None.
    """

    metrics: tuple[str, ...] = ()
    against: str | None = None


class Suite(Frozen):
    """Everything that a run does.

    Attributes:
        name: Name of the suite.
        description: One sentence.
        data: Data sets by key.
        models: Models.
        explainers: Explainers; the controls are added.
        controls: Names of explainers that are rows of every table, whether the suite names them or not, to read the
            others against: those whose card says that they are controls.
        prompting: What is asked.
        tasks: What is measured, each as its kind in ``zsxai.tasks`` takes it.
        headline: The figure it is about.
        comparisons: Tests named beforehand.
        seeds: Seeds of explainers that draw; deterministic ones run for the first alone.
        batch: Clips in a work unit. Changing it may change last digits, so it belongs to the suite.
        threads: Torch threads per worker, for the same reason.
        draws: Bootstrap draws.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: str = ""
    data: dict[str, DataSpec]
    models: Annotated[tuple[Plugin, ...], Field(min_length=1)] = (Named(name="tiny"),)
    explainers: tuple[Plugin, ...]
    controls: Annotated[tuple[str, ...], Field(min_length=1)] = ("constant", "random", "loudness", "energy")
    prompting: Prompting = Prompting()
    tasks: Annotated[tuple[Annotated[SerializeAsAny[Task], BeforeValidator(_by_kind)], ...], Field(min_length=1)]
    headline: Headline
    comparisons: Comparisons = Comparisons()
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    batch: Annotated[int, Field(ge=1, le=1024)] = 8
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    draws: Annotated[int, Field(ge=100, le=1_000_000)] = 2000

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        check_suite(self)
        return self

    @property
    def all_explainers(self) -> tuple[Named, ...]:
        """The suite's explainers, and the controls that are not among them."""
        # A mask of ones is no stand-in for a mask of one half.
        named = {e.name for e in self.explainers if e.options.get("value", 0.5) == 0.5}
        named |= {e.title for e in self.explainers}
        return (*self.explainers, *(Named(name=c) for c in self.controls if c not in named))

    def without(self, key: str) -> Suite:
        """The suite less what needs a data set: contaminations with its clips, and tasks on them where others are left.

        Raises:
            InputError: If there is no such data set, or nothing is left without it.
        """
        if key not in self.data:
            raise InputError(f"the suite {self.name!r} has no data set {key!r}: it has {', '.join(self.data)}")
        values = self.model_dump()
        del values["data"][key]
        for task in values["tasks"]:
            task["data"] = [d for d in task["data"] if d != key]
            task["contaminations"] = [c for c in task["contaminations"] if c["data"] != key]
        values["tasks"] = [t for t in values["tasks"] if t["data"] and t["contaminations"]]
        if not values["tasks"]:
            raise InputError(f"nothing of the suite {self.name!r} is left without the data set {key!r}")
        return load_suite(values)

    def explainers_of(self, task: Task) -> tuple[Named, ...]:
        """Those that run in a task."""
        everyone = self.all_explainers
        wanted = task.explainers or [e.title for e in everyone]
        return tuple(e for e in everyone if e.title in wanted or e.name in self.controls)


def load_suite(suite: str | Path | Mapping[str, Any] | Suite) -> Suite:
    """Read a suite.

    Args:
        suite: Name of a shipped one (:data:`SUITES`), a TOML file, a mapping, or a suite.

    Raises:
        InputError: If there is none, or something in it is wrong; one line.
    """
    if isinstance(suite, Suite):
        return suite
    if isinstance(suite, Mapping):
        return _checked(dict(suite), "the suite")
    path = Path(suite)
    if str(suite) in SUITES:
        path = Path(str(resources.files("zsxai.benchmarks").joinpath("suites", f"{suite}.toml")))
    elif not path.is_file():
        raise InputError(f"no suite {str(suite)!r}: one of {', '.join(SUITES)}, or a TOML file")
    return _checked(read_toml(path), str(suite))


def _checked(values: dict[str, Any], name: str) -> Suite:
    try:
        return Suite(**values)
    except ValidationError as error:
        raise InputError(f"{name}: {first_problem(error, Suite.model_fields)}") from error
