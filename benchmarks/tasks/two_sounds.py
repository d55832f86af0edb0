"""Mixtures of two known sounds: does a map find the one that was asked for?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from zsxai.benchmarks.tasks.base import Failure, Item, Place, Plot, Row, Stage, TaskCard, TaskRunner
from zsxai.benchmarks.tasks.contamination import Sound
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.mixtures import Truth, beside_truth, level_difference, mix, pair_items, truth_of
from zsxai.benchmarks.tasks.oracles import Cells, oracle, resolution
from zsxai.benchmarks.tasks.settings import Contamination, Task
from zsxai.benchmarks.tasks.sounds import Heard, encode_originals, pooled_cosines, stitch_maps
from zsxai.calibration import to_mask
from zsxai.data.clip import Dataset
from zsxai.explainer import Explainer
from zsxai.metrics import functional
from zsxai.metrics.base import MixtureMaps
from zsxai.recording import Recording
from zsxai.scoring import kept_energy

TOP = 5
"""A model hears a sound in a mixture where its class is among so many best ones."""

Figures = tuple[dict[str, float], dict[str, float]]
"""Numbers by name, for the first prompt and for the second."""


class TwoSounds(Task):
    """Mixtures of two clips whose truth is known, asked for each in turn.

    Attributes:
        snrs: Decibels of the first over the second, over the active frames of both.
        matchings: Random perfect matchings of the clips, so that every clip comes as often as another. The same pairs
            for all seeds: those are of explainers.
        resolutions: Cells of which the oracle is measured besides, such as ``"125x16"``: parts of the time by parts of
            the band. Their rows stand with one of the controls, as variants ``oracle 125x16``.
    """

    kind: Literal["two-sounds"] = "two-sounds"
    snrs: Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=1)] = (0.0,)
    matchings: Annotated[int, Field(ge=1, le=1000)] = 1
    resolutions: tuple[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}x[1-9][0-9]{0,2}$")], ...] = ()

    @model_validator(mode="after")
    def _mixes_itself(self) -> Self:
        if any(c.kind != "clean" for c in self.contaminations):
            raise ValueError("two-sounds mixes its clips itself: leave contaminations out")
        if len({f"{snr:g}" for snr in self.snrs}) < len(self.snrs) or len({*self.resolutions}) < len(self.resolutions):
            raise ValueError("two-sounds is asked for an SNR or a resolution twice")
        return self


@dataclass(frozen=True, eq=False)
class Mixture:
    """One mixture before a model.

    Attributes:
        heard: The mixture, encoded.
        sounds: ``(2, T)`` float32, which it is the sum of.
        truth: Whose its cells are.
        known: What rows say of each prompt, whatever the explainer: ``similarity``, ``rank``, ``snr_met``.
        strata: See :class:`TwoSoundsRunner`.
        oracles: Figures of oracles by kind of mask and cells: explainers on the same cells share theirs.
    """

    heard: Heard
    sounds: NDArray[Any]
    truth: Truth
    known: Figures
    strata: dict[str, bool]
    oracles: dict[object, Figures]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A unit before its explainers."""

    mixtures: list[Mixture]
    failures: list[Failure]


class TwoSoundsRunner(TaskRunner[TwoSounds, Prepared]):
    """Runs :class:`TwoSounds`: two rows per mixture and explainer, one per prompt.

    Everything is judged on STFT bins within the model's band; a mel mask and its relevance are carried there by the
    bank's own weights. SI-SDR is of what the explanation sounds like, against the sound within the band.

    Variants: ``own``; ``oracle``, the true share of the prompt's sound read on the explainer's own cells and carried
    the same way (cells of one bin and frame, as those of ``energy``, give the ideal ratio mask); with one of the
    controls one ``oracle <resolution>`` for each that the task names. An oracle is a reference for a resolution, not
    a bound: another pooling of the truth on the same cells can exceed it a little, and delta-energy and pointing reward
    the surest cells alone.

    Strata: ``both-heard``, both prompts are among the five best classes of the mixture; ``alone``, both clips are
    named right by themselves; ``distinct``, the prompts' cosine is not above the 95th percentile of all pairs of
    classes.

    Clips encoded for each unit: its mixtures, and every distinct clip by itself; besides, what the explainers encode
    themselves. Nothing is encoded under masks.
    """

    task_type = TwoSounds
    evidence = MixtureMaps
    card = TaskCard(
        title="Two sounds",
        strata=("both-heard", "alone", "distinct"),
        paired_by=("item", "prompt"),
        plots=(
            Plot(
                "two-sounds",
                "zsxai.benchmarks.analyse.plots.intervals:draw_beside_oracles",
                "Every method beside the true share of the sound drawn on its own cells (its ceiling), and blind "
                "controls (its floor).",
            ),
        ),
    )

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.renders = any("estimate" in metric.needs for metric in self.metrics.values())

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
        if not isinstance(task, TwoSounds):
            raise TypeError(f"{cls.__name__} carries out a TwoSounds, not {task.kind!r}")
        return pair_items(dataset.clips, task.matchings, task.snrs)

    @classmethod
    def sound(cls, task: Task, item: Item, contamination: Contamination, seed: int, rate: int) -> Sound:
        """See :meth:`TaskRunner.sound`: the sum of the two."""
        first, second = (clip.read().at(rate) for clip in item.clips)
        return Sound(mix(first, second, rate, item.snr or 0.0).sum(axis=0), item.snr)

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

    def measure(self, prepared: Prepared, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`."""
        explainer = self.stage.explainers[place.explainer]
        rows: list[Row] = []
        failures = list(prepared.failures)
        for mixture in prepared.mixtures:
            try:
                rows += self._rows(mixture, explainer, place, forwards)
            except Exception as error:
                failures.append(Failure.of(mixture.heard.item.name, error))
        return rows, failures

    def _rows(self, mixture: Mixture, explainer: Explainer, place: Place, forwards: Forwards) -> list[Row]:
        recording = mixture.heard.recording(place.domain, place.scale)
        targets = [self.classes.target(clip.label) for clip in mixture.heard.item.clips]
        with forwards.on_behalf_of("explainer"):
            relevance = [explainer.relevance(clip, targets) for clip in recording.clips]
        maps = stitch_maps(recording, relevance)
        rows: list[Row] = []
        for calibration in self.task.calibrations or (explainer.calibration,):
            rows += _rows_of(mixture, "own", calibration, self._figures(mixture, recording, maps, calibration))
        cells: dict[str, list[Cells]] = {"oracle": [(r.grid, r.on) for r in relevance]}
        if place.explainer == self._bearer:
            cells |= {f"oracle {n}": [resolution(clip, n) for clip in recording.clips] for n in self.task.resolutions}
        for variant, where in cells.items():
            rows += _rows_of(mixture, variant, "identity", self._oracle(mixture, recording, where))
        return rows

    @cached_property
    def _bearer(self) -> str | None:
        """Label of the control that the named resolutions stand with: the last one that runs once on every model."""
        cards = {label: explainer.card for label, explainer in self.stage.explainers.items()}
        once = [k for k, card in cards.items() if card.control and card.deterministic and not card.needs_gradients]
        return once[-1] if once else None

    def _oracle(self, mixture: Mixture, recording: Recording, cells: Sequence[Cells]) -> Figures:
        where = tuple((grid.frequency_edges.tobytes(), grid.time_edges.tobytes(), on) for grid, on in cells)
        key = (recording.masking, where)
        if key not in mixture.oracles:
            maps = oracle(recording, mixture.sounds, cells)
            mixture.oracles[key] = self._figures(mixture, recording, maps, "identity")
        return mixture.oracles[key]

    def _figures(self, mixture: Mixture, recording: Recording, maps: NDArray[Any], calibration: str) -> Figures:
        in_band = recording.grid.in_band
        masks = np.stack([to_mask(relevance, in_band, calibration) for relevance in maps])
        estimate = tuple(recording.render(torch.from_numpy(masks)).cpu().numpy()) if self.renders else None
        evidence = beside_truth(recording, mixture.truth, maps, masks, estimate)
        values = {
            "mask_mean": functional.mask_mean(masks, in_band),
            "kept_energy": kept_energy(recording, torch.from_numpy(masks)),
            **{name: metric(evidence) for name, metric in self.metrics.items()},
        }
        own, other = ({name: float(v[k]) for name, v in values.items()} for k in (0, 1))
        return own, other


def _rows_of(mixture: Mixture, variant: str, calibration: str, figures: Figures) -> list[Row]:
    item = mixture.heard.item
    return [
        Row(
            item=item.name,
            sources=item.sources,
            label=item.label,
            prompt=clip.label,
            variant=variant,
            calibration=calibration,
            figures={**known, **found},
            strata=mixture.strata,
        )
        for clip, known, found in zip(item.clips, mixture.known, figures, strict=True)
    ]
