"""Does a map change when the model no longer knows anything? Weights drawn anew from the last layers to the first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zsxai.benchmarks.tasks.base import Failure, Item, Place, Plot, Row, TaskCard, TaskRunner
from zsxai.benchmarks.tasks.cascade import Layer, Tower, drawn_anew, layers_of, steps
from zsxai.benchmarks.tasks.classes import Classes
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.question import Question, ask
from zsxai.benchmarks.tasks.settings import Task
from zsxai.benchmarks.tasks.sounds import Heard, encode_originals, hear, maps_of, pooled_cosines
from zsxai.calibration import to_mask
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.metrics.base import RandomisedMaps
from zsxai.spectral import Grid


class Randomisation(Task):
    """The same question to the model with weights drawn anew, from the last layers to the first.

    Attributes:
        levels: Steps of the cascade, each of about as many layers; a tower of fewer layers has as many as these.
        towers: Which side is randomised, the other one left as it is.
    """

    kind: Literal["randomisation"] = "randomisation"
    levels: Annotated[int, Field(ge=1)] = 4
    towers: tuple[Tower, ...] = ("audio", "text")


@dataclass(frozen=True, eq=False)
class Level:
    """A step of a cascade.

    Attributes:
        variant: ``audio 1/4``, or ``own`` for the model as it is.
        number: From 1; 0 for the model as it is.
        fresh: Layers drawn anew at this step, on top of those of the steps before.
        drawn: Number of layers drawn anew by now.
        classes: The prompts, embedded at this level.
    """

    variant: str
    number: int
    fresh: list[Layer]
    drawn: int
    classes: Classes


@dataclass(frozen=True, eq=False)
class Prepared:
    """A unit before its explainers.

    Attributes:
        questions: What is asked, by the model as it is.
        heard: By variant, the same sounds with their embeddings at that level.
        failures: Items that could not be read.
    """

    questions: list[Question]
    heard: dict[str, list[Heard]]
    failures: list[Failure]


@dataclass(frozen=True, eq=False)
class Explained:
    """An item, by its place in the unit, and its map ``(F, N)`` by the model as it is."""

    index: int
    question: Question
    relevance: NDArray[Any]
    in_band: NDArray[Any]


class RandomisationRunner(TaskRunner[Randomisation, Prepared]):
    """Runs the task ``randomisation``.

    The class explained is the one that the untouched model's answer gives, at every level; explainer and calibration
    stay as well. Clip and prompts are embedded anew at every level, so the audio cascade leaves the prompts' embeddings
    as they are and the text cascade the clip's, but for layers that both towers use. The draw depends on the seed and
    the layer alone: a level keeps what the levels before it drew, and every item, explainer and worker meets the same
    weights.

    Clips encoded per item: 1 for the original and 1 for every level, shared by all explainers, and what these encode
    themselves, anew for every kind of mask; once per runner, about one noise for every layer.
    """

    task_type = Randomisation
    evidence = RandomisedMaps
    card = TaskCard(
        title="Randomisation",
        strata=("correct",),
        draws=True,
        variants_as_columns=True,
        plots=(
            Plot(
                "randomisation",
                "zsxai.benchmarks.analyse.plots.curves:draw_cascades",
                "Likeness of the maps of the model and of the model with weights drawn anew, step by step. A map that "
                "stays the same does not show what the model learned. Shades: 95 % intervals.",
            ),
        ),
    )

    @cached_property
    def untouched(self) -> Level:
        """The model as it is."""
        return Level("own", 0, [], 0, self._classes())

    def _classes(self) -> Classes:
        return Classes(self.stage.model, self.stage.dataset.labels, self.stage.prompting)

    @cached_property
    def _cascades(self) -> tuple[dict[Tower, list[Level]], list[Failure]]:
        """Levels by tower, and the towers that have none."""
        cascades: dict[Tower, list[Level]] = {}
        failures = []
        for tower in self.task.towers:
            try:
                groups = steps(layers_of(self.stage.model, tower), self.task.levels)
            except InputError as error:
                failures.append(Failure.of("", error))
                continue
            drawn, levels = 0, []
            with ExitStack() as stack:
                for number, group in enumerate(groups, start=1):
                    stack.enter_context(drawn_anew(group, self.stage.seed))
                    drawn += len(group)
                    levels.append(Level(f"{tower} {number}/{len(groups)}", number, group, drawn, self._classes()))
            cascades[tower] = levels
        return cascades, failures

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See :meth:`TaskRunner.prepare`.

        Raises:
            InputError: If no tower of the model has torch weights.
        """
        cascades, missing = self._cascades
        if not cascades:
            raise InputError(
                f"{self.stage.model.card.name} has no torch weights that can be drawn anew: "
                "leave it out of the task 'randomisation'"
            )
        heard, failures = hear(self.stage, items)
        questions = [ask(self.untouched.classes, h) for h in heard]
        by_variant = {self.untouched.variant: heard}
        for levels in cascades.values():
            with ExitStack() as stack:
                for level in levels:
                    stack.enter_context(drawn_anew(level.fresh, self.stage.seed))
                    by_variant[level.variant] = self._encoded(heard)
        return Prepared(questions, by_variant, [*missing, *failures])

    def _encoded(self, heard: Sequence[Heard]) -> list[Heard]:
        """The same sounds as the model hears them now."""
        anew = [Heard(h.item, h.waveform, h.snr, h.model, h.seed) for h in heard]
        encode_originals(self.stage, anew)
        return anew

    def measure(self, prepared: Prepared, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`; ``own`` rows explain the untouched model once more, after the cascades."""
        explainer = self.stage.explainers[place.explainer]
        rows: list[Row] = []
        failures = list(prepared.failures)
        explained = []
        for index, question in enumerate(prepared.questions):
            try:
                relevance, grid = self._explain(prepared, index, self.untouched, place, forwards)
            except Exception as error:
                failures.append(Failure.of(question.heard.item.name, error))
            else:
                explained.append(Explained(index, question, relevance, grid.in_band))

        def compare(level: Level) -> None:
            for own in explained:
                try:
                    relevance, _ = self._explain(prepared, own.index, level, place, forwards)
                except Exception as error:
                    name = own.question.heard.item.name
                    failures.append(Failure(name, f"{level.variant}: {Failure.of(name, error).error}"))
                else:
                    rows.extend(self._rows(prepared, own, level, relevance, explainer))

        for levels in self._cascades[0].values():
            with ExitStack() as stack:
                for level in levels:
                    stack.enter_context(drawn_anew(level.fresh, self.stage.seed))
                    compare(level)
        compare(self.untouched)
        return rows, failures

    def _explain(
        self, prepared: Prepared, index: int, level: Level, place: Place, forwards: Forwards
    ) -> tuple[NDArray[Any], Grid]:
        """The map ``(F, N)`` of the explained class, on a recording that remembers nothing of another level."""
        heard = prepared.heard[level.variant][index]
        fresh = Heard(heard.item, heard.waveform, heard.snr, heard.model, heard.seed, heard.windows)
        recording = fresh.recording(place.domain, place.scale)
        target = level.classes.target(prepared.questions[index].explained)
        explainer = self.stage.explainers[place.explainer]
        return maps_of(explainer, recording, [target], forwards)[0], recording.grid

    def _rows(
        self, prepared: Prepared, own: Explained, level: Level, relevance: NDArray[Any], explainer: Explainer
    ) -> list[Row]:
        question, in_band = own.question, own.in_band
        item, heard = question.heard.item, prepared.heard[level.variant][own.index]
        text = level.classes.target(question.explained).text[:1]
        windows = [embedded[None] for embedded in heard.windows]
        similarity = float(pooled_cosines(self.stage.model, windows, text)[0, 0])
        rows = []
        for calibration in self.task.calibrations or (explainer.calibration,):
            before, after = (to_mask(r, in_band, calibration) for r in (own.relevance, relevance))
            evidence = RandomisedMaps((before,), (after,), in_band)
            rows.append(
                Row(
                    item=item.name,
                    sources=item.sources,
                    label=item.label,
                    prompt=question.explained,
                    variant=level.variant,
                    calibration=calibration,
                    figures={
                        "level": float(level.number),
                        "layers": float(level.drawn),
                        "similarity": similarity,
                        "snr_met": heard.snr,
                        "unchanged": float(np.array_equal(before, after)),
                        **{name: float(metric(evidence)[0]) for name, metric in self.metrics.items()},
                    },
                    strata={"correct": question.correct},
                )
            )
        return rows
