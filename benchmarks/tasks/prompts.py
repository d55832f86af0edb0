"""What an explainer makes of other prompts on the same clip: wrong classes, and the right one in other words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from zsxai.benchmarks.tasks.base import INTERVALS, Failure, Item, Place, Plot, Row, TaskCard, TaskRunner
from zsxai.benchmarks.tasks.classes import Classes
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.question import Question, ask
from zsxai.benchmarks.tasks.settings import Prompting, Task
from zsxai.benchmarks.tasks.sounds import Heard, draw_by_name, hear, maps_of, pooled_cosines
from zsxai.calibration import to_mask
from zsxai.errors import InputError
from zsxai.metrics.base import PromptMaps
from zsxai.metrics.functional import mask_mean
from zsxai.spectral import Grid
from zsxai.target import BoundTarget


class Prompts(Task):
    """Right prompt, wrong prompts, paraphrases.

    Attributes:
        wrong: Other classes asked about, drawn by the clip's name; all of them where the data set has fewer.
        paraphrases: Templates around the explained class, in place of the suite's.
    """

    kind: Literal["prompts"] = "prompts"
    wrong: Annotated[int, Field(ge=1)] = 8
    paraphrases: tuple[str, ...] = ("{}", "a recording of {}", "this is a sound of {}", "i can hear {}")

    def check(self, prompting: Prompting) -> None:
        """See :meth:`Task.check`."""
        if prompting.template in self.paraphrases:
            raise ValueError(f"{prompting.template!r} is the template itself, no paraphrase of it")


@dataclass(frozen=True, eq=False)
class Asked:
    """One item and all prompts asked about it, the right one first, then wrong ones, then paraphrases.

    Attributes:
        question: The item and its explained class.
        targets: P targets.
        similarity: ``(P,)`` cosines of the clip with the prompts.
    """

    question: Question
    targets: list[BoundTarget]
    similarity: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A unit before its explainers."""

    asked: list[Asked]
    failures: list[Failure]


class PromptsRunner(TaskRunner[Prompts, Prepared]):
    """Runs :class:`Prompts`: every clip is explained for P prompts in one call of its explainer.

    Clips encoded per item: 1 for the original, and what the explainers encode themselves; nothing under masks.
    """

    task_type = Prompts
    evidence = PromptMaps
    card = TaskCard(
        title="Prompts",
        strata=("correct",),
        plots=(
            INTERVALS,
            Plot(
                "prompts",
                "zsxai.benchmarks.analyse.plots.scatter:draw_by_similarity",
                "A point per clip and prompt. A mask that follows the prompt empties as the similarity falls; the "
                "\N{GREEK SMALL LETTER RHO} is the mean rank correlation within a clip.",
            ),
        ),
    )

    @cached_property
    def rephrased(self) -> list[Classes]:
        """The same classes under each of the paraphrases."""
        prompting = self.stage.prompting
        return [
            Classes(self.stage.model, self.stage.dataset.labels, prompting.model_copy(update={"template": template}))
            for template in self.task.paraphrases
        ]

    @property
    def kinds(self) -> tuple[str, ...]:
        """``(P,)`` of "right", "wrong" and "paraphrase"; fewer wrong prompts where the classes are too few."""
        wrong = min(self.task.wrong, len(self.classes.labels) - 1)
        return ("right", *["wrong"] * wrong, *["paraphrase"] * len(self.task.paraphrases))

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See :meth:`TaskRunner.prepare`.

        Raises:
            InputError: If the data set has one class only, so that no prompt is wrong.
        """
        if len(self.classes.labels) < 2:
            raise InputError("the task 'prompts' asks about wrong classes: the data set needs two classes or more")
        heard, failures = hear(self.stage, items)
        return Prepared([self._ask(h) for h in heard], failures)

    def _ask(self, heard: Heard) -> Asked:
        question = ask(self.classes, heard)
        right = question.explained
        others = [label for label in self.classes.labels if label != right]
        wrong = draw_by_name(heard.item.name, others, self.task.wrong)
        targets = [self.classes.target(label) for label in (right, *wrong)]
        targets += [classes.target(right) for classes in self.rephrased]
        # The first row of a target's text is its prompt.
        text = torch.stack([target.text[0] for target in targets])
        windows = [embedded[None] for embedded in heard.windows]
        return Asked(question, targets, pooled_cosines(self.stage.model, windows, text)[0])

    def measure(self, prepared: Prepared, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`."""
        explainer = self.stage.explainers[place.explainer]
        calibrations = self.task.calibrations or (explainer.calibration,)
        rows: list[Row] = []
        failures = list(prepared.failures)
        # Item by item: the maps of all prompts are many times what a map of one is.
        for asked in prepared.asked:
            heard = asked.question.heard
            try:
                recording = heard.recording(place.domain, place.scale)
                maps = maps_of(explainer, recording, asked.targets, forwards, heard.answers)
            except Exception as error:
                failures.append(Failure.of(heard.item.name, error))
            else:
                rows += [self._row(asked, recording.grid, maps, calibration) for calibration in calibrations]
        return rows, failures

    def _row(self, asked: Asked, grid: Grid, maps: NDArray[Any], calibration: str) -> Row:
        """One line; its ``mask_means`` and ``similarities`` lie in the order of :attr:`kinds`."""
        masks = np.stack([to_mask(relevance, grid.in_band, calibration) for relevance in maps])
        evidence = PromptMaps((masks,), asked.similarity[None], self.kinds, grid.in_band)
        heard, kinds = asked.question.heard, self.kinds
        return Row(
            item=heard.item.name,
            sources=heard.item.sources,
            label=heard.item.label,
            prompt=asked.question.explained,
            variant="own",
            calibration=calibration,
            figures={
                "similarity": float(asked.similarity[0]),
                "snr_met": heard.snr,
                "wrong": float(kinds.count("wrong")),
                "paraphrases": float(kinds.count("paraphrase")),
                "mask_means": mask_mean(masks, grid.in_band).tolist(),
                "similarities": asked.similarity.tolist(),
                **{name: float(metric(evidence)[0]) for name, metric in self.metrics.items()},
            },
            strata={"correct": asked.question.correct},
        )
