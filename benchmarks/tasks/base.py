"""What a task must give: items made from clips, and rows measured on them."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar, cast

from zsxai.benchmarks.tasks.classes import Classes
from zsxai.benchmarks.tasks.contamination import Sound, contaminants, contaminate
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.settings import Contamination, Prompting, Task
from zsxai.data.clip import Dataset, LabelledClip
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.metrics import Metric, metrics_of
from zsxai.model import ZeroShotModel
from zsxai.names import printable
from zsxai.spectral import Domain, Scale


@dataclass(frozen=True)
class Item:
    """What one row is about: a clip, or a pair of clips.

    Attributes:
        name: Unique in its data set and setting.
        clips: The clips; a pair has two.
        label: Class for macro means.
        contaminant: What is mixed in, where a recording is.
        snr: Decibels of a pair, first over second.
    """

    name: str
    clips: tuple[LabelledClip, ...]
    label: str
    contaminant: LabelledClip | None = None
    snr: float | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Recordings that the item was cut from: what intervals are drawn over."""
        return tuple(dict.fromkeys(clip.source for clip in self.clips))

    def key(self, sha256: Callable[[LabelledClip], str] = LabelledClip.sha256) -> dict[str, Any]:
        """What of the item can change a number, or what it is counted under.

        Args:
            sha256: Hash of a clip's sound.
        """

        def known(clip: LabelledClip) -> list[Any]:
            return [sha256(clip), clip.label, clip.source, clip.seconds, *([list(clip.labels)] if clip.labels else [])]

        mixed = None if self.contaminant is None else known(self.contaminant)
        clips = [known(clip) for clip in self.clips]
        return {"name": self.name, "label": self.label, "clips": clips, "mixed": mixed, "snr": self.snr}


@dataclass(frozen=True)
class Row:
    """One line of the store.

    Attributes:
        item: Name of the item.
        sources: Recordings it was cut from.
        label: Class, for macro means.
        prompt: Class asked about.
        variant: ``own``, ``foil``, ``rolled``, ``oracle`` (also of a named resolution), or the level of a cascade.
        calibration: From relevance to mask.
        figures: Numbers by name: what was measured, and every metric; a list where it is a curve.
        strata: Named subsets that the row belongs to or not.
    """

    item: str
    sources: tuple[str, ...]
    label: str
    prompt: str
    variant: str
    calibration: str
    figures: Mapping[str, float | list[float]]
    strata: Mapping[str, bool] = field(default_factory=dict)


LEFT_OUT = "left out: "
"""Begins the error of an item that no explainer was asked about, because its sound could not be read or mixed."""


@dataclass(frozen=True)
class Failure:
    """An explainer that raised on an item, or on a whole unit; or an item that was left out.

    Attributes:
        item: Name of the item; empty where the whole unit failed.
        error: Type and message, one line; :data:`LEFT_OUT` and the reason.
    """

    item: str
    error: str

    @classmethod
    def of(cls, item: str, error: Exception) -> Failure:
        """Of an exception."""
        return cls(item, printable(" ".join(f"{type(error).__name__}: {error}".split())))

    @classmethod
    def left_out(cls, item: str, error: Exception) -> Failure:
        """Of an item without a sound, which no explainer was asked about; a message of ours needs no type."""
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return cls(item, printable(" ".join(f"{LEFT_OUT}{reason}".split())))


@dataclass(frozen=True)
class Place:
    """Where a cell stands besides its unit: which explainer, on which kind of mask.

    Attributes:
        explainer: Label in tables; of a task that asks no explainers, one of its configurations.
        domain: Domain of masks.
        scale: Scale of masks.
    """

    explainer: str
    domain: Domain
    scale: Scale


@dataclass(frozen=True, eq=False)
class Stage:
    """What a worker holds ready for a task: model, data, prompts.

    Attributes:
        prompting: What the suite asks of every clip.
        task: Its task.
        model: Loaded, in eval mode while a unit is measured.
        dataset: The data set of the unit.
        contamination: What is mixed in.
        seed: Seed of explainers that draw.
        explainers: By label.
    """

    prompting: Prompting
    task: Task
    model: ZeroShotModel
    dataset: Dataset
    contamination: Contamination
    seed: int
    explainers: Mapping[str, Explainer]


@dataclass(frozen=True)
class Plot:
    """A figure that the report shows of a task.

    Attributes:
        name: As :meth:`Result.plot` takes it.
        draw: ``module:function`` that draws it: a block of rows to a figure, or None where there is nothing to draw.
            Imported only when a figure is drawn.
        caption: Under the figure.
        options: What the function takes besides the block.
    """

    name: str
    draw: str
    caption: str
    options: Mapping[str, Any] = field(default_factory=dict)


INTERVALS = Plot(
    "intervals",
    "zsxai.benchmarks.analyse.plots.intervals:draw_intervals",
    "Means with 95 % intervals over recordings. Hollow: blind controls; the band is the range of their means. Where a "
    "figure lies inside the band, looking at nothing does as well.",
)
"""The figure that can be drawn of every task."""


@dataclass(frozen=True)
class Ratio:
    """A ratio of the means of two figures, which is no figure of a single row.

    Attributes:
        title: What it is, in words.
        over: Figure.
        under: Figure that it is divided by.
    """

    title: str
    over: str
    under: str


@dataclass(frozen=True)
class TaskCard:
    """What plans, tables and reports need to know of a kind of task.

    Attributes:
        title: Heading in reports; the name of the task where empty.
        strata: Named subsets of the rows, for the headline of a suite.
        paired_by: Columns by which rows of two explainers, or of two variants, are matched: ``item``, and ``prompt``
            where an item has one row per prompt.
        draws: Whether the task draws something by the seed, so that every seed measures deterministic explainers too.
        variants_as_columns: Whether tables have a column per variant, one table per figure.
        plots: Figures in reports, in their order.
        ratios: Ratios of means that reports show.
    """

    title: str = ""
    strata: tuple[str, ...] = ()
    paired_by: tuple[str, ...] = ("item",)
    draws: bool = False
    variants_as_columns: bool = False
    plots: tuple[Plot, ...] = ()
    ratios: tuple[Ratio, ...] = ()


T = TypeVar("T", bound=Task)
"""The task, as a suite describes it."""
S = TypeVar("S")
"""What a runner prepares once for all cells of a unit."""


def in_hash_order(clips: Sequence[LabelledClip]) -> list[LabelledClip]:
    """Clips shuffled the same way everywhere: the first N of them are a fair sample of all classes."""
    return sorted(clips, key=lambda clip: (zlib.crc32(clip.name.encode()), clip.name))


class TaskRunner(ABC, Generic[T, S]):
    """How one kind of task is carried out. One object per :class:`Stage`; units come one after the other.

    A plugin of ``zsxai.tasks`` is a subclass. It sets ``task_type`` and ``evidence`` and writes :meth:`prepare` and
    :meth:`measure`; ``card`` says what else is to be known of it.

    Attributes:
        task_type: The settings that a suite may give.
        evidence: What its metrics read, such as :class:`zsxai.metrics.MaskedScores`.
        card: What plans, tables and reports need to know.
        stage: What the worker holds ready.
        task: The settings of the suite.
        metrics: Those that are computed, by name.
    """

    task_type: ClassVar[type[Task]]
    evidence: ClassVar[type]
    card: ClassVar[TaskCard] = TaskCard()

    def __init__(self, stage: Stage) -> None:
        if not isinstance(stage.task, self.task_type):
            raise TypeError(f"{type(self).__name__} carries out a {self.task_type.__name__}, not {stage.task.kind!r}")
        self.stage = stage
        self.task = cast(T, stage.task)
        self.metrics = self.chosen_metrics(stage.task)

    @classmethod
    def known_metrics(cls) -> dict[str, Metric[Any]]:
        """Registered metrics that read the task's evidence, by name, in alphabetical order; there is one at least."""
        return metrics_of(cls.evidence)

    @classmethod
    def chosen_metrics(cls, task: Task) -> dict[str, Metric[Any]]:
        """Metrics that a task of a suite computes, by name, in alphabetical order.

        Raises:
            InputError: If one is unknown or reads other evidence.
        """
        known = cls.known_metrics()
        for name in task.metrics:
            if name not in known:
                raise InputError(f"{name!r} is no metric of the task {task.kind!r}: one of {', '.join(known)}")
        return {name: known[name] for name in sorted(task.metrics or known)}

    @classmethod
    def identify(cls, task: Task, model: ZeroShotModel) -> dict[str, Any]:
        """What of the task's own configurations can change a number before a model, by label.

        Only a task that has :attr:`~zsxai.benchmarks.tasks.settings.Task.configurations` says anything here; they stand
        in the place of explainers, in cells as in tables.

        Raises:
            InputError: If one does not fit the model.
        """
        return {label: label for label in task.configurations}

    @cached_property
    def classes(self) -> Classes:
        """The data set's classes before the model."""
        return Classes(self.stage.model, self.stage.dataset.labels, self.stage.prompting)

    @classmethod
    def items(
        cls, task: Task, dataset: Dataset, contamination: Contamination, seed: int, others: Dataset | None
    ) -> list[Item]:
        """All items in a fixed order that does not depend on how many are wanted: here, one per clip; needs no model.

        Args:
            task: The task.
            dataset: Clips.
            contamination: What is mixed in.
            seed: Seed of whatever is drawn.
            others: The data set that the contamination names, if any.
        """
        clips = in_hash_order(dataset.clips)
        mixed_in = contaminants(clips, contamination, seed, others)
        return [Item(clip.name, (clip,), clip.label, other) for clip, other in zip(clips, mixed_in, strict=True)]

    @classmethod
    def sound(cls, task: Task, item: Item, contamination: Contamination, seed: int, rate: int) -> Sound:
        """What a model of some sample rate is given of an item: here, its clip with the contamination mixed in.

        Raises:
            InputError: If no signal-to-noise ratio can be met.
        """
        other = None if item.contaminant is None else item.contaminant.read().at(rate)
        return contaminate(item.clips[0].read().at(rate), contamination, item.name, seed, other)

    @abstractmethod
    def prepare(self, items: Sequence[Item]) -> S:
        """What all explainers share: sounds read and mixed, originals encoded once."""

    @abstractmethod
    def measure(self, prepared: S, place: Place, forwards: Forwards) -> tuple[list[Row], list[Failure]]:
        """One explainer on one kind of mask, over the items of a unit; a failure on one item spares the others.

        Args:
            prepared: From :meth:`prepare`.
            place: Explainer, domain, scale.
            forwards: Counts; what explainers encode is counted inside ``forwards.on_behalf_of("explainer")``.
        """
