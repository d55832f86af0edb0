"""Whole data sets as items are judged in them: embedded once per runner, of which only the embeddings are kept."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.benchmarks.tasks.base import Failure, Item, Place, Row, Stage, TaskRunner
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.decomposing import DENSE, Decomposing, Shelf, identify_configurations, own_row, report
from zsxai.benchmarks.tasks.settings import Task
from zsxai.benchmarks.tasks.sounds import hear
from zsxai.concepts.recordings import embed_recording
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError
from zsxai.model import ZeroShotModel
from zsxai.progress import say

ROWS = 256
"""Recordings that are read, or decomposed, at once."""


@dataclass(eq=False)
class Whole:
    """All recordings of a data set, and the texts that they are compared with.

    Attributes:
        items: One item per recording.
        texts: Captions, or classes.
        owned: The texts of every recording, by their numbers.
    """

    items: Sequence[Item]
    texts: Sequence[str]
    owned: Sequence[Sequence[int]]
    _sha256: str | None = field(default=None, init=False, repr=False)

    def sha256(self, of_clip: Callable[[LabelledClip], str]) -> str:
        """Hash of all sounds and texts: every figure depends on every one of them."""
        if self._sha256 is None:
            known = [[item.key(of_clip) for item in self.items], list(self.texts), list(map(list, self.owned))]
            self._sha256 = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
        return self._sha256


@dataclass(frozen=True, kw_only=True)
class Part(Item):
    """An item that is judged in a whole data set: a query, or a class.

    Attributes:
        number: Its place in the figures that :meth:`WholeRunner.judge` gives.
        unit: What intervals are drawn over.
        of: Number of the recording that it is about; None where it is about all.
        whole: The data set.
        strata: Named subsets that it belongs to or not.
    """

    number: int
    unit: str
    of: int | None = None
    whole: Whole = field(repr=False, compare=False)
    strata: Mapping[str, bool] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        """See :attr:`Item.sources`."""
        return (self.unit,)

    def key(self, sha256: Callable[[LabelledClip], str] = LabelledClip.sha256) -> dict[str, Any]:
        """See :meth:`Item.key`."""
        own = {"number": self.number, "unit": self.unit, "strata": dict(self.strata)}
        return {**super().key(sha256), **own, "whole": self.whole.sha256(sha256)}


@dataclass(frozen=True, eq=False)
class Embedded:
    """A whole data set before a model.

    Attributes:
        rows: ``(N, D)`` float64 unit rows of the recordings that could be read.
        kept: ``(N,)`` which of the items they are.
        failures: Those left out, by the number of the item.
    """

    rows: Tensor
    kept: list[int]
    failures: dict[int, Failure]


def embed_whole(stage: Stage, items: Sequence[Item]) -> Embedded:
    """Embed all recordings, :data:`ROWS` at a time; says on standard error how far it is.

    Raises:
        InputError: If none can be read.
    """
    rows, kept, failures = list[Tensor](), list[int](), dict[int, Failure]()
    numbers = {item.name: number for number, item in enumerate(items)}
    starts = range(0, len(items), ROWS)
    parts = (items[start : start + ROWS] for start in starts)
    for part in say(parts, len(starts), f"embedding {len(items)} recordings, {ROWS} a step"):
        heard, left_out = hear(stage, part)
        failures |= {numbers[failure.item]: failure for failure in left_out}
        for h in heard:
            try:
                rows.append(embed_recording(h.recording("stft", "log")))
            except Exception as error:
                failures[numbers[h.item.name]] = Failure.left_out(h.item.name, error)
                continue
            kept.append(numbers[h.item.name])
    if not rows:
        raise InputError(f"none of the {len(items)} recordings can be read: {next(iter(failures.values())).error}")
    return Embedded(torch.stack(rows), kept, failures)


class Codes(NamedTuple):
    """What is compared in one configuration: unit rows of recordings ``(N, r)`` and of texts ``(M, r)``."""

    audio: Tensor
    text: Tensor


class Judged(NamedTuple):
    """Figures of all parts.

    Attributes:
        evidence: What metrics read, one row per part, in the order of :attr:`Part.number`.
        known: Further figures by name.
    """

    evidence: object
    known: Mapping[str, NDArray[Any]]


T = TypeVar("T", bound=Decomposing)


class WholeRunner(TaskRunner[T, list[Part]]):
    """Runs a task whose items are parts of a whole data set. A subclass says what texts are and how all is judged."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._embedded: Embedded | None = None
        self._text = torch.zeros(0)
        self._figures: dict[str, list[dict[str, float | list[float]]]] = {}

    @property
    def embedded(self) -> Embedded:
        """The data set before the model, once a unit was prepared."""
        if self._embedded is None:
            raise RuntimeError("no unit was prepared")
        return self._embedded

    @classmethod
    def identify(cls, task: Task, model: ZeroShotModel) -> dict[str, Any]:
        """See :meth:`TaskRunner.identify`."""
        if not isinstance(task, Decomposing):
            raise TypeError(f"{cls.__name__} carries out decompositions, not {task.kind!r}")
        return identify_configurations(task, model)

    @abstractmethod
    def embed_texts(self, whole: Whole) -> Tensor:
        """Embed the texts of a data set, ``(M, D)``."""

    @abstractmethod
    def judge(self, whole: Whole, codes: Codes) -> Judged:
        """Judge all parts in one configuration; ``embedded.kept`` says which recordings there are."""

    @cached_property
    def shelf(self) -> Shelf:
        """Dictionaries."""
        return Shelf(self.stage, self.task)

    def prepare(self, items: Sequence[Item]) -> list[Part]:
        """See :meth:`TaskRunner.prepare`: the data set is embedded for the first unit alone."""
        parts = [item for item in items if isinstance(item, Part)]
        if self._embedded is None:
            self._embedded = embed_whole(self.stage, parts[0].whole.items)
            self._text = self.embed_texts(parts[0].whole).detach().cpu().double()
        return parts

    def list_failures(self, parts: Sequence[Part]) -> list[Failure]:
        """Parts about a recording that was left out."""
        lost = self.embedded.failures
        return [Failure(part.name, lost[part.of].error) for part in parts if part.of is not None and part.of in lost]

    def measure(self, prepared: list[Part], place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`: all parts are judged at once, and their figures kept."""
        if place.explainer not in self._figures:
            judged = self.judge(prepared[0].whole, self._encode(place.explainer))
            self._figures[place.explainer] = report(self.metrics, judged.evidence, judged.known)
        failures = self.list_failures(prepared)
        failed = {failure.item for failure in failures}
        figures = self._figures[place.explainer]
        rows = [
            own_row(
                item=part.name,
                sources=part.sources,
                label=part.label,
                prompt=part.label,
                figures=figures[part.number],
                strata=part.strata,
            )
            for part in prepared
            if part.name not in failed
        ]
        return rows, failures

    def _encode(self, label: str) -> Codes:
        rows = self.embedded.rows
        if label == DENSE:
            return Codes(rows, torch.nn.functional.normalize(self._text, dim=1))
        asked = self.task.find(label)
        words = self.shelf.get(asked)
        dictionary = words.dictionary
        parts = [
            dictionary.mix(words.decompose(asked, dictionary.code_audio(rows[start : start + ROWS])).weights)
            for start in range(0, len(rows), ROWS)
        ]
        return Codes(torch.cat(parts), dictionary.code_text(self._text))


def flag(owned: Sequence[Sequence[int]], count: int) -> NDArray[np.bool_]:
    """Lists of numbers below ``count`` as ``(len(owned), count)`` flags."""
    flags = np.zeros((len(owned), count), dtype=bool)
    for row, numbers in zip(flags, owned, strict=True):
        row[list(numbers)] = True
    return flags
