"""Mixtures of two known sounds in words: are both among the first concepts, and does a word fall with its sound?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from zsxai.benchmarks.tasks.base import INTERVALS, Failure, Item, Place, Ratio, Row, TaskCard, TaskRunner
from zsxai.benchmarks.tasks.contamination import Sound
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.decomposing import (
    DENSE,
    FIRST,
    Decomposing,
    Shelf,
    Words,
    identify_configurations,
    own_row,
    report,
)
from zsxai.benchmarks.tasks.mixtures import level_difference, mix, pair_items
from zsxai.benchmarks.tasks.settings import Contamination, Task
from zsxai.benchmarks.tasks.sounds import Heard, draw_by_name, encode_originals, pooled_cosines
from zsxai.concepts.recordings import embed_recording
from zsxai.data.clip import Dataset
from zsxai.errors import InputError
from zsxai.metrics.base import MixtureConcepts
from zsxai.model import ZeroShotModel


class ConceptMixtures(Decomposing):
    """Mixtures of two clips, as ``two-sounds`` makes them, decomposed into words.

    Attributes:
        snrs: Decibels of the first over the second, over the active frames of both.
        matchings: Random perfect matchings of the clips.
    """

    kind: Literal["concept-mixtures"] = "concept-mixtures"
    snrs: Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=1)] = (0.0,)
    matchings: Annotated[int, Field(ge=1, le=1000)] = 1

    @model_validator(mode="after")
    def _mixes_itself(self) -> Self:
        if any(c.kind != "clean" for c in self.contaminations):
            raise ValueError("concept-mixtures mixes its clips itself: leave contaminations out")
        if len({f"{snr:g}" for snr in self.snrs}) < len(self.snrs):
            raise ValueError("concept-mixtures is asked for an SNR twice")
        return self


@dataclass(frozen=True, eq=False)
class Prepared:
    """A unit before its configurations.

    Attributes:
        items: B mixtures.
        embeddings: ``(3, B, D)`` float64: of the mixtures, and without the first and the second sound.
        cosines: ``(3, B, C)`` of the same with all prompts.
        met: ``(B,)`` decibels really met.
        absent: ``(B, 2)`` classes that are not in the mixture.
        failures: Items left out.
    """

    items: list[Item]
    embeddings: Tensor
    cosines: NDArray[Any]
    met: NDArray[Any]
    absent: NDArray[Any]
    failures: list[Failure]


class ConceptMixturesRunner(TaskRunner[ConceptMixtures, Prepared]):
    """Runs :class:`ConceptMixtures`: two rows per mixture and configuration, one per sound that is taken out.

    A concept is of the class that the table gives its strongest word that is in the table. The configuration
    ``dense`` takes the classes whose prompts are nearest for concepts.

    Strata: ``alone``, each sound by itself, as loud as it is in the mixture, is named right; ``both-heard``, both
    prompts are among the five nearest to the mixture.

    Clips encoded per item: 3 (the mixture, and each sound by itself, which is what is left without the other).
    """

    task_type = ConceptMixtures
    evidence = MixtureConcepts
    card = TaskCard(
        title="Concepts of mixtures",
        strata=("alone", "both-heard"),
        paired_by=("item", "prompt"),
        plots=(INTERVALS,),
        ratios=(
            Ratio(
                "Both sounds among the first five concepts, as part of both prompts among the five nearest",
                over="both-sources",
                under="both-prompts",
            ),
        ),
    )

    @classmethod
    def identify(cls, task: Task, model: ZeroShotModel) -> dict[str, Any]:
        """See :meth:`TaskRunner.identify`."""
        return identify_configurations(_settings(task), model)

    @classmethod
    def items(
        cls, task: Task, dataset: Dataset, contamination: Contamination, seed: int, others: Dataset | None
    ) -> list[Item]:
        """See :meth:`TaskRunner.items` and :func:`~zsxai.benchmarks.tasks.mixtures.pair_items`.

        Raises:
            InputError: If the data set has fewer than four classes, so that no two are absent.
        """
        if len(dataset.labels) < 4:
            raise InputError(
                "the task 'concept-mixtures' asks for two sounds that are not there: it needs four classes"
            )
        settings = _settings(task)
        return pair_items(dataset.clips, settings.matchings, settings.snrs)

    @classmethod
    def sound(cls, task: Task, item: Item, contamination: Contamination, seed: int, rate: int) -> Sound:
        """See :meth:`TaskRunner.sound`: the sum of the two."""
        return Sound(_sounds(item, rate).sum(axis=0), item.snr)

    @cached_property
    def shelf(self) -> Shelf:
        """Dictionaries.

        Raises:
            InputError: If the table knows none of the data set's classes.
        """
        found = Shelf(self.stage, self.task)
        if not {*found.class_words.values()} & {*self.classes.labels}:
            raise InputError(f"the table {self.task.table!r} has no word for any class of the data set: give another")
        return found

    @cached_property
    def _asked(self) -> dict[str, Any]:
        return {each.label: each for each in self.task.decompositions}

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See :meth:`TaskRunner.prepare`."""
        stage, rate = self.stage, self.stage.model.sample_rate
        heard: list[list[Heard]] = []
        failures: list[Failure] = []
        for item in items:
            try:
                first, second = _sounds(item, rate)
                met = level_difference(first, second, rate)
                heard.append(
                    [Heard(item, each, met, stage.model, stage.seed) for each in (first + second, second, first)]
                )
            except Exception as error:
                failures.append(Failure.left_out(item.name, error))
        encode_originals(stage, [each for three in heard for each in three])
        kept: list[list[Heard]] = []
        rows: list[Tensor] = []
        for three in heard:
            try:
                rows.append(torch.stack([embed_recording(h.recording("stft", "log")) for h in three]))
                kept.append(three)
            except Exception as error:
                failures.append(Failure.of(three[0].item.name, error))
        mixed = [three[0].item for three in kept]
        return Prepared(
            items=mixed,
            embeddings=torch.stack(rows, dim=1) if rows else torch.zeros(3, 0, self.classes.text.shape[1]),
            cosines=np.array([[self._cosines(three[i]) for three in kept] for i in range(3)]),
            met=np.array([three[0].snr for three in kept]),
            absent=np.array([self._draw_absent(item) for item in mixed]),
            failures=failures,
        )

    def _cosines(self, heard: Heard) -> NDArray[Any]:
        windows = [embedded[None] for embedded in heard.windows]
        cosines: NDArray[Any] = pooled_cosines(self.stage.model, windows, self.classes.text)[0]
        return cosines

    def _draw_absent(self, item: Item) -> list[int]:
        labels = self.classes.labels
        others = [label for label in labels if label not in {clip.label for clip in item.clips}]
        return [labels.index(label) for label in draw_by_name(item.name, others, 2)]

    def measure(self, prepared: Prepared, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`."""
        if not prepared.items:
            return [], prepared.failures
        labels = self.classes.labels
        sources = np.array([[labels.index(clip.label) for clip in item.clips] for item in prepared.items])
        nearest = np.argsort(-prepared.cosines[0], axis=1, kind="stable")[:, :FIRST]
        alone = (sources == prepared.cosines[[2, 1]].argmax(axis=2).T).all(axis=1)
        decomposed = None if place.explainer == DENSE else self._decompose(prepared, place.explainer)
        rows: list[list[Row]] = [[] for _ in prepared.items]
        for taken in (0, 1):
            make = partial(
                MixtureConcepts, sources=sources, absent=prepared.absent, nearest=nearest, removed=sources[:, taken]
            )
            known: dict[str, Any] = {"snr_met": prepared.met * (1 - 2 * taken)}
            if decomposed is None:
                evidence = make(first=nearest)
            else:
                first, sizes, weights = decomposed
                rest = weights[1 + taken]
                evidence = make(first=first, sizes=sizes, weights=weights[0], weights_rest=rest)
                at = np.arange(len(sources)), sources[:, taken]
                known |= {"weight": weights[0][at], "weight_rest": rest[at]}
            for i, figures in enumerate(report(self.metrics, evidence, known)):
                item = prepared.items[i]
                rows[i].append(
                    own_row(
                        item=item.name,
                        sources=item.sources,
                        label=item.label,
                        prompt=item.clips[taken].label,
                        figures=figures,
                        strata={
                            "alone": bool(alone[i]),
                            "both-heard": bool(np.isin(sources[i], nearest[i]).all()),
                        },
                    )
                )
        return [row for pair in rows for row in pair], prepared.failures

    def _decompose(self, prepared: Prepared, label: str) -> tuple[NDArray[Any], tuple[NDArray[Any], ...], NDArray[Any]]:
        """Classes ``(B, 5)`` of the first concepts, the concepts' sizes, and the classes' weights ``(3, B, C)``."""
        asked = self._asked[label]
        words = self.shelf.get(asked)
        mixed, *rest = (words.dictionary.code_audio(rows) for rows in prepared.embeddings)
        found = words.decompose(asked, mixed)
        # What is left is decomposed by the mixture's penalty, also where that was found for a number of words.
        left = words.dictionary.decompose(torch.cat(rest), found.penalty.repeat(2)).weights
        weights = torch.cat([found.weights, left]).reshape(*prepared.embeddings.shape[:2], -1)
        owner = self._owners(words)
        concepts = [words.group(row)[:FIRST] for row in weights[0]]
        first = np.full((len(concepts), FIRST), -1)
        for row, groups in enumerate(concepts):
            for place, group in enumerate(groups):
                first[row, place] = next((owner[word] for word in group if owner[word] >= 0), -1)
        sizes = tuple(np.array([len(group) for group in groups]) for groups in concepts)
        belongs = torch.from_numpy(owner[:, None] == np.arange(len(self.classes.labels))).double()
        return first, sizes, (weights @ belongs).numpy()

    def _owners(self, words: Words) -> NDArray[Any]:
        """Class of every word by the table, -1 for one that it does not know."""
        labels = {label: i for i, label in enumerate(self.classes.labels)}
        table = self.shelf.class_words
        return np.array([labels.get(table.get(word, ""), -1) for word in words.dictionary.words])


def _settings(task: Task) -> ConceptMixtures:
    if not isinstance(task, ConceptMixtures):
        raise TypeError(f"ConceptMixturesRunner carries out a ConceptMixtures, not {task.kind!r}")
    return task


def _sounds(item: Item, rate: int) -> NDArray[Any]:
    """``(2, T)``, which the mixture is the sum of."""
    first, second = (clip.read().at(rate) for clip in item.clips)
    return mix(first, second, rate, item.snr or 0.0)
