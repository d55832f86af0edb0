"""From a suite to work: units of a fixed batch, and the cells in them with keys of all that can change a number."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Any, Self

from zsxai.benchmarks.run.identity import (
    code_of,
    explainer_identity,
    hashed,
    metric_identity,
    model_identity,
    own_code,
)
from zsxai.benchmarks.run.names import check_plugins
from zsxai.benchmarks.run.suite import ModelSpec, Suite
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import Item, Place
from zsxai.benchmarks.tasks.classes import logit_scale_of
from zsxai.benchmarks.tasks.settings import Contamination, Task
from zsxai.data import load_dataset
from zsxai.data.clip import Dataset, LabelledClip
from zsxai.devices import device_name
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.plugins import load_explainer, load_model
from zsxai.prompt import fill_template
from zsxai.registry import DATASETS
from zsxai.spectral import Domain, Scale
from zsxai.versions import versions

SHOWN = 5
"""Names in a message, before the rest is counted."""


@dataclass(frozen=True)
class Settings:
    """What a run adds to its suite; workers get both.

    Attributes:
        roots: Folder by key of a data set.
        limit: Items per data set and setting; all where None.
        device: Torch device.
        command: The command line as it was typed, less places on this machine, for the report; empty where none was.
    """

    roots: Mapping[str, str]
    limit: int | None = None
    device: str | None = "auto"
    command: str = ""


@dataclass(frozen=True)
class Unit:
    """A fixed batch of items before one model: what a worker takes on at once.

    Attributes:
        task: Index in the suite.
        model: Label.
        data: Key of the data set.
        contamination: Index in the task.
        seed: Seed of explainers that draw.
        start: First item.
        stop: One past the last.
    """

    task: int
    model: str
    data: str
    contamination: int
    seed: int
    start: int
    stop: int


@dataclass(frozen=True)
class Cell:
    """One explainer on one kind of mask over a unit, as ``suite.json`` lists it: stored whole or not at all.

    Attributes:
        key: In the store; the hash of everything that can change a number.
        task: Kind of task.
        model: Label.
        data: Key of the data set.
        contamination: Label.
        seed: Seed of explainers that draw.
        explainer: Label.
        domain: Domain of masks.
        scale: Scale of masks.
        pool: Under which the model's rows stand with those of others; empty where they stand for themselves.
    """

    key: str
    task: str
    model: str
    data: str
    contamination: str
    seed: int
    explainer: str
    domain: Domain
    scale: Scale
    pool: str = ""

    @property
    def place(self) -> Place:
        """Explainer and kind of mask."""
        return Place(self.explainer, self.domain, self.scale)

    @property
    def columns(self) -> dict[str, Any]:
        """What every row of the cell has in common; the model is its pool, where it has one."""
        names = ("task", "model", "data", "contamination", "seed", "domain", "scale", "explainer")
        return {name: getattr(self, name) for name in names} | {"model": self.pool or self.model}

    def to_json(self) -> list[Any]:
        """The cell as ``suite.json`` lists it."""
        return [getattr(self, each.name) for each in fields(Cell)]

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Self:
        """Read what :meth:`to_json` gave.

        Raises:
            InputError: If it is no such list.
        """
        try:
            return cls(*values)
        except TypeError as error:
            raise InputError("suite.json lists its cells in another form: run the suite again") from error


@dataclass(frozen=True, kw_only=True)
class PlannedCell(Cell):
    """A cell that can be measured.

    Attributes:
        unit: The unit.
        description: Everything that can change a number; :attr:`key` is its hash.
    """

    unit: Unit = field(compare=False)
    description: Mapping[str, Any] = field(compare=False, repr=False)


class Files:
    """Hashes of clips, each taken once; kept no longer than a plan is made, since files may change."""

    def __init__(self) -> None:
        self._found: dict[int, str] = {}

    def __call__(self, clip: LabelledClip) -> str:
        """Hash of a clip's sound; clips are known by identity, and live as long as their data set."""
        if id(clip) not in self._found:
            self._found[id(clip)] = clip.sha256()
        return self._found[id(clip)]


class Library:
    """Data sets, items and explainers of a suite, each made once."""

    def __init__(self, suite: Suite, settings: Settings) -> None:
        self.suite = suite
        self.settings = settings
        self._datasets: dict[tuple[str, str | None], Dataset] = {}
        self._items: dict[tuple[object, ...], list[Item]] = {}

    def dataset(self, key: str, model: str | None = None) -> Dataset:
        """A data set by its key in the suite; for a model, by its label, the part that it is judged on."""
        at = (key, self._find_owner(model, key))
        if at not in self._datasets:
            spec = self.suite.data_of(key, model)
            root = self.settings.roots.get(key, spec.root)
            if root is None and _reads_files(spec.reader):
                raise InputError(
                    f"the data set {key!r} of the suite needs a folder: --data {key}=DIR, or --without {key}"
                )
            self._datasets[at] = load_dataset(spec.reader, root, **spec.options)
        return self._datasets[at]

    def items(self, task: int, data: str, contamination: int, seed: int, model: str | None = None) -> list[Item]:
        """Items of a setting, cut to the limit. A larger limit begins with the same items."""
        chosen = self.suite.tasks[task]
        mixed = chosen.contaminations[contamination]
        at = (task, data, contamination, seed, self._find_owner(model, data, mixed.data))
        if at not in self._items:
            others = self.dataset(mixed.data, model) if mixed.data else None
            found = runner_of(chosen.kind).items(chosen, self.dataset(data, model), mixed, seed, others)
            if not found:
                raise InputError(f"the data set {data!r} gives no item for the task {chosen.kind!r}")
            self._items[at] = found[: self.settings.limit]
        return self._items[at]

    def _find_owner(self, model: str | None, *keys: str | None) -> str | None:
        """A model that is judged on a part of its own of a data set; None where all models share it."""
        return model if model is not None and {*keys} & {*self.suite.model(model).data} else None

    def explainers(self, task: Task) -> dict[str, Explainer]:
        """Explainers of a task by label."""
        return {e.title: load_explainer(e.name, **e.options) for e in self.suite.explainers_of(task)}

    def model(self, label: str) -> ZeroShotModel:
        """A model by label, loaded anew."""
        named = self.suite.model(label)
        return load_model(named.name, device=self.settings.device, **named.options)


def _reads_files(reader: str) -> bool:
    takes = inspect.signature(found).parameters if callable(found := DATASETS.get(reader)) else {}
    return "root" in takes and takes["root"].default is inspect.Parameter.empty


def plan(suite: Suite, settings: Settings) -> list[PlannedCell]:
    """List all cells of a suite in a fixed order.

    Raises:
        InputError: If a plugin is unknown, a data set is not where it should be, or a model cannot be loaded.
    """
    check_plugins(suite)
    library, files = Library(suite, settings), Files()
    _check_pools(library)
    return [cell for named in suite.models for cell in _cells_of(library, named, files)]


def _check_pools(library: Library) -> None:
    """Check that the models of a pool share all classes and no recording, of which another may have heard a part."""
    judges: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    classes: dict[tuple[str, str], Sequence[str]] = {}
    pooled = [model for model in library.suite.models if model.pool is not None]
    for model, key in product(pooled, dict.fromkeys(key for task in library.suite.tasks for key in task.data)):
        dataset, at = library.dataset(key, model.title), (model.row, key)
        if classes.setdefault(at, dataset.labels) != dataset.labels:
            raise InputError(f"the models of the pool {model.row!r} are not asked about the same classes of {key!r}")
        names = dict.fromkeys([clip.source for clip in dataset.clips] + [clip.name for clip in dataset.clips])
        if shared := [name for name in names if name in judges[at]]:
            more = f" and {len(shared) - SHOWN} more" if len(shared) > SHOWN else ""
            raise InputError(
                f"{judges[at][shared[0]]!r} and {model.title!r} of the pool {model.row!r} are both judged on "
                f"{', '.join(shared[:SHOWN])}{more}: give each model a part of {key!r} that shares no recording"
            )
        judges[at] |= dict.fromkeys(names, model.title)


def _cells_of(library: Library, named: ModelSpec, files: Files) -> Iterator[PlannedCell]:
    """Cells of one model, which is let go before the next one is loaded."""
    suite = library.suite
    model = library.model(named.title)
    logit_scale_of(model, suite.prompting, named.title)
    explainers = [_usable(library.explainers(task), model) for task in suite.tasks]
    identities = [
        {label: explainer_identity(e, model) for label, e in usable.items()}
        | runner_of(task.kind).identify(task, model)
        for task, usable in zip(suite.tasks, explainers, strict=True)
    ]
    of_run = {
        "format": 2,
        "model": model_identity(model, named),
        "device": device_name(model.device),
        "threads": suite.threads,
        "prompting": suite.prompting.model_dump(mode="json"),
        "versions": versions(),
        "code": own_code(),
    }
    of_tasks = [_description_of(task) for task in suite.tasks]
    for unit, items in _units(library, named.title):
        task = suite.tasks[unit.task]
        mixed = task.contaminations[unit.contamination]
        of_unit = {
            "reader": suite.data[unit.data].reader,
            "classes": _prompts_hash(library, unit.data, unit.model),
            "contamination": mixed.key(),
            "seed": unit.seed,
            "items": [item.key(files) for item in items],
        }
        for place in places(suite, task, explainers[unit.task], unit.seed, mixed, model):
            of_place = {
                "domain": place.domain,
                "scale": place.scale,
                "explainer": identities[unit.task][place.explainer],
            }
            description = {**of_run, **of_tasks[unit.task], **of_unit, **of_place}
            yield PlannedCell(
                key=hashed(description),
                task=task.kind,
                model=unit.model,
                data=unit.data,
                contamination=mixed.label,
                seed=unit.seed,
                explainer=place.explainer,
                domain=place.domain,
                scale=place.scale,
                pool=named.pool or "",
                unit=unit,
                description=description,
            )


def _usable(explainers: Mapping[str, Explainer], model: ZeroShotModel) -> dict[str, Explainer]:
    """Explainers that a model carries: all, or those that need no gradients."""
    spectral = isinstance(model, SpectralModel)
    return {label: e for label, e in explainers.items() if spectral or not e.card.needs_gradients}


def _description_of(task: Task) -> dict[str, Any]:
    """What of a task can change a number; what units and places say of it is left out."""
    runner = runner_of(task.kind)
    said_elsewhere = {"data", "contaminations", "domains", "scales", "explainers", "metrics", *task.lists}
    return {
        "task": task.model_dump(mode="json", exclude=said_elsewhere),
        "runner": code_of(runner),
        "metrics": {name: metric_identity(metric) for name, metric in runner.chosen_metrics(task).items()},
    }


def _prompts_hash(library: Library, data: str, model: str) -> str:
    """Hash of the prompts of all classes."""
    template = library.suite.prompting.template
    return hashed([fill_template(template, label) for label in library.dataset(data, model).labels])


def _units(library: Library, model: str) -> Iterator[tuple[Unit, list[Item]]]:
    """Units before one model, with their items: task by task, setting by setting, batch by batch."""
    suite = library.suite
    for number, task in enumerate(suite.tasks):
        for data, contamination, seed in product(task.data, range(len(task.contaminations)), suite.seeds):
            items = library.items(number, data, contamination, seed, model)
            for start in range(0, len(items), suite.batch):
                part = items[start : start + suite.batch]
                yield Unit(number, model, data, contamination, seed, start, start + len(part)), part


def places(
    suite: Suite, task: Task, explainers: Mapping[str, Explainer], seed: int, mixed: Contamination, model: ZeroShotModel
) -> Iterator[Place]:
    """Explainers on kinds of masks that the model has, and configurations of a task that asks no explainers.

    Where nothing is drawn, for the first seed alone.
    """
    every_seed = seed == suite.seeds[0] or mixed.kind != "clean" or runner_of(task.kind).card.draws
    for domain, scale in product(task.domains, task.scales):
        if domain == "mel" and not isinstance(model, SpectralModel):
            continue
        for label, explainer in explainers.items():
            if every_seed or not explainer.card.deterministic:
                yield Place(label, domain, scale)
        if every_seed:
            yield from (Place(label, domain, scale) for label in task.configurations)
