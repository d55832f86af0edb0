"""Mixtures of two known sounds in words: are both among the first concepts, and does a word fall with its sound?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

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
from zsxai.benchmarks.tasks.mixtures import beside_truth, level_difference, mix, pair_items, truth_of
from zsxai.benchmarks.tasks.settings import Contamination, Task
from zsxai.benchmarks.tasks.sounds import Heard, draw_by_name, encode_originals, maps_of, pooled_cosines
from zsxai.calibration import to_mask
from zsxai.concepts.api import listening_targets
from zsxai.concepts.recordings import embed_recording
from zsxai.data.clip import Dataset
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.metrics import Metric, load_metric
from zsxai.metrics.base import MixtureConcepts
from zsxai.model import ZeroShotModel
from zsxai.plugins import default_explainer, load_explainer
from zsxai.prompt import Template
from zsxai.target import BoundTarget

HEARD = "weighted-auc"
"""The metric of what is listened to."""


class ConceptMixtures(Decomposing):
    """Mixtures of two clips, as ``two-sounds`` makes them, decomposed into words.

    Attributes:
        snrs: Decibels of the first over the second, over the active frames of both.
        matchings: Random perfect matchings of the clips.
        listen: Also give concepts their sound, as ``explain_concepts(listen=True)`` does, and judge it.
    """

    # What is listened with is known by the configurations, so that without it rows are what they were.
    lists: ClassVar[frozenset[str]] = Decomposing.lists | {"listen"}
    kind: Literal["concept-mixtures"] = "concept-mixtures"
    snrs: Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=1)] = (0.0,)
    matchings: Annotated[int, Field(ge=1, le=1000)] = 1
    listen: bool = False

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
        heard: B mixtures, each followed by what is left of it without the first and without the second sound.
        embeddings: ``(3, B, D)`` float64: of the mixtures, and without the first and the second sound.
        cosines: ``(3, B, C)`` of the same with all prompts.
        met: ``(B,)`` decibels really met.
        absent: ``(B, 2)`` classes that are not in the mixture.
        failures: Items left out.
    """

    heard: list[list[Heard]]
    embeddings: Tensor
    cosines: NDArray[Any]
    met: NDArray[Any]
    absent: NDArray[Any]
    failures: list[Failure]

    @property
    def items(self) -> list[Item]:
        """The mixtures."""
        return [three[0].item for three in self.heard]


class Decomposed(NamedTuple):
    """Mixtures in words.

    Attributes:
        first: ``(B, 5)`` classes of the first concepts, -1 for one without.
        sizes: Words of each.
        weights: ``(3, B, C)`` of the classes' words: of the mixture, and of what is left without each sound.
        names: Names of the first concepts.
        template: Around every word, if any.
    """

    first: NDArray[Any]
    sizes: tuple[NDArray[Any], ...]
    weights: NDArray[Any]
    names: list[list[str]]
    template: Template


class ConceptMixturesRunner(TaskRunner[ConceptMixtures, Prepared]):
    """Runs :class:`ConceptMixtures`: two rows per mixture and configuration, one per sound that is taken out.

    A concept is of the class that the table gives its strongest word that is in the table. The configuration
    ``dense`` takes the classes whose prompts are nearest for concepts.

    Strata: ``alone``, each sound by itself, as loud as it is in the mixture, is named right; ``both-heard``, both
    prompts are among the five nearest to the mixture.

    With ``listen`` the default explainer maps the concepts of the two sounds, each against the other ones among the
    first five, and the map is judged as ``two-sounds`` judges one. Where not both have a concept neither is judged:
    so a map that is blind to what is asked keeps a mean of exactly .5. ``weighted-auc`` is then invalid, and counted.

    Clips encoded per item: 3 (the mixture, and each sound by itself, which is what is left without the other);
    besides, what the explainer encodes itself.
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
        settings = _settings(task)
        found = identify_configurations(settings, model)
        if settings.listen:
            explainer = _listener(model)
            heard = {"name": explainer.name, "options": explainer.model_dump(), "weights": explainer.weights(model)}
            found |= {each.label: {**found[each.label], "listen": heard} for each in settings.decompositions}
        return found

    @classmethod
    def known_metrics(cls) -> dict[str, Metric[Any]]:
        """See :meth:`TaskRunner.known_metrics`: those of concepts, and the one of what is listened to."""
        found = {**super().known_metrics(), HEARD: load_metric(HEARD)}
        return {name: found[name] for name in sorted(found)}

    @classmethod
    def chosen_metrics(cls, task: Task) -> dict[str, Metric[Any]]:
        """See :meth:`TaskRunner.chosen_metrics`."""
        found = super().chosen_metrics(task)
        if _settings(task).listen:
            return found
        if HEARD in task.metrics:
            raise InputError(f"{HEARD!r} is of what is listened to: say listen = true in the task {task.kind!r}")
        return {name: metric for name, metric in found.items() if name != HEARD}

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
        return Prepared(
            heard=kept,
            embeddings=torch.stack(rows, dim=1) if rows else torch.zeros(3, 0, self.classes.text.shape[1]),
            cosines=np.array([[self._cosines(three[i]) for three in kept] for i in range(3)]),
            met=np.array([three[0].snr for three in kept]),
            absent=np.array([self._draw_absent(three[0].item) for three in kept]),
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
        of_words = {name: metric for name, metric in self.metrics.items() if name != HEARD}
        aucs, failures = None, prepared.failures
        if decomposed is not None and HEARD in self.metrics:
            aucs, failed = self._listen(prepared, sources, decomposed, forwards)
            failures = [*failures, *failed]
        left_out = {failure.item for failure in failures}
        rows: list[list[Row]] = [[] for _ in prepared.items]
        for taken in (0, 1):
            make = partial(
                MixtureConcepts, sources=sources, absent=prepared.absent, nearest=nearest, removed=sources[:, taken]
            )
            known: dict[str, Any] = {"snr_met": prepared.met * (1 - 2 * taken)}
            if decomposed is None:
                evidence = make(first=nearest)
            else:
                whole, rest = decomposed.weights[[0, 1 + taken]]
                evidence = make(first=decomposed.first, sizes=decomposed.sizes, weights=whole, weights_rest=rest)
                at = np.arange(len(sources)), sources[:, taken]
                known |= {"weight": whole[at], "weight_rest": rest[at]}
                known |= {} if aucs is None else {HEARD: aucs[:, taken]}
            for i, figures in enumerate(report(of_words, evidence, known)):
                item = prepared.heard[i][0].item
                if item.name in left_out:
                    continue
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
        return [row for pair in rows for row in pair], failures

    def _listen(
        self, prepared: Prepared, sources: NDArray[Any], found: Decomposed, forwards: Forwards
    ) -> tuple[NDArray[Any], list[Failure]]:
        """Weighted AUC ``(B, 2)`` of the maps for the concepts of both sounds; NaN where not both have one."""
        aucs, failures = np.full(sources.shape, np.nan), []
        for i, three in enumerate(prepared.heard):
            places = [np.flatnonzero(found.first[i] == source) for source in sources[i]]
            if not all(len(each) for each in places):
                continue
            try:
                asked = listening_targets(found.names[i])
                targets = [asked[each[0]].bind(self.stage.model, found.template) for each in places]
                aucs[i] = self._judge(three, targets, forwards)
            except Exception as error:
                failures.append(Failure.of(three[0].item.name, error))
        return aucs, failures

    def _judge(self, three: Sequence[Heard], targets: Sequence[BoundTarget], forwards: Forwards) -> NDArray[Any]:
        recording = three[0].recording("stft", "log")
        maps = maps_of(self._explainer, recording, targets, forwards)
        masks = np.stack([to_mask(each, recording.grid.in_band, self._explainer.calibration) for each in maps])
        # Without its second sound a mixture is its first.
        truth = truth_of(recording, np.stack([three[2].waveform, three[1].waveform]))
        return self.metrics[HEARD](beside_truth(recording, truth, maps, masks))

    @cached_property
    def _explainer(self) -> Explainer:
        return _listener(self.stage.model)

    def _decompose(self, prepared: Prepared, label: str) -> Decomposed:
        asked = self.task.find(label)
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
        names = [[words.dictionary.words[group[0]] for group in groups] for groups in concepts]
        return Decomposed(first, sizes, (weights @ belongs).numpy(), names, words.dictionary.template)

    def _owners(self, words: Words) -> NDArray[Any]:
        """Class of every word by the table, -1 for one that it does not know."""
        labels = {label: i for i, label in enumerate(self.classes.labels)}
        table = self.shelf.class_words
        return np.array([labels.get(table.get(word, ""), -1) for word in words.dictionary.words])


def _listener(model: ZeroShotModel) -> Explainer:
    return load_explainer(default_explainer(model))


def _settings(task: Task) -> ConceptMixtures:
    if not isinstance(task, ConceptMixtures):
        raise TypeError(f"ConceptMixturesRunner carries out a ConceptMixtures, not {task.kind!r}")
    return task


def _sounds(item: Item, rate: int) -> NDArray[Any]:
    """``(2, T)``, which the mixture is the sum of."""
    first, second = (clip.read().at(rate) for clip in item.clips)
    return mix(first, second, rate, item.snr or 0.0)
