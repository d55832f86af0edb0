"""What an explainer shows of sounds that are not there: prompts whose sound the clip does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from zsxai.benchmarks.tasks.base import INTERVALS, Failure, Item, Place, Ratio, Row, TaskCard, TaskRunner
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.levels import Levels, measure_levels
from zsxai.benchmarks.tasks.settings import Task
from zsxai.benchmarks.tasks.sounds import Heard, draw_by_name, embed_masks, hear, maps_of, pooled_cosines
from zsxai.calibration import to_mask
from zsxai.errors import InputError
from zsxai.metrics.base import AbsentMaps
from zsxai.recording import Recording
from zsxai.spectral import Domain, Scale


class Absent(Task):
    """The prompt that is present in a clip, and prompts that are not.

    A clip holds its annotated class and no other of the data set's (nor that of a clip mixed in), whatever class the
    suite explains.

    Attributes:
        hardest: Absent prompts that are the most similar to the clip, by the model's own ranking.
        drawn: Other absent prompts, drawn by the clip's name; fewer where the data set has fewer.
        quantile: A prompt's level of absence is this quantile of its cosines with recordings without its sound.
        reference: Clips that levels are taken from, the first in hash order; never of the recording asked about.
        variants: ``times-similarity``: every mask times how surely the model hears the prompt (see :func:`presence`).
    """

    kind: Literal["absent"] = "absent"
    hardest: Annotated[int, Field(ge=0)] = 3
    drawn: Annotated[int, Field(ge=0)] = 5
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    reference: Annotated[int, Field(ge=2)] = 500
    variants: tuple[Literal["times-similarity"], ...] = ("times-similarity",)

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.hardest + self.drawn:
            raise ValueError("absent asks for one prompt at least: hardest, drawn or both above 0")
        return self


def presence(similarity: float, absent: float, present: float) -> float:
    """How surely a model hears a prompt, in [0, 1]: 0 at its level of absence, 1 at its level of presence.

    Args:
        similarity: Cosine of clip and prompt.
        absent: Level of absence.
        present: Median cosine of the prompt with recordings that hold its sound.

    Returns:
        ``(similarity - absent) / (present - absent)``, cut; 0 or 1 where no recording, or none that the model hears,
        gives a level of presence.
    """
    if not present > absent:
        return float(similarity > absent)
    return float(np.clip((similarity - absent) / (present - absent), 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class Asked:
    """One item and its prompts: the present one first, then absent ones, the hardest of them first.

    Attributes:
        heard: Its sound.
        prompts: P classes.
        index: ``(P,)`` of them among all classes.
        similarity: ``(P,)`` cosines of the clip with the prompts.
        level: ``(P,)`` levels of absence.
        weight: ``(P,)`` of :func:`presence`.
        correct: Whether the present class is the most similar of all.
        silence: ``(C,)`` cosines of all prompts with every cell masked, by kind of mask; alike for all explainers.
    """

    heard: Heard
    prompts: list[str]
    index: NDArray[Any]
    similarity: NDArray[Any]
    level: NDArray[Any]
    weight: NDArray[Any]
    correct: bool
    silence: dict[tuple[Domain, Scale], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A unit before its explainers."""

    asked: list[Asked]
    failures: list[Failure]


class AbsentRunner(TaskRunner[Absent, Prepared]):
    """Runs :class:`Absent`: every clip is explained for P prompts in one call of its explainer; a row per absent one.

    Strata: ``correct``, the model names the clip rightly; ``hardest`` and ``drawn`` absent prompts; ``unheard``, the
    model does not hear the absent sound itself: the clip is at or under the prompt's level of absence.

    Clips encoded per item: 1 for the original, 1 for silence for every kind of mask; for every explainer and kind of
    mask P under masks, up to P more for masks times similarity, and what the explainers encode themselves. Once per
    runner, the reference.
    """

    task_type = Absent
    evidence = AbsentMaps
    card = TaskCard(
        title="Absent sounds",
        strata=("correct", "hardest", "drawn", "unheard"),
        paired_by=("item", "prompt"),
        plots=(INTERVALS,),
        ratios=(
            Ratio(
                "Absent over present: how large the mask for a sound that is not there is, as part of the mask for the "
                "one that is",
                over="absent-mask-mean",
                under="present-mask-mean",
            ),
        ),
    )

    @cached_property
    def levels(self) -> Levels:
        """Cosines of all prompts with the reference recordings."""
        return measure_levels(self.stage, self.classes, self.task.reference)

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See :meth:`TaskRunner.prepare`.

        Raises:
            InputError: If the data set has one class only, so that no prompt is absent.
        """
        if len(self.classes.labels) < 2:
            raise InputError("the task 'absent' asks for sounds that are not there: the data set needs two classes")
        heard, failures = hear(self.stage, items)
        return Prepared([self._ask(h) for h in heard], failures)

    def _ask(self, heard: Heard) -> Asked:
        labels, item = self.classes.labels, heard.item
        cosines = pooled_cosines(self.stage.model, [w[None] for w in heard.windows], self.classes.text)[0]
        clips = [*item.clips, *([item.contaminant] if item.contaminant else [])]
        others = [label for label in labels if label not in {clip.label for clip in clips}]
        ranked = sorted(others, key=lambda label: -cosines[labels.index(label)])
        hardest, rest = ranked[: self.task.hardest], sorted(ranked[self.task.hardest :])
        prompts = [item.label, *hardest, *draw_by_name(item.name, rest, self.task.drawn)]
        index = np.array([labels.index(prompt) for prompt in prompts])
        without = {clip.source for clip in clips}
        absent = [self.levels.absent(i, without, self.task.quantile) for i in index]
        present = [self.levels.present(i, without) for i in index]
        weight = [presence(*levels) for levels in zip(cosines[index], absent, present, strict=True)]
        correct = labels[int(cosines.argmax())] == item.label
        return Asked(heard, prompts, index, cosines[index], np.array(absent), np.array(weight), correct, {})

    def measure(self, prepared: Prepared, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`."""
        explainer = self.stage.explainers[place.explainer]
        calibrations = self.task.calibrations or (explainer.calibration,)
        rows: list[Row] = []
        failures = list(prepared.failures)
        # Item by item: the maps of all prompts are many times what a map of one is.
        for asked in prepared.asked:
            self._listen_to_silence(asked, place)
            try:
                recording = asked.heard.recording(place.domain, place.scale)
                targets = [self.classes.target(prompt) for prompt in asked.prompts]
                maps = maps_of(explainer, recording, targets, forwards, asked.heard.answers)
            except Exception as error:
                failures.append(Failure.of(asked.heard.item.name, error))
            else:
                for calibration in calibrations:
                    masks = np.stack([to_mask(relevance, recording.grid.in_band, calibration) for relevance in maps])
                    rows += self._rows(asked, recording, masks, calibration)
        return rows, failures

    def _listen_to_silence(self, asked: Asked, place: Place) -> None:
        at = (place.domain, place.scale)
        if at not in asked.silence:
            recording = asked.heard.recording(*at)
            asked.silence[at] = self._cosines(recording, [np.zeros(recording.grid.shape, dtype=np.float32)])[0]

    def _cosines(self, recording: Recording, masks: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """``(K, C)`` cosines of all prompts with what each of K masks keeps."""
        if not masks:
            return np.empty((0, len(self.classes.labels)))
        (windows,) = embed_masks([(recording, torch.from_numpy(np.stack(masks)))])
        return pooled_cosines(self.stage.model, windows, self.classes.text)

    def _rows(self, asked: Asked, recording: Recording, masks: NDArray[Any], calibration: str) -> list[Row]:
        weights = {"own": np.ones(len(masks))}
        if "times-similarity" in self.task.variants:
            weights["times-similarity"] = asked.weight
        scaled = {variant: (masks * weight[:, None, None]).astype(np.float32) for variant, weight in weights.items()}
        similarity = self._similarities(asked, recording, scaled)
        rows = []
        for variant, of_prompts in scaled.items():
            rows += self._report(asked, recording, variant, calibration, of_prompts, similarity[variant])
        return rows

    def _similarities(
        self, asked: Asked, recording: Recording, masks: dict[str, NDArray[Any]]
    ) -> dict[str, NDArray[Any]]:
        """Cosines ``(P,)`` of every prompt with only its mask kept, by variant; equal masks are encoded once."""
        keys = {variant: [mask.tobytes() for mask in of_prompts] for variant, of_prompts in masks.items()}
        pairs = [pair for v, of_prompts in masks.items() for pair in zip(keys[v], of_prompts, strict=True)]
        distinct = {key: mask for key, mask in pairs if mask.any()}
        cosines = dict(zip(distinct, self._cosines(recording, list(distinct.values())), strict=True))
        silence = asked.silence[recording.masking.domain, recording.masking.scale]
        return {
            v: np.array([cosines.get(key, silence)[i] for key, i in zip(keys[v], asked.index, strict=True)])
            for v in masks
        }

    def _report(
        self,
        asked: Asked,
        recording: Recording,
        variant: str,
        calibration: str,
        masks: NDArray[Any],
        similarity_in: NDArray[Any],
    ) -> list[Row]:
        item, absent = asked.heard.item, range(1, len(masks))
        silence = asked.silence[recording.masking.domain, recording.masking.scale][asked.index]
        evidence = AbsentMaps(
            masks=tuple(masks[p] for p in absent),
            masks_present=tuple(masks[0] for _ in absent),
            in_band=recording.grid.in_band,
            similarity=asked.similarity[1:],
            similarity_in=similarity_in[1:],
            level=asked.level[1:],
            silence=silence[1:],
            similarity_in_present=np.repeat(similarity_in[0], len(absent)),
            level_present=np.repeat(asked.level[0], len(absent)),
            silence_present=np.repeat(silence[0], len(absent)),
        )
        found = {name: metric(evidence) for name, metric in self.metrics.items()}
        shared = {
            "snr_met": asked.heard.snr,
            "similarity_present": float(asked.similarity[0]),
            "similarity_in_present": float(similarity_in[0]),
            "level_present": float(asked.level[0]),
            "weight_present": float(asked.weight[0]),
        }
        return [
            Row(
                item=item.name,
                sources=item.sources,
                label=item.label,
                prompt=asked.prompts[p],
                variant=variant,
                calibration=calibration,
                figures={
                    **shared,
                    "similarity": float(asked.similarity[p]),
                    "similarity_in": float(similarity_in[p]),
                    "level": float(asked.level[p]),
                    "weight": float(asked.weight[p]),
                    **{name: float(values[p - 1]) for name, values in found.items()},
                },
                strata={
                    "correct": asked.correct,
                    "hardest": p <= self.task.hardest,
                    "drawn": p > self.task.hardest,
                    "unheard": bool(asked.similarity[p] <= asked.level[p]),
                },
            )
            for p in absent
        ]
