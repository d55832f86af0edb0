"""Does the model hear what is there, and not what is not? It needs no map: rules are compared, not explainers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from zsxai.benchmarks.tasks.base import INTERVALS, Failure, Item, Place, Row, TaskCard, TaskRunner
from zsxai.benchmarks.tasks.contamination import Sound, white_noise
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.decomposing import own_row, report
from zsxai.benchmarks.tasks.settings import Contamination, Task
from zsxai.benchmarks.tasks.sounds import draw_by_name, hear
from zsxai.benchmarks.tasks.whole import ROWS, Part, Whole
from zsxai.benchmarks.tasks.words import load_outside
from zsxai.data.clip import Dataset, LabelledClip
from zsxai.errors import InputError
from zsxai.metrics.base import HeardPrompts
from zsxai.model import ZeroShotModel
from zsxai.prompt import embed_prompts
from zsxai.verdict.bank import bank_of, hash_bank
from zsxai.verdict.presence import Listener

Rule = Literal["reference", "bank", "cosine", "percentile"]
RULES: tuple[Rule, ...] = get_args(Rule)
"""How prompts are heard: as the verdict does, with the model's figures and by the bank alone; and two rules to read
these beside, which have no threshold of their own."""
DECIDE = RULES[:2]
"""Those that say at which evidence a prompt counts as heard."""
LOUDNESS = {"noise": 0.1, "silence": 1e-5}
"""Standard deviation of the white noise that stands in place of a clip; under the second, 16-bit files hold zeros."""
Kind = Literal["present", "drawn", "hardest", "outside"]
"""Kinds of prompts: there, absent and drawn, absent and most similar, and wordings of other sounds."""


class Heard(Task):
    """Every clip is asked for its class, for absent classes, and for wordings of sounds that no class is.

    Attributes:
        drawn: Absent classes, drawn by the clip's name.
        hardest: Absent classes most similar to the clip, by the model's own ranking; some may be drawn too.
        outside: Wordings of the table, drawn by the clip's name, without the template.
        table: Wordings: the name of a shipped table, or a file.
        every: After so many clips come one of white noise and one of near-silence, asked for classes drawn by name.
        rules: Of :data:`RULES`.
    """

    lists = frozenset({"rules"})
    kind: Literal["presence"] = "presence"
    drawn: Annotated[int, Field(ge=1)] = 5
    hardest: Annotated[int, Field(ge=1)] = 3
    outside: Annotated[int, Field(ge=0)] = 3
    table: str = "esc50"
    every: Annotated[int, Field(ge=1)] = 5
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)] = RULES

    @model_validator(mode="after")
    def _asks_no_explainer(self) -> Self:
        shared = {name: field.default for name, field in Task.model_fields.items()}
        for name in ("contaminations", "domains", "scales", "explainers", "calibrations"):
            if getattr(self, name) != shared[name]:
                raise ValueError(f"presence asks no explainer, of clean clips: leave {name} out")
        return self

    @property
    def configurations(self) -> tuple[str, ...]:
        """See :attr:`Task.configurations`."""
        return self.rules


@dataclass(frozen=True, kw_only=True)
class Stimulus(Part):
    """A recording that is asked about.

    Attributes:
        sound: ``clip``, or what stands in its place: ``noise``, ``silence``.
    """

    sound: str

    def key(self, sha256: Callable[[LabelledClip], str] = LabelledClip.sha256) -> dict[str, Any]:
        """See :meth:`Item.key`."""
        return {**super().key(sha256), "sound": self.sound}


class Windows(NamedTuple):
    """A recording before a model: unit rows ``(W, D)``, and how many windows would cover it."""

    rows: NDArray[np.float32]
    side_by_side: float


class Question(NamedTuple):
    """A prompt that a recording is asked for: its name, its embedding ``(D,)``, what kind of prompt it is."""

    prompt: str
    text: NDArray[np.float32]
    kind: Kind


@dataclass(eq=False)
class Known:
    """A data set before a model.

    Attributes:
        windows: Of every clip, by its number; those that could not be read are missing.
        failures: Why they are, by number.
        figures: Of every clip's present prompt, by rule.
    """

    windows: dict[int, Windows] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    figures: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A unit: its recordings that could be read, and the items left out."""

    asked: list[tuple[Stimulus, Windows]]
    failures: list[Failure]


class PresenceRunner(TaskRunner[Heard, Prepared]):
    """Runs :class:`Heard`: a row per recording, prompt and rule.

    The rules are the verdict's own, with the model's reference figures (``reference``) and without any (``bank``); the
    cosine of the best window alone (``cosine``); and the part of the bank's words, near-synonyms left out, that are
    less similar to it than the prompt (``percentile``). The last two decide nothing, so they have a ROC curve only.
    Every row has ``evidence``, by which the rule decides. Areas under ROC curves are those of the whole data set (of a
    pool, of each model's part), whatever the limit; a row of the present prompt holds its recording's part of them.

    Strata: ``present``, of these ``correct`` and ``misheard``, whether the model ranks the label first; ``drawn``,
    ``hardest``, ``outside``; ``noise`` and ``silence`` in place of a clip.

    Clips encoded: every clip once per runner, and each stretch of noise or silence once.
    """

    task_type = Heard
    evidence = HeardPrompts
    card = TaskCard(
        title="Presence",
        strata=("present", "correct", "misheard", "drawn", "hardest", "outside", "noise", "silence"),
        paired_by=("item", "prompt"),
        plots=(INTERVALS,),
    )

    @classmethod
    def identify(cls, task: Task, model: ZeroShotModel) -> dict[str, Any]:
        """See :meth:`TaskRunner.identify`.

        Raises:
            InputError: If the table does not fit.
        """
        if not isinstance(task, Heard):
            raise TypeError(f"{cls.__name__} carries out a Heard, not {task.kind!r}")
        shared = {"bank": hash_bank(), "outside": load_outside(task.table)}
        return {rule: {"name": rule, **shared} for rule in task.rules}

    @classmethod
    def items(
        cls, task: Task, dataset: Dataset, contamination: Contamination, seed: int, others: Dataset | None
    ) -> list[Item]:
        """See :meth:`TaskRunner.items`: every clip, and now and then noise and silence as long as the last one."""
        if not isinstance(task, Heard):
            raise TypeError(f"{cls.__name__} carries out a Heard, not {task.kind!r}")
        clips = super().items(task, dataset, contamination, seed, others)
        whole = Whole(clips, list(dataset.labels), [()] * len(clips))
        found: list[Item] = []
        for number, item in enumerate(clips):
            source = item.clips[0].source
            about: dict[str, Any] = {"clips": item.clips, "label": item.label, "number": number, "whole": whole}
            found.append(Stimulus(item.name, **about, unit=source, of=number, sound="clip"))
            if (number + 1) % task.every == 0:
                names = {sound: f"{sound} in place of {item.name}" for sound in LOUDNESS}
                found += [Stimulus(name, **about, unit=name, sound=sound) for sound, name in names.items()]
        return found

    @classmethod
    def sound(cls, task: Task, item: Item, contamination: Contamination, seed: int, rate: int) -> Sound:
        """See :meth:`TaskRunner.sound`."""
        found = super().sound(task, item, contamination, seed, rate)
        if not isinstance(item, Stimulus) or item.sound == "clip":
            return found
        noise = white_noise(len(found.waveform), item.name, seed)
        return Sound((LOUDNESS[item.sound] * noise).astype(np.float32), None)

    @cached_property
    def _known(self) -> Known:
        return Known()

    @cached_property
    def _text(self) -> NDArray[np.float32]:
        text: NDArray[np.float32] = self.classes.text.detach().float().cpu().numpy()
        return text

    @cached_property
    def _outside(self) -> dict[str, NDArray[np.float32]]:
        prompts = [prompt for prompt in load_outside(self.task.table) if prompt not in self.classes.labels]
        with torch.no_grad():
            rows = embed_prompts(self.stage.model, prompts).embedding.float().cpu().numpy()
        return dict(zip(prompts, rows, strict=True))

    @cached_property
    def _listener(self) -> Listener:
        return Listener(self.stage.model, progress=False)

    @cached_property
    def _plain(self) -> Listener:
        """Without the model's figures."""
        listener = Listener(self.stage.model, progress=False)
        listener.reference = None
        return listener

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See :meth:`TaskRunner.prepare`: the data set is embedded for the first unit alone.

        Raises:
            InputError: If the data set has one class only, so that no prompt is absent.
        """
        if len(self.classes.labels) < 2:
            raise InputError("the task 'presence' asks for sounds that are not there: the data set needs two classes")
        stimuli = [item for item in items if isinstance(item, Stimulus)]
        known = self._known
        if not known.windows and not known.failures:
            clips = stimuli[0].whole.items
            for start in range(0, len(clips), ROWS):
                part = {item.name: start + at for at, item in enumerate(clips[start : start + ROWS])}
                windows, failures = self._embed(clips[start : start + ROWS])
                known.windows |= {part[name]: found for name, found in windows.items()}
                known.failures |= {part[failure.item]: failure for failure in failures}
        made, failures = self._embed([item for item in stimuli if item.sound != "clip"])
        asked = []
        for item in stimuli:
            windows_of = known.windows.get(item.number) if item.sound == "clip" else made.get(item.name)
            if windows_of is not None:
                asked.append((item, windows_of))
            elif item.sound == "clip":
                failures.append(known.failures[item.number])
        return Prepared(asked, failures)

    def _embed(self, items: Sequence[Item]) -> tuple[dict[str, Windows], list[Failure]]:
        heard, failures = hear(self.stage, items)
        found = {
            h.item.name: Windows(torch.stack(h.windows).float().cpu().numpy(), h.plain.side_by_side) for h in heard
        }
        return found, failures

    def _ask(self, item: Item, windows: Windows, sound: str) -> list[Question]:
        """What a recording is asked for: of noise and silence, classes drawn by name alone, its own among them."""
        labels, text = self.classes.labels, self._text
        if sound != "clip":
            return [
                Question(p, text[labels.index(p)], "drawn") for p in draw_by_name(item.name, labels, self.task.drawn)
            ]
        cosines = self._cosines(windows)
        absent = [label for label in labels if label not in item.clips[0].classes]
        hardest = sorted(absent, key=lambda label: -cosines[labels.index(label)])[: self.task.hardest]
        drawn = draw_by_name(item.name, absent, self.task.drawn)
        asked: list[tuple[str, Kind]] = [(item.label, "present")]
        asked += [*((p, "drawn") for p in drawn), *((p, "hardest") for p in hardest)]
        outside = draw_by_name(item.name, list(self._outside), self.task.outside)
        return [
            *(Question(prompt, text[labels.index(prompt)], kind) for prompt, kind in asked),
            *(Question(prompt, self._outside[prompt], "outside") for prompt in outside),
        ]

    def _cosines(self, windows: Windows) -> NDArray[Any]:
        cosines: NDArray[Any] = (windows.rows @ self._text.T).max(axis=0)
        return cosines

    def _evidence(self, rule: str, windows: Windows, text: NDArray[np.float32]) -> float:
        if rule in DECIDE:
            listener = self._listener if rule == "reference" else self._plain
            return listener.ask(windows.rows, text, windows.side_by_side).evidence
        cosines = windows.rows @ text
        best = int(cosines.argmax())
        if rule == "cosine":
            return float(cosines[best])
        bank = bank_of(self.stage.model, progress=False)
        others = windows.rows[best] @ bank.rows[bank.others(text)].T
        return float((others < cosines[best]).mean())

    def measure(self, prepared: Prepared, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """See :meth:`TaskRunner.measure`."""
        rule = place.explainer
        if rule == "reference" and self._listener.reference is None:
            name = self.stage.model.card.name
            raise InputError(f"{name} has no reference figures: zsxai reference makes them, or leave out this rule")
        rows = [row for item, windows in prepared.asked for row in self._rows(rule, item, windows)]
        return rows, prepared.failures

    def _rows(self, rule: str, item: Stimulus, windows: Windows) -> list[Row]:
        asked: dict[str, list[Question]] = {}
        for question in self._ask(item, windows, item.sound):
            asked.setdefault(question.prompt, []).append(question)
        top = self.classes.labels[int(self._cosines(windows).argmax())]
        rows = []
        for prompt, questions in asked.items():
            # A class that is drawn and among the hardest is one row of both strata.
            kinds = {question.kind for question in questions}
            evidence = self._evidence(rule, windows, questions[0].text)
            present = item.sound == "clip" and "present" in kinds
            heard = np.array([float(evidence > 0)])
            judged = HeardPrompts(heard=heard) if present else HeardPrompts(refused=1 - heard)
            areas = self._areas(rule, item.whole)[item.number] if present else {}
            decided = report(self.metrics if rule in DECIDE else {}, judged, {"evidence": [evidence]})[0]
            strata = {name: item.sound == "clip" and name in kinds for name in get_args(Kind)}
            strata |= {"correct": present and top == prompt, "misheard": present and top != prompt}
            strata |= {sound: item.sound == sound for sound in LOUDNESS}
            rows.append(
                own_row(
                    item=item.name,
                    sources=item.sources,
                    label=item.label,
                    prompt=prompt,
                    figures={**areas, **decided},
                    strata=strata,
                )
            )
        return rows

    def _areas(self, rule: str, whole: Whole) -> dict[int, dict[str, Any]]:
        """Every clip's part of the areas under ROC curves, by its number; all clips are asked once a rule."""
        if rule not in self._known.figures:
            found: dict[str, list[list[float]]] = {"present": [], "drawn": [], "hardest": []}
            for number, windows in self._known.windows.items():
                asked = self._ask(whole.items[number], windows, "clip")
                for kind, values in found.items():
                    values.append([self._evidence(rule, windows, q.text) for q in asked if q.kind == kind])
            present, drawn, hardest = map(_pad, found.values())
            evidence = HeardPrompts(present=present[:, 0], drawn=drawn, hardest=hardest)
            areas = report(self.metrics, evidence, {"evidence": present[:, 0]})
            self._known.figures[rule] = dict(zip(self._known.windows, areas, strict=True))
        return self._known.figures[rule]


def _pad(rows: Sequence[Sequence[float]]) -> NDArray[Any]:
    """Rows of unlike lengths as one array, NaN behind the shorter ones."""
    made = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for row, values in zip(made, rows, strict=True):
        row[: len(values)] = values
    return made
