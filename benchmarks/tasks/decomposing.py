"""What tasks on concepts share: which decompositions a suite asks for, and the dictionaries that they take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from zsxai.benchmarks.tasks.base import Row, Stage
from zsxai.benchmarks.tasks.settings import Task
from zsxai.benchmarks.tasks.words import load_class_words
from zsxai.concepts.centring import find_centring
from zsxai.concepts.dictionary import Dictionary, build_dictionary
from zsxai.concepts.groups import GROUPED, group_words
from zsxai.concepts.labels import label_free
from zsxai.concepts.solver import Solution
from zsxai.concepts.vocabulary import Vocabulary, load_vocabulary
from zsxai.concepts.words import content_stems
from zsxai.metrics import Metric
from zsxai.model import ZeroShotModel

DENSE = "dense"
"""The configuration that decomposes nothing: the embedding itself."""
FIRST = 5
"""Concepts, or classes, that count as the first ones."""
NEVER = 2.0
"""A bound of groups that no cosine reaches: directions that mean nothing have no near-synonyms."""

Control = Literal["labels-out", "label-free", "random"]


class Configuration(NamedTuple):
    """One way to decompose.

    Attributes:
        vocabulary: As a suite names it.
        centring: As a suite names it.
        k: Words at most; None where a penalty is given.
        lam: Penalty; None where a number of words is given.
        control: ``labels-out``, without the classes' names, their forms and the table's words; ``label-free``, also
            without what the model takes for one; ``random``, as many random directions.
    """

    vocabulary: str
    centring: str
    k: int | None
    lam: float | None
    control: Control | None

    @property
    def label(self) -> str:
        """In tables, such as ``clustered/none/k=10/labels-out``."""
        amount = f"k={self.k}" if self.lam is None else f"lam={self.lam:g}"
        names = [Path(self.vocabulary).stem, Path(self.centring).stem, amount]
        return "/".join([*names, self.control] if self.control else names)


class Decomposing(Task):
    """Decompositions: every vocabulary under every centring with every penalty and number of words; and ``dense``.

    Attributes:
        vocabularies: Names, or files.
        centrings: ``none``; ``mean`` and ``pls`` where the model brings them; ``auto``, its mean if it brings one; or
            files.
        penalties: Values of lambda.
        counts: Numbers of words at most.
        grouped: Text cosine from which on words are one concept.
        table: Words of the data set's classes: the name of a shipped table, or a file.
    """

    lists: ClassVar[frozenset[str]] = frozenset({"vocabularies", "centrings", "penalties", "counts", "controls"})
    vocabularies: Annotated[tuple[str, ...], Field(min_length=1)] = ("clustered",)
    centrings: Annotated[tuple[str, ...], Field(min_length=1)] = ("auto",)
    penalties: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = ()
    counts: tuple[Annotated[int, Field(ge=1)], ...] = (10,)
    grouped: Annotated[float, Field(ge=-1, le=1)] = GROUPED
    table: str = "esc50"

    @model_validator(mode="after")
    def _decomposes(self) -> Self:
        shared = {name: field.default for name, field in Task.model_fields.items()}
        for name in ("domains", "scales", "explainers", "calibrations"):
            if getattr(self, name) != shared[name]:
                raise ValueError(f"{self.kind} asks no explainer for a mask: leave {name} out")
        if not self.penalties and not self.counts:
            raise ValueError(f"{self.kind} takes a penalty or a number of words: penalties = [0.2] or counts = [10]")
        labels = self.configurations
        if twice := [label for label in labels if labels.count(label) > 1]:
            raise ValueError(f"{self.kind} is asked for {twice[0]!r} twice")
        return self

    @property
    def kinds_of_words(self) -> tuple[Control | None, ...]:
        """The vocabulary as it is, and the controls that are measured beside it."""
        return (None,)

    @property
    def decompositions(self) -> tuple[Configuration, ...]:
        """All that are asked for."""
        amounts = [*((None, lam) for lam in self.penalties), *((k, None) for k in self.counts)]
        asked = product(self.vocabularies, self.centrings, amounts, self.kinds_of_words)
        return tuple(Configuration(words, centring, *amount, kind) for words, centring, amount, kind in asked)

    def find(self, label: str) -> Configuration:
        """The decomposition of a label."""
        return next(each for each in self.decompositions if each.label == label)

    @property
    def configurations(self) -> tuple[str, ...]:
        """See :attr:`Task.configurations`."""
        return (DENSE, *(each.label for each in self.decompositions))

    @property
    def blind(self) -> tuple[str, ...]:
        """See :attr:`Task.blind`: a random dictionary says nothing."""
        return tuple(each.label for each in self.decompositions if each.control == "random")


def identify_configurations(task: Decomposing, model: ZeroShotModel) -> dict[str, Any]:
    """What of the configurations can change a number: hashes of words, centrings and the table, versions of stemmers.

    Raises:
        InputError: If a vocabulary, a centring or the table does not fit.
    """
    words = {name: load_vocabulary(name).sha256 for name in task.vocabularies}
    centrings = {name: find_centring(name, model).card for name in task.centrings}
    table = json.dumps(load_class_words(task.table), sort_keys=True)
    found: dict[str, Any] = {DENSE: {"name": DENSE}}
    for asked in task.decompositions:
        found[asked.label] = {
            **asked._asdict(),
            "vocabulary": words[asked.vocabulary],
            "centring": centrings[asked.centring],
            "stemmer": _stemmer_versions() if asked.control in ("labels-out", "label-free") else None,
        }
    digest = hashlib.sha256(table.encode()).hexdigest()
    return {label: {**about, "table": digest} for label, about in found.items()}


def _stemmer_versions() -> dict[str, str]:
    content_stems("word")  # says what is missing, before anything is measured
    return {name: version(name) for name in ("scikit-learn", "snowballstemmer")}


@dataclass(frozen=True, eq=False)
class Words:
    """A dictionary and how its words are grouped.

    Attributes:
        dictionary: Words and directions.
        kinship: ``(n, n)`` text cosines.
        bound: From which on words are one concept.
    """

    dictionary: Dictionary
    kinship: Tensor
    bound: float

    def decompose(self, asked: Configuration, codes: Tensor) -> Solution:
        """Decompose codes as a configuration says."""
        return self.dictionary.decompose(codes, asked.lam, asked.k)

    def group(self, weights: Tensor) -> list[list[int]]:
        """Concepts of one row of weights ``(n,)``, strongest first, as words of each, strongest first."""
        order = torch.argsort(weights, descending=True, stable=True)[: int((weights > 0).sum())]
        groups = group_words(order.tolist(), self.kinship, self.bound)
        return sorted(groups, key=lambda group: -float(weights[group].sum()))


class Shelf:
    """Dictionaries of a task before a model, each embedded once.

    Args:
        stage: What the worker holds ready.
        task: The settings.
        bound: Cosine with a label from which on ``label-free`` leaves a word out.
    """

    def __init__(self, stage: Stage, task: Decomposing, bound: float = 1.0) -> None:
        self.stage = stage
        self.task = task
        self.bound = bound
        self.class_words = load_class_words(task.table)
        self._plain = lru_cache(maxsize=None)(self._embed)
        self._made: dict[tuple[str, str, Control | None], Words] = {}

    def get(self, asked: Configuration) -> Words:
        """The dictionary of a configuration."""
        at = (asked.vocabulary, asked.centring, asked.control)
        if at not in self._made:
            self._made[at] = self._make(asked)
        return self._made[at]

    def _make(self, asked: Configuration) -> Words:
        random = asked.control == "random"
        plain = self._plain(asked.vocabulary, None if random else asked.control)
        centring = find_centring(asked.centring, self.stage.model)
        atoms = centring.text(plain.text, plain.mean)
        if random:
            drawn = torch.randn(
                atoms.shape, generator=torch.Generator().manual_seed(self.stage.seed), dtype=atoms.dtype
            )
            atoms = torch.nn.functional.normalize(drawn, dim=1)
        # Words are as near to each other under any centring.
        made = replace(plain, centring=centring, atoms=atoms)
        return Words(made, plain.kinship, NEVER if random else self.task.grouped)

    def _embed(self, name: str, control: Control | None) -> Dictionary:
        vocabulary, model = load_vocabulary(name), self.stage.model
        return build_dictionary(model, self._keep(vocabulary, control), "none", progress=False)

    def _keep(self, vocabulary: Vocabulary, control: Control | None) -> Vocabulary:
        labels = self.stage.dataset.labels
        synonyms = [word for word, label in self.class_words.items() if label in labels]
        if control == "labels-out":
            return vocabulary.without(labels, synonyms=synonyms)
        if control == "label-free":
            model = self.stage.model
            return label_free(vocabulary, labels, model, bound=self.bound, synonyms=synonyms, progress=False)
        return vocabulary


def report(
    metrics: Mapping[str, Metric[Any]], evidence: object, known: Mapping[str, Sequence[float] | NDArray[Any]]
) -> list[dict[str, float | list[float]]]:
    """Figures of every row: what is known of it, and the metrics whose evidence was measured.

    Args:
        metrics: By name.
        evidence: What they read.
        known: Further figures by name, one value a row.
    """
    values = {name: metric(evidence) for name, metric in metrics.items() if not metric.lacking(evidence)}
    columns = {**known, **values}
    count = len(next(iter(columns.values())))
    return [{name: float(column[row]) for name, column in columns.items()} for row in range(count)]


def own_row(**fields: Any) -> Row:
    """A row of a configuration, which has no masks to calibrate or to vary."""
    return Row(variant="own", calibration="", **fields)
