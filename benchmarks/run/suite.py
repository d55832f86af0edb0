"""A suite is data: what is measured, on what, how; read from TOML and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator

from zsxai.benchmarks.run.names import check_suite
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.settings import Frozen, Prompting, Task
from zsxai.errors import InputError, first_problem
from zsxai.toml import read_toml

SUITES = (
    "smoke",
    "faithfulness",
    "paper-esc50",
    "paper-us8k",
    "two-sounds",
    "sanity",
    "verdict",
    "concepts",
    "paper-concepts",
)
POOLS = ("twins",)
"""Files of models that come with zsxai."""

F = TypeVar("F", bound=Frozen)


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


class ModelSpec(Named):
    """A model, and what it is judged on.

    Attributes:
        data: Options of data sets that are others before this model, by data set: ``{esc50 = {folds = [1]}}`` is the
            part that it has not heard.
        pool: Models of one pool are one model in tables, under the pool's name: each is judged on a part of its own.
            None where the model stands for itself.
    """

    data: dict[str, dict[str, Any]] = Field(default_factory=dict)
    pool: Annotated[str, Field(min_length=1)] | None = None

    @property
    def row(self) -> str:
        """How tables call it, alone or with the others of its pool."""
        return self.pool or self.title


Plugin = Annotated[Named, BeforeValidator(_by_name)]
Models = Annotated[tuple[Annotated[ModelSpec, BeforeValidator(_by_name)], ...], Field(min_length=1)]


class ModelFile(Frozen):
    """A file of models: what stands in place of a suite's.

    Attributes:
        models: As a suite lists them.
    """

    models: Models


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
        explainers: Explainers; the controls are added. Left out where no task asks any.
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
    models: Models = (ModelSpec(name="tiny"),)
    explainers: tuple[Plugin, ...] = ()
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
        """The suite's explainers, and the controls that are not among them; none where no task asks any."""
        if all(task.configurations for task in self.tasks):
            return ()
        # A mask of ones is no stand-in for a mask of one half.
        named = {e.name for e in self.explainers if e.options.get("value", 0.5) == 0.5}
        named |= {e.title for e in self.explainers}
        return (*self.explainers, *(Named(name=c) for c in self.controls if c not in named))

    def model(self, title: str) -> ModelSpec:
        """A model by its title."""
        return next(m for m in self.models if m.title == title)

    def data_of(self, key: str, model: str | None = None) -> DataSpec:
        """A data set as it is for all models, or as it is for one of them, by its title."""
        spec = self.data[key]
        own = self.model(model).data.get(key, {}) if model is not None else {}
        return spec.model_copy(update={"options": {**spec.options, **own}})

    def without(self, key: str) -> Suite:
        """The suite less what needs a data set: contaminations with its clips, and tasks on them where others are left.

        Raises:
            InputError: If there is no such data set, or nothing is left without it.
        """
        if key not in self.data:
            raise InputError(f"the suite {self.name!r} has no data set {key!r}: it has {', '.join(self.data)}")
        values = self.model_dump()
        for holder in (values, *values["models"]):
            holder["data"].pop(key, None)
        for task in values["tasks"]:
            task["data"] = [d for d in task["data"] if d != key]
            task["contaminations"] = [c for c in task["contaminations"] if c["data"] != key]
        values["tasks"] = [t for t in values["tasks"] if t["data"] and t["contaminations"]]
        if not values["tasks"]:
            raise InputError(f"nothing of the suite {self.name!r} is left without the data set {key!r}")
        return load_suite(values)

    @property
    def blind(self) -> frozenset[str]:
        """Labels of the rows that are controls: explainers, and configurations of tasks that ask none."""
        controls = {e.title for e in self.all_explainers if e.name in self.controls}
        return frozenset(controls.union(*(task.blind for task in self.tasks)))

    def explainers_of(self, task: Task) -> tuple[Named, ...]:
        """Those that run in a task: none where it has configurations of its own."""
        if task.configurations:
            return ()
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
        return _checked(Suite, dict(suite), "the suite")
    return _checked(Suite, _read(str(suite), "suite", SUITES), str(suite))


def load_models(file: str) -> tuple[ModelSpec, ...]:
    """Read the models of a file: a shipped one (:data:`POOLS`) by its name, or a TOML file.

    Raises:
        InputError: If there is none, or something in it is wrong; one line.
    """
    return _checked(ModelFile, _read(file, "pool", POOLS), file).models


def _read(name: str, kind: str, shipped: Sequence[str]) -> dict[str, Any]:
    path = Path(name)
    if name in shipped:
        path = Path(str(resources.files("zsxai.benchmarks").joinpath(f"{kind}s", f"{name}.toml")))
    elif not path.is_file():
        raise InputError(f"no {kind} {name!r}: one of {', '.join(shipped)}, or a TOML file")
    return read_toml(path)


def _checked(kind: type[F], values: dict[str, Any], name: str) -> F:
    try:
        return kind(**values)
    except ValidationError as error:
        raise InputError(f"{name}: {first_problem(error, kind.model_fields)}") from error
