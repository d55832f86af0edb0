"""From a suite to work: units of a fixed batch, and the cells in them with keys of all that can change a number."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from zsxai.benchmarks.run.figures import CONTROLS_OF_A_MASK, split_figure
from zsxai.benchmarks.run.identity import code_of, device_name, explainer_identity, hashed, model_identity, own_code
from zsxai.benchmarks.run.suite import Contamination, Suite, Task
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import Item, Place
from zsxai.data import load_dataset
from zsxai.data.clip import Dataset, LabelledClip
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.metrics import metrics_of
from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.plugins import load_explainer, load_model
from zsxai.registry import DATASETS
from zsxai.spectral import Domain, Scale
from zsxai.target import fill_template
from zsxai.versions import versions


@dataclass(frozen=True)
class Settings:
    """What a run adds to its suite; workers get both.

    Attributes:
        roots: Folder by key of a data set.
        limit: Items per data set and setting; all where None.
        device: Torch device.
    """

    roots: Mapping[str, str]
    limit: int | None = None
    device: str | None = None


@dataclass(frozen=True)
class Unit:
    """A fixed batch of items before one model: what a worker takes on at once.

    Attributes:
        task: Index in the suite.
        model: Label.
        data: Key of the data set.
        contamination: Index in the task.
        seed: Of explainers that draw.
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
        seed: Of explainers that draw.
        explainer: Label.
        domain: Of masks.
        scale: Of masks.
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

    @property
    def place(self) -> Place:
        """Explainer and kind of mask."""
        return Place(self.explainer, self.domain, self.scale)

    @property
    def columns(self) -> dict[str, Any]:
        """What every row of the cell has in common."""
        names = ("task", "model", "data", "contamination", "seed", "domain", "scale", "explainer")
        return {name: getattr(self, name) for name in names}

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


@dataclass(frozen=True)
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
        self._datasets: dict[str, Dataset] = {}
        self._items: dict[tuple[object, ...], list[Item]] = {}

    def dataset(self, key: str) -> Dataset:
        """A data set by its key in the suite."""
        if key not in self._datasets:
            spec = self.suite.data[key]
            root = self.settings.roots.get(key, spec.root)
            if root is None and _reads_files(spec.reader):
                raise InputError(
                    f"the data set {key!r} of the suite needs a folder: --data {key}=DIR, or --without {key}"
                )
            self._datasets[key] = load_dataset(spec.reader, root, **spec.options)
        return self._datasets[key]

    def items(self, task: int, data: str, contamination: int, seed: int) -> list[Item]:
        """Items of a setting, cut to the limit. A larger limit begins with the same items."""
        at = (task, data, contamination, seed)
        if at not in self._items:
            chosen = self.suite.tasks[task]
            mixed = chosen.contaminations[contamination]
            others = self.dataset(mixed.data) if mixed.data else None
            runner = runner_of(chosen.kind)
            found = runner.items(chosen, self.dataset(data), mixed, seed, others)
            if not found:
                raise InputError(f"the data set {data!r} gives no item for the task {chosen.kind!r}")
            self._items[at] = found[: self.settings.limit]
        return self._items[at]

    def explainers(self, task: Task) -> dict[str, Explainer]:
        """Explainers of a task by label."""
        return {e.title: load_explainer(e.name, **e.options) for e in self.suite.explainers_of(task)}

    def model(self, label: str) -> ZeroShotModel:
        """A model by label, loaded anew."""
        named = next(m for m in self.suite.models if m.title == label)
        return load_model(named.name, device=self.settings.device, **named.options)


def _reads_files(reader: str) -> bool:
    takes = inspect.signature(found).parameters if callable(found := DATASETS.get(reader)) else {}
    return "root" in takes and takes["root"].default is inspect.Parameter.empty


def plan(suite: Suite, settings: Settings) -> list[PlannedCell]:
    """All cells of a suite in a fixed order.

    Raises:
        InputError: If a plugin is unknown, a data set is not where it should be, or a model cannot be loaded.
    """
    library = Library(suite, settings)
    check_names(suite)
    cells, files = [], Files()
    for named in suite.models:
        model = library.model(named.title)
        if model.logit_scale is None and suite.prompting.softmax == "model":
            raise InputError(
                f"{named.title} gives no logit scale, so it gives no probabilities: say softmax = 'unscaled'"
            )
        identity = model_identity(model, named)
        for number, task in enumerate(suite.tasks):
            explainers = library.explainers(task)
            usable = {k: e for k, e in explainers.items() if _carries(model, e)}
            identities = {k: explainer_identity(e, model) for k, e in usable.items()}
            known = metrics_of(task.kind)
            metrics = {name: code_of(type(known[name])) for name in metric_names(task)}
            for data in task.data:
                labels = [fill_template(suite.prompting.template, x) for x in library.dataset(data).labels]
                for c, mixed in enumerate(task.contaminations):
                    for seed in suite.seeds:
                        items = library.items(number, data, c, seed)
                        shared = {
                            "format": 2,
                            "task": task.model_dump(
                                mode="json",
                                exclude={"data", "contaminations", "domains", "scales", "explainers", "metrics"},
                            ),
                            "metrics": metrics,
                            "model": identity,
                            "device": device_name(settings.device),
                            "threads": suite.threads,
                            "reader": suite.data[data].reader,
                            "prompting": suite.prompting.model_dump(mode="json"),
                            "prompts": hashed(labels),
                            "contamination": mixed.key(),
                            "seed": seed,
                            "versions": versions(),
                            "code": own_code(),
                        }
                        for start in range(0, len(items), suite.batch):
                            part = items[start : start + suite.batch]
                            unit = Unit(number, named.title, data, c, seed, start, start + len(part))
                            keys = [item.key(files) for item in part]
                            cells += [
                                _cell(suite, unit, place, {**shared, "items": keys}, identities[place.explainer])
                                for place in places(suite, task, usable, seed, mixed, model)
                            ]
        del model  # before the next one is loaded
    return cells


def check_names(suite: Suite) -> None:
    """Whether the headline and the comparisons name what the suite measures.

    Raises:
        InputError: If not: it would show only when all is measured.
    """
    measured = [(task.kind, set(metric_names(task))) for task in suite.tasks]
    everything = {name for _, names in measured for name in names}
    of_headline = {name for kind, names in measured if kind == suite.headline.task for name in names}
    wanted = [("headline", suite.headline.metric, of_headline)]
    wanted += [("comparisons", name, everything) for name in suite.comparisons.metrics]
    for where, name, known in wanted:
        control, metric = split_figure(name)
        if metric not in known or control not in ("", *CONTROLS_OF_A_MASK):
            raise InputError(f"the {where} of the suite {suite.name!r} name {name!r}, which it does not measure")


def places(
    suite: Suite, task: Task, explainers: Mapping[str, Explainer], seed: int, mixed: Contamination, model: ZeroShotModel
) -> Iterator[Place]:
    """Explainers on kinds of masks that the model has; where nothing is drawn, for the first seed alone."""
    drawn = mixed.kind != "clean" or task.kind == "randomisation"
    for domain in task.domains:
        if domain == "mel" and not isinstance(model, SpectralModel):
            continue
        for scale in task.scales:
            for label, explainer in explainers.items():
                if seed == suite.seeds[0] or drawn or not explainer.card.deterministic:
                    yield Place(label, domain, scale)


def metric_names(task: Task) -> list[str]:
    """Metrics that a task computes.

    Raises:
        InputError: If one is unknown or of another task.
    """
    known = metrics_of(task.kind)
    for name in task.metrics:
        if name not in known:
            raise InputError(f"{name!r} is no metric of the task {task.kind!r}: one of {', '.join(known)}")
    return sorted(task.metrics or known)


def _cell(
    suite: Suite, unit: Unit, place: Place, shared: Mapping[str, Any], explainer: Mapping[str, Any]
) -> PlannedCell:
    description = {**shared, "domain": place.domain, "scale": place.scale, "explainer": explainer}
    task = suite.tasks[unit.task]
    return PlannedCell(
        key=hashed(description),
        task=task.kind,
        model=unit.model,
        data=unit.data,
        contamination=task.contaminations[unit.contamination].label,
        seed=unit.seed,
        explainer=place.explainer,
        domain=place.domain,
        scale=place.scale,
        unit=unit,
        description=description,
    )


def _carries(model: ZeroShotModel, explainer: Explainer) -> bool:
    return isinstance(model, SpectralModel) or not explainer.card.needs_gradients
