"""Clips written as sparse mixes of words: what the model still hears in the mix, and how steady the words are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from zsxai.benchmarks.tasks.base import INTERVALS, Failure, Item, Place, Row, TaskCard, TaskRunner
from zsxai.benchmarks.tasks.contamination import white_noise
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.decomposing import (
    DENSE,
    Control,
    Decomposing,
    Shelf,
    Words,
    identify_configurations,
    own_row,
    report,
)
from zsxai.benchmarks.tasks.settings import Task
from zsxai.benchmarks.tasks.sounds import Heard, draw_by_name, encode_originals, hear, pooled_cosines
from zsxai.concepts.recordings import embed_recording
from zsxai.concepts.use import class_scores
from zsxai.metrics.base import ConceptScores
from zsxai.model import ZeroShotModel


class Concepts(Decomposing):
    """Decompositions of clips, judged by the class that is nearest to the mix of words.

    Attributes:
        controls: Vocabularies that every decomposition is also made with: ``labels-out``, without the classes' names,
            their forms and the table's words for them; ``label-free``, also without what the model takes for one of
            these; ``random``, as many random directions, drawn by the seed.
        bound: Text cosine with a class or one of its words from which on ``label-free`` leaves a word out.
        snr: Decibels of the clip over the white noise that stability is measured under.
        shift: Seconds that a clip is turned by, circularly, to measure stability.
    """

    kind: Literal["concepts"] = "concepts"
    controls: tuple[Control, ...] = ()
    bound: Annotated[float, Field(gt=-1, le=1)] = 0.6
    snr: Annotated[float, Field(allow_inf_nan=False)] = 20.0
    shift: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5

    @property
    def kinds_of_words(self) -> tuple[Control | None, ...]:
        """See :attr:`Decomposing.kinds_of_words`."""
        return (None, *self.controls)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A unit before its configurations.

    Attributes:
        items: B items.
        embeddings: ``(3, B, D)`` float64: of the clips, under noise, shifted; ``(1, B, D)`` where no metric asks how
            steady the words are.
        predicted: ``(B,)`` class that the model hears.
        failures: Items left out.
    """

    items: list[Item]
    embeddings: Tensor
    predicted: NDArray[Any]
    failures: list[Failure]


def add_noise(waveform: NDArray[Any], snr: float, name: str, seed: int) -> NDArray[Any]:
    """White noise on a clip as loud as it was, drawn by its name and the seed; none on silence."""
    wave = waveform.astype(np.float64)
    noise = white_noise(len(wave), name, seed).astype(np.float64)
    scale = np.sqrt((wave @ wave) / (noise @ noise)) * 10.0 ** (-snr / 20.0)
    noisy: NDArray[Any] = (wave + scale * noise).astype(np.float32)
    return noisy


class ConceptsRunner(TaskRunner[Concepts, Prepared]):
    """Runs :class:`Concepts`: one row per clip and configuration; ``dense`` is the embedding itself.

    Disturbed clips are decomposed with the penalty of the clip, also where that was found for a number of words.

    Strata: ``correct``, the model names the clip rightly.

    Clips encoded per item: 3 (the clip, under noise, shifted), or 1 where no metric asks how steady the words are, once
    for all configurations. Every vocabulary is embedded once per runner.
    """

    task_type = Concepts
    evidence = ConceptScores
    card = TaskCard(title="Concepts", strata=("correct",), draws=True, plots=(INTERVALS,))

    @classmethod
    def identify(cls, task: Task, model: ZeroShotModel) -> dict[str, Any]:
        """See :meth:`TaskRunner.identify`."""
        if not isinstance(task, Concepts):
            raise TypeError(f"{cls.__name__} carries out a Concepts, not {task.kind!r}")
        return identify_configurations(task, model)

    @cached_property
    def shelf(self) -> Shelf:
        """Dictionaries."""
        return Shelf(self.stage, self.task, self.task.bound)

    @cached_property
    def _steady(self) -> bool:
        """Whether a metric asks how steady the words are."""
        return any({"weights_noise", "weights_shift"} & set(metric.needs) for metric in self.metrics.values())

    @cached_property
    def _text(self) -> Tensor:
        return self.classes.text.detach().cpu().double()

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See :meth:`TaskRunner.prepare`."""
        stage, rate = self.stage, self.stage.model.sample_rate
        heard, failures = hear(stage, items)
        turned = round(self.task.shift * rate)
        versions = [heard]
        if self._steady:
            noisy = [self._changed(h, add_noise(h.waveform, self.task.snr, h.item.name, stage.seed)) for h in heard]
            shifted = [self._changed(h, np.roll(h.waveform, turned)) for h in heard]
            encode_originals(stage, [*noisy, *shifted])
            versions += [noisy, shifted]
        kept, rows, predicted = [], [], []
        for own, *others in zip(*versions, strict=True):
            try:
                rows.append(torch.stack([embed_recording(h.recording("stft", "log")) for h in (own, *others)]))
            except Exception as error:
                failures.append(Failure.of(own.item.name, error))
                continue
            kept.append(own.item)
            cosines = pooled_cosines(stage.model, [w[None] for w in own.windows], self.classes.text)[0]
            predicted.append(int(cosines.argmax()))
        embeddings = torch.stack(rows, dim=1) if rows else torch.zeros(1, 0, self._text.shape[1])
        return Prepared(kept, embeddings, np.array(predicted, dtype=int), failures)

    def _changed(self, heard: Heard, waveform: NDArray[Any]) -> Heard:
        return Heard(heard.item, waveform, heard.snr, heard.model, heard.seed)

    def measure(self, prepared: Prepared, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`."""
        if not prepared.items:
            return [], prepared.failures
        labels = self.classes.labels
        truth = np.array([labels.index(item.label) for item in prepared.items])
        known: dict[str, Any] = {}
        if place.explainer == DENSE:
            evidence = ConceptScores(label=truth, predicted=prepared.predicted, predicted_dense=prepared.predicted)
        else:
            evidence, known = self._decompose(prepared, place.explainer, truth)
        known["prediction"] = evidence.predicted
        rows = [
            own_row(
                item=item.name,
                sources=item.sources,
                label=item.label,
                prompt=labels[dense],
                figures=figures,
                strata={"correct": labels[dense] == item.label},
            )
            for item, dense, figures in zip(
                prepared.items, prepared.predicted, report(self.metrics, evidence, known), strict=True
            )
        ]
        return rows, prepared.failures

    def _decompose(self, prepared: Prepared, label: str, truth: NDArray[Any]) -> tuple[ConceptScores, dict[str, Any]]:
        asked = self.task.find(label)
        words = self.shelf.get(asked)
        clean, *disturbed = (words.dictionary.code_audio(rows) for rows in prepared.embeddings)
        found = words.decompose(asked, clean)
        steady: dict[str, NDArray[Any]] = {}
        if disturbed:
            both = words.dictionary.decompose(torch.cat(disturbed), found.penalty.repeat(2)).weights
            steady = dict(zip(("weights_noise", "weights_shift"), both.numpy().reshape(2, len(clean), -1), strict=True))
        groups = [words.group(row) for row in found.weights]
        p = self._probabilities(words, found.weights)
        predicted = p.argmax(axis=1)
        at = np.arange(len(p)), predicted
        removed, other = _take_out(found.weights, groups, [item.name for item in prepared.items])
        evidence = ConceptScores(
            label=truth,
            predicted=np.where(found.counts.numpy() > 0, predicted, -1),
            predicted_dense=prepared.predicted,
            counts=found.counts.numpy(),
            groups=np.array([len(each) for each in groups]),
            cosine=(words.dictionary.mix(found.weights) * clean).sum(dim=1).numpy(),
            kkt=found.kkt.numpy(),
            weights=found.weights.numpy(),
            **steady,
            p=p[at],
            p_removed=self._probabilities(words, removed)[at],
            p_other=self._probabilities(words, other)[at],
        )
        return evidence, {"penalty": found.penalty.numpy()}

    def _probabilities(self, words: Words, weights: Tensor) -> NDArray[Any]:
        """``(B, C)`` of all classes, from mixes of words; NaN where a weight is."""
        return self.classes.probabilities(class_scores(words.dictionary, weights, self._text).numpy())


def _take_out(
    weights: Tensor, groups: Sequence[Sequence[Sequence[int]]], names: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Weights without the strongest concept, and less a random other one at its weight; NaN where there is no other."""
    removed, other = weights.clone(), torch.full_like(weights, torch.nan)
    for row, (concepts, name) in enumerate(zip(groups, names, strict=True)):
        if concepts:
            removed[row, concepts[0]] = 0.0
        if len(concepts) > 1:
            (drawn,) = draw_by_name(name, [str(number) for number in range(1, len(concepts))])
            strongest, chosen = (weights[row, group] for group in (concepts[0], concepts[int(drawn)]))
            other[row] = weights[row]
            other[row, concepts[int(drawn)]] -= chosen * (strongest.sum() / chosen.sum())
    return removed, other
