"""Scenes of several clips one after the other: does the mask stay where the sound is, and find all of it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from zsxai.benchmarks.tasks.base import INTERVALS, Failure, Item, Place, Row, TaskCard, TaskRunner, in_hash_order
from zsxai.benchmarks.tasks.contamination import Sound
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.mixtures import join
from zsxai.benchmarks.tasks.settings import Contamination, Task
from zsxai.benchmarks.tasks.sounds import Heard, draw_by_name, encode_originals, maps_of, pooled_cosines
from zsxai.calibration import to_mask
from zsxai.data.clip import Dataset, LabelledClip
from zsxai.explainer import Explainer
from zsxai.metrics.base import SceneMaps
from zsxai.metrics.functional import mask_mean
from zsxai.recording import Recording
from zsxai.verdict.presence import Listener, Presence


class Scenes(Task):
    """Clips of equal loudness joined end to end: one class in some of them, other classes in the rest.

    Attributes:
        clips: Clips of a scene.
        having: In how many of them the class is: a scene for each number, where the data set has as many recordings.
        most: Clips that scenes are made about, the first in hash order.
        variants: ``plain``: masks of which all windows count alike. The explainers' own let windows stay dark that do
            not hear the prompt, as :func:`zsxai.explain` does.
    """

    kind: Literal["scenes"] = "scenes"
    clips: Annotated[int, Field(ge=2, le=60)] = 6
    having: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1, 2)
    most: Annotated[int, Field(ge=1)] = 100
    variants: tuple[Literal["plain"], ...] = ("plain",)

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if any(c.kind != "clean" for c in self.contaminations):
            raise ValueError("scenes are made of clean clips: leave contaminations out")
        if max(self.having) >= self.clips:
            raise ValueError(f"a scene of {self.clips} clips has the class in {self.clips - 1} of them at most")
        return self


@dataclass(frozen=True, kw_only=True)
class Scene(Item):
    """A scene: its clips in their order.

    Attributes:
        having: How many of them have the class.
    """

    having: int

    @property
    def sources(self) -> tuple[str, ...]:
        """Recordings that have the class: intervals are drawn over these, the others being their surroundings."""
        return tuple(dict.fromkeys(clip.source for clip in self.clips if self.label in clip.classes))


@dataclass(frozen=True, eq=False)
class Asked:
    """A scene before a model.

    Attributes:
        heard: Its sound.
        places: ``(K, 2)`` first sample, and one past the last, of the clips that have the class.
        presence: How the model hears the class.
        alone: Whether each of these clips is named right by itself.
    """

    heard: Heard
    places: list[tuple[int, int]]
    presence: Presence
    alone: bool


@dataclass(frozen=True, eq=False)
class Prepared:
    """A unit before its explainers."""

    asked: list[Asked]
    failures: list[Failure]


def make_scenes(clips: Sequence[LabelledClip], count: int, having: Sequence[int], most: int) -> list[Item]:
    """Draw scenes by the names of their clips: the same on every machine and for every explainer.

    Args:
        clips: Clips.
        count: Clips of a scene, each of another recording.
        having: In how many of them the class is.
        most: Clips that scenes are made about.
    """
    ordered = in_hash_order(clips)
    by_name = {clip.name: clip for clip in ordered}
    found: list[Item] = []
    for clip in ordered[:most]:
        for number in having:
            name = f"{clip.name} in {number} of {count}"
            chosen = [clip]
            for wanted, right in ((number, True), (count, False)):
                fitting = [c.name for c in ordered if (clip.label in c.classes) == right]
                for drawn in draw_by_name(name, fitting, len(fitting)):
                    if len(chosen) < wanted and by_name[drawn].source not in {c.source for c in chosen}:
                        chosen.append(by_name[drawn])
            if [clip.label in c.classes for c in chosen] == [True] * number + [False] * (count - number):
                order = draw_by_name(f"{name}, order", [c.name for c in chosen], count)
                found.append(Scene(name, tuple(by_name[n] for n in order), clip.label, having=number))
    return found


class ScenesRunner(TaskRunner[Scenes, Prepared]):
    """Runs :class:`Scenes`: one row per scene, explainer and variant.

    Every row has the figure ``evidence``: above 0 the model hears the class in the scene.

    Strata: ``once`` and ``several-times``, in how many clips the class is; ``heard`` and ``not-heard``, whether the
    model hears it in the scene; ``alone``, every clip that has it is named right by itself.

    Clips encoded per scene: its windows, and the clips that have the class; besides, what the explainers encode
    themselves. Nothing is encoded under masks.
    """

    task_type = Scenes
    evidence = SceneMaps
    card = TaskCard(title="Scenes", strata=("once", "several-times", "heard", "not-heard", "alone"), plots=(INTERVALS,))

    @cached_property
    def _listener(self) -> Listener:
        return Listener(self.stage.model, progress=False)

    @classmethod
    def items(
        cls, task: Task, dataset: Dataset, contamination: Contamination, seed: int, others: Dataset | None
    ) -> list[Item]:
        """See :meth:`TaskRunner.items` and :func:`make_scenes`."""
        if not isinstance(task, Scenes):
            raise TypeError(f"{cls.__name__} carries out a Scenes, not {task.kind!r}")
        return make_scenes(dataset.clips, task.clips, task.having, task.most)

    @classmethod
    def sound(cls, task: Task, item: Item, contamination: Contamination, seed: int, rate: int) -> Sound:
        """See :meth:`TaskRunner.sound`: its clips, one after the other."""
        return Sound(join([clip.read().at(rate) for clip in item.clips], rate), None)

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See :meth:`TaskRunner.prepare`."""
        rate = self.stage.model.sample_rate
        clips: dict[str, NDArray[Any]] = {}
        scenes: list[tuple[Heard, list[tuple[int, int]]]] = []
        failures = []
        for item in items:
            try:
                for clip in item.clips:
                    if clip.name not in clips:
                        clips[clip.name] = clip.read().at(rate)
                sounds = [clips[clip.name] for clip in item.clips]
                scenes.append((self._hear(item, join(sounds, rate)), _places(item, sounds)))
            except Exception as error:
                failures.append(Failure.left_out(item.name, error))
        # By itself, a clip is as loud as it is in its scene.
        alone = [[self._hear(h.item, h.waveform[start:stop]) for start, stop in places] for h, places in scenes]
        encode_originals(self.stage, [*(h for h, _ in scenes), *(h for parts in alone for h in parts)])
        return Prepared([self._ask(*of, parts) for of, parts in zip(scenes, alone, strict=True)], failures)

    def _hear(self, item: Item, waveform: NDArray[Any]) -> Heard:
        return Heard(item, waveform, float("nan"), self.stage.model, self.stage.seed)

    def _ask(self, heard: Heard, places: list[tuple[int, int]], alone: Sequence[Heard]) -> Asked:
        own = self.classes.labels.index(heard.item.label)
        text = self.classes.text
        cosines = [pooled_cosines(self.stage.model, [w[None] for w in part.windows], text)[0] for part in alone]
        windows = torch.stack(heard.windows).float().cpu().numpy()
        presence = self._listener.ask(windows, text[own].float().cpu().numpy(), heard.plain.side_by_side)
        return Asked(heard, places, presence, all(int(row.argmax()) == own for row in cosines))

    def measure(self, prepared: Prepared, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`."""
        explainer = self.stage.explainers[place.explainer]
        rows: list[Row] = []
        failures = list(prepared.failures)
        for asked in prepared.asked:
            try:
                rows += self._rows(asked, explainer, place, forwards)
            except Exception as error:
                failures.append(Failure.of(asked.heard.item.name, error))
        return rows, failures

    def _rows(self, asked: Asked, explainer: Explainer, place: Place, forwards: Forwards) -> list[Row]:
        recording = asked.heard.recording(place.domain, place.scale)
        target = self.classes.target(asked.heard.item.label)
        (relevance,) = maps_of(explainer, recording, [target], forwards, asked.heard.answers)
        weights = asked.presence.weights()
        dark = recording.over_frames(weights) if weights else None
        frames: dict[str, NDArray[Any] | None] = {"own": dark} | dict.fromkeys(self.task.variants)
        return [
            self._row(
                asked, recording, to_mask(relevance, recording.grid.in_band, calibration, of), variant, calibration
            )
            for calibration in self.task.calibrations or (explainer.calibration,)
            for variant, of in frames.items()
        ]

    def _row(self, asked: Asked, recording: Recording, mask: NDArray[Any], variant: str, calibration: str) -> Row:
        item, in_band = asked.heard.item, recording.grid.in_band
        times = recording.grid.times * recording.model.sample_rate
        places = np.stack([(times >= start) & (times < stop) for start, stop in asked.places])
        evidence = SceneMaps((mask,), (places,), in_band)
        heard = asked.presence.evidence > 0
        return Row(
            item=item.name,
            sources=item.sources,
            label=item.label,
            prompt=item.label,
            variant=variant,
            calibration=calibration,
            figures={
                "evidence": asked.presence.evidence,
                "mask_mean": float(mask_mean(mask[None], in_band)[0]),
                **{name: float(metric(evidence)[0]) for name, metric in self.metrics.items()},
            },
            strata={
                "once": len(asked.places) == 1,
                "several-times": len(asked.places) > 1,
                "heard": heard,
                "not-heard": not heard,
                "alone": asked.alone,
            },
        )


def _places(item: Item, sounds: Sequence[NDArray[Any]]) -> list[tuple[int, int]]:
    """First sample, and one past the last, of the clips that have the class."""
    ends = np.cumsum([len(sound) for sound in sounds]).tolist()
    starts = [0, *ends[:-1]]
    return [(a, b) for clip, a, b in zip(item.clips, starts, ends, strict=True) if item.label in clip.classes]
