"""What tasks on mixtures of two known sounds share: which are mixed, and all of them mixed and encoded once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from zsxai.benchmarks.tasks.base import Failure, Item, Place, Row, TaskRunner
from zsxai.benchmarks.tasks.contamination import Sound
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.mixtures import Truth, level_difference, mix, pair_items, truth_of
from zsxai.benchmarks.tasks.settings import Contamination, Task
from zsxai.benchmarks.tasks.sounds import Heard, encode_originals, pooled_cosines
from zsxai.data.clip import Dataset
from zsxai.explainer import Explainer

TOP = 5
"""A model hears a sound in a mixture where its class is among so many best ones."""
STRATA = ("both-heard", "alone", "distinct")
"""See :class:`MixingRunner`."""

Figures = tuple[dict[str, float], dict[str, float]]
"""Numbers by name, for the first prompt and for the second."""


class Mixing(Task):
    """Mixtures of two clips whose truth is known, asked for each in turn.

    Attributes:
        snrs: Decibels of the first over the second, over the active frames of both.
        matchings: Random perfect matchings of the clips, so that every clip comes as often as another. The same pairs
            for all seeds: those are of explainers.
    """

    snrs: Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=1)] = (0.0,)
    matchings: Annotated[int, Field(ge=1, le=1000)] = 1

    @model_validator(mode="after")
    def _mixes_itself(self) -> Self:
        if any(c.kind != "clean" for c in self.contaminations):
            raise ValueError(f"{self.kind} mixes its clips itself: leave contaminations out")
        if len({f"{snr:g}" for snr in self.snrs}) < len(self.snrs):
            raise ValueError(f"{self.kind} is asked for an SNR twice")
        return self


@dataclass(frozen=True, eq=False)
class Mixture:
    """One mixture before a model.

    Attributes:
        heard: The mixture, encoded.
        sounds: ``(2, T)`` float32, which it is the sum of.
        truth: Whose its cells are.
        known: What rows say of each prompt, whatever the explainer: ``similarity``, ``rank``, ``snr_met``.
        strata: See :class:`MixingRunner`.
        oracles: Figures of oracles by kind of mask and cells: explainers on the same cells share theirs.
    """

    heard: Heard
    sounds: NDArray[Any]
    truth: Truth
    known: Figures
    strata: dict[str, bool]
    oracles: dict[object, Figures]

    def row(self, which: int, **about: Any) -> Row:
        """A row on one of its two prompts."""
        item = self.heard.item
        prompt = item.clips[which].label
        about = {**about, "figures": {**self.known[which], **about["figures"]}}
        about["strata"] = {**self.strata, **about.get("strata", {})}
        return Row(item=item.name, sources=item.sources, label=item.label, prompt=prompt, **about)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A unit before its explainers."""

    mixtures: list[Mixture]
    failures: list[Failure]


M = TypeVar("M", bound=Mixing)


class MixingRunner(TaskRunner[M, Prepared]):
    """Base of runners on mixtures: two rows per mixture and explainer, one per prompt.

    Strata: ``both-heard``, both prompts are among the five best classes of the mixture; ``alone``, both clips are
    named right by themselves; ``distinct``, the prompts' cosine is not above the 95th percentile of all pairs of
    classes.

    Clips encoded for each unit: its mixtures, and every distinct clip by itself.
    """

    @cached_property
    def _alike(self) -> NDArray[Any]:
        """``(C, C)`` cosines of the classes' prompts, above the diagonal."""
        text = self.classes.text.double()
        return np.triu((text @ text.T).cpu().numpy(), 1)

    @cached_property
    def _confusable(self) -> float:
        """The 95th percentile over all pairs of classes: prompts nearer than that are hard to distinguish."""
        return float(np.percentile(self._alike[np.triu_indices(len(self._alike), 1)], 95))

    @classmethod
    def items(
        cls, task: Task, dataset: Dataset, contamination: Contamination, seed: int, others: Dataset | None
    ) -> list[Item]:
        """See :meth:`TaskRunner.items` and :func:`~zsxai.benchmarks.tasks.mixtures.pair_items`."""
        if not isinstance(task, cls.task_type) or not isinstance(task, Mixing):
            raise TypeError(f"{cls.__name__} carries out a {cls.task_type.__name__}, not {task.kind!r}")
        return pair_items(dataset.clips, task.matchings, task.snrs)

    @classmethod
    def sound(cls, task: Task, item: Item, contamination: Contamination, seed: int, rate: int) -> Sound:
        """See :meth:`TaskRunner.sound`: the sum of the two."""
        first, second = (clip.read().at(rate) for clip in item.clips)
        return Sound(mix(first, second, rate, item.snr or 0.0).sum(axis=0), item.snr)

    @abstractmethod
    def rows(self, mixture: Mixture, explainer: Explainer, place: Place, forwards: Forwards) -> list[Row]:
        """Rows of one explainer on one mixture: two for every variant."""

    def measure(self, prepared: Prepared, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`."""
        explainer = self.stage.explainers[place.explainer]
        rows: list[Row] = []
        failures = list(prepared.failures)
        for mixture in prepared.mixtures:
            try:
                rows += self.rows(mixture, explainer, place, forwards)
            except Exception as error:
                failures.append(Failure.of(mixture.heard.item.name, error))
        return rows, failures

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See :meth:`TaskRunner.prepare`."""
        stage, rate = self.stage, self.stage.model.sample_rate
        clips: dict[str, NDArray[Any]] = {}
        mixed: list[tuple[Heard, NDArray[Any]]] = []
        failures = []
        for item in items:
            try:
                for clip in item.clips:
                    if clip.name not in clips:
                        clips[clip.name] = clip.read().at(rate)
                first, second = (clips[clip.name] for clip in item.clips)
                sounds = mix(first, second, rate, item.snr or 0.0)
                met = level_difference(sounds[0], sounds[1], rate)
                mixed.append((Heard(item, sounds[0] + sounds[1], met, stage.model, stage.seed), sounds))
            except Exception as error:
                failures.append(Failure.left_out(item.name, error))
        by_itself = {clip.name: clip for heard, _ in mixed for clip in heard.item.clips}
        alone = {
            name: Heard(Item(name, (clip,), clip.label), clips[name], float("nan"), stage.model, stage.seed)
            for name, clip in by_itself.items()
        }
        encode_originals(stage, [*(heard for heard, _ in mixed), *alone.values()])
        named = {name for name, heard in alone.items() if self._predicted(heard) == heard.item.label}
        return Prepared([self._mixture(heard, sounds, named) for heard, sounds in mixed], failures)

    def _cosines(self, heard: Heard) -> NDArray[Any]:
        windows = [embedded[None] for embedded in heard.windows]
        cosines: NDArray[Any] = pooled_cosines(self.stage.model, windows, self.classes.text)[0]
        return cosines

    def _predicted(self, heard: Heard) -> str:
        return self.classes.labels[int(self._cosines(heard).argmax())]

    def _mixture(self, heard: Heard, sounds: NDArray[Any], named: set[str]) -> Mixture:
        cosines = self._cosines(heard)
        at = [self.classes.labels.index(clip.label) for clip in heard.item.clips]
        rank = [1 + int((cosines > cosines[i]).sum()) for i in at]
        met = (heard.snr, -heard.snr)
        known = [
            {"similarity": float(cosines[i]), "rank": float(r), "snr_met": snr}
            for i, r, snr in zip(at, rank, met, strict=True)
        ]
        strata = {
            "both-heard": max(rank) <= TOP,
            "alone": all(clip.name in named for clip in heard.item.clips),
            "distinct": bool(self._alike[min(at), max(at)] <= self._confusable),
        }
        recording = heard.recording("stft", "log")
        return Mixture(heard, sounds, truth_of(recording, sounds), (known[0], known[1]), strata, {})
