"""From a suite to work: units of a fixed batch, and the cells in them with keys of all that can change a number."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import zsxai
from zsxai.benchmarks.suite import Named, Suite, Task
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import Item, Place
from zsxai.data import load_dataset
from zsxai.data.clip import Dataset
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.metrics import metrics_of
from zsxai.model import BlackBox, SpectralModel, ZeroShotModel
from zsxai.plugins import load_explainer, load_model
from zsxai.registry import DATASETS
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
    """One explainer on one kind of mask over a unit: what the store keeps whole or not at all.

    Attributes:
        unit: The unit.
        place: Explainer, domain, scale.
        key: Hash of :attr:`description`.
        description: Everything that can change a number.
    """

    unit: Unit
    place: Place
    key: str
    description: Mapping[str, Any]


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


def plan(suite: Suite, settings: Settings) -> list[Cell]:
    """All cells of a suite in a fixed order.

    Raises:
        InputError: If a plugin is unknown, a data set is not where it should be, or a model cannot be loaded.
    """
    library = Library(suite, settings)
    cells = []
    for named in suite.models:
        model = library.model(named.title)
        identity = model_identity(model, named)
        for number, task in enumerate(suite.tasks):
            explainers = library.explainers(task)
            usable = {k: e for k, e in explainers.items() if _carries(model, e)}
            metrics = metric_names(task)
            for data in task.data:
                labels = [fill_template(suite.prompting.template, x) for x in library.dataset(data).labels]
                for c, mixed in enumerate(task.contaminations):
                    for seed in suite.seeds:
                        items = library.items(number, data, c, seed)
                        shared = {
                            "format": 1,
                            "task": task.model_dump(
                                mode="json",
                                exclude={"data", "contaminations", "domains", "scales", "explainers", "metrics"},
                            ),
                            "metrics": metrics,
                            "model": identity,
                            "device": settings.device or "cpu",
                            "threads": suite.threads,
                            "reader": suite.data[data].reader,
                            "prompting": suite.prompting.model_dump(mode="json"),
                            "prompts": _hash(labels),
                            "contamination": mixed.model_dump(mode="json", exclude={"data"}),
                            "seed": seed,
                            "versions": versions(),
                            "code": own_code(),
                        }
                        for start in range(0, len(items), suite.batch):
                            part = items[start : start + suite.batch]
                            unit = Unit(number, named.title, data, c, seed, start, start + len(part))
                            keys = [_item_key(item) for item in part]
                            cells += [
                                _cell(unit, place, {**shared, "items": keys}, usable[place.explainer])
                                for place in places(suite, task, usable, seed)
                            ]
    return cells


def places(suite: Suite, task: Task, explainers: Mapping[str, Explainer], seed: int) -> Iterator[Place]:
    """Explainers on kinds of masks; those that draw nothing run for the first seed alone."""
    for domain in task.domains:
        for scale in task.scales:
            for label, explainer in explainers.items():
                if seed == suite.seeds[0] or not explainer.card.deterministic:
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


def _cell(unit: Unit, place: Place, shared: Mapping[str, Any], explainer: Explainer) -> Cell:
    description = {
        **shared,
        "domain": place.domain,
        "scale": place.scale,
        "explainer": {
            "name": explainer.name or type(explainer).__name__,
            "label": place.explainer,
            "options": explainer.model_dump(mode="json"),
            "code": code_of(type(explainer)),
        },
    }
    return Cell(unit, place, _hash(description), description)


def _carries(model: ZeroShotModel, explainer: Explainer) -> bool:
    return isinstance(model, SpectralModel) or not explainer.card.needs_gradients


def model_identity(model: ZeroShotModel, named: Named) -> dict[str, Any]:
    """What of a model can change a number. A black box without a hash is known by its source code alone."""
    front_end = model.front_end.spec.model_dump(mode="json") if isinstance(model, SpectralModel) else None
    return {
        "name": named.name,
        "label": named.title,
        "options": named.options,
        "weights": model.card.weights_sha256,
        "audio": model.audio_spec.model_dump(mode="json"),
        "logit_scale": model.logit_scale,
        "front_end": front_end,
        "code": code_of(type(model.inner) if isinstance(model, BlackBox) else type(model)),
    }


_ITEM_KEYS: dict[Item, dict[str, Any]] = {}


def _item_key(item: Item) -> dict[str, Any]:
    if item not in _ITEM_KEYS:
        _ITEM_KEYS[item] = item.key()
    return _ITEM_KEYS[item]


def _hash(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def code_of(plugin: type) -> str:
    """Hash of the file that defines a plugin; ``unknown`` where there is none (a class typed into a shell)."""
    try:
        file = inspect.getsourcefile(plugin)
    except TypeError:
        file = None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else "unknown"


NUMBERLESS = ("cli", "show", "testing", "demo.py", "doctor.py", "progress.py")
"""Parts of the core that change no figure."""


@lru_cache(maxsize=1)
def own_code() -> str:
    """Hash of the library's own source, as far as it computes: an edited checkout shares no row with another one."""
    core = Path(zsxai.__file__).parent
    tasks = Path(inspect.getsourcefile(Library) or "").parent
    files = [p for p in sorted(core.rglob("*.py")) if not set(NUMBERLESS) & set(p.relative_to(core).parts)]
    files += sorted((tasks / "tasks").rglob("*.py"))
    files += [tasks / name for name in ("budgets.py", "cascade.py", "contamination.py", "worker.py")]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
