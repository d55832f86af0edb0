"""A timeline: how a model hears prompts in every window of a recording; frozen, saved, read and plotted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, PrivateAttr, field_validator, model_validator

from zsxai.checks import one_of, real_number, whole_number
from zsxai.errors import InputError
from zsxai.explanation import Array, Name
from zsxai.extras import need
from zsxai.files import as_path
from zsxai.prompt import Template
from zsxai.timelines.measures import HEARD, MEASURES, Measure
from zsxai.timelines.peaks import ExplainedPeak, Peak, Run, find_runs
from zsxai.timelines.windows import find_edges
from zsxai.value import Value
from zsxai.verdict.presence import logistic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zsxai.export.event import Event


class TimelineProvenance(Value):
    """Everything that can change a number.

    Attributes:
        model: Name the model was loaded by, or its card's.
        model_card: Licence, sources, hash.
        template: Template around the prompts, or templates whose embeddings were averaged, if any.
        batch_size: Windows per forward.
        device: What the model computed on: ``cpu``, ``mps``, or ``cuda`` with the GPU's name.
        dtype: What its networks computed in; None of a black box that shows no weights.
        reference: What the model's reference figures were measured on; empty where it has none.
        audio_name: File name, or ``array``.
        audio_sha256: Hash of the samples the model heard (mono, at its rate).
        audio_sample_rate: Rate as given.
        audio_channels: Channels as given.
        versions: Versions of the libraries that compute.
        warnings: What a reader should know before trusting the figures.
    """

    model: Name
    model_card: dict[str, Any]
    template: Template
    batch_size: int = Field(gt=0)
    device: Name
    dtype: str | None
    reference: str = ""
    audio_name: Name
    audio_sha256: str
    audio_sample_rate: int = Field(gt=0)
    audio_channels: int = Field(gt=0)
    versions: dict[str, str]
    warnings: tuple[Name, ...] = ()


class Given(NamedTuple):
    """What a timeline was made of, while it is at hand: the audio can then be read again."""

    audio: object
    sample_rate: int | None
    model: object
    device: Any
    dtype: Any
    reference: object


class Timeline(Value):
    """How a model hears prompts in every window of a recording.

    Attributes:
        prompts: P prompts.
        sample_rate: The model's, samples per second.
        samples: Length of the recording at that rate.
        window: Samples that the model hears at once.
        step: Samples from one window to the next.
        bar: Evidence that one window of so many needs to be more than chance; None where presence is not known.
        provenance: Everything that can change a number.
        starts: ``(W,)`` int64, first samples of the windows.
        cosines: ``(W, P)`` float32, cosines of windows and prompts.
        evidence: ``(W, P)`` float32, how far a window lies above the level under which a prompt counts as not heard, in
            log odds; ``(0, P)`` where the model cannot embed the bank of everyday sounds.
        levels: ``(W, P)`` float32, that level as a cosine; likewise.
        overview: ``(R, C)`` float32, power of the recording on mel rows, for pictures.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    prompts: tuple[str, ...] = Field(min_length=1)
    sample_rate: int = Field(gt=0)
    samples: int = Field(gt=0)
    window: int = Field(gt=0)
    step: int = Field(gt=0)
    logit_scale: float | None = None
    bar: float | None = None
    provenance: TimelineProvenance
    starts: Array
    cosines: Array
    evidence: Array
    levels: Array
    overview: Array

    _given: Given | None = PrivateAttr(default=None)

    @field_validator("cosines", "evidence", "levels", "overview")
    @classmethod
    def _numbers(cls, value: NDArray[Any]) -> NDArray[Any]:
        frozen = np.array(value, dtype=np.float32)
        if not np.isfinite(frozen).all():
            raise ValueError("a number is NaN or infinite")
        frozen.flags.writeable = False
        return frozen

    @field_validator("starts")
    @classmethod
    def _whole(cls, value: NDArray[Any]) -> NDArray[Any]:
        frozen = np.array(value, dtype=np.int64)
        frozen.flags.writeable = False
        return frozen

    @model_validator(mode="after")
    def _fits(self) -> Self:
        shape = (len(self.starts), len(self.prompts))
        heard = (*shape,) if self.knows_presence else (0, shape[1])
        if self.cosines.shape != shape or self.evidence.shape != heard or self.levels.shape != heard:
            raise ValueError(f"{shape[0]} windows and {shape[1]} prompts, but cosines {self.cosines.shape}")
        if not len(self.starts) or self.starts[0] != 0 or (np.diff(self.starts) <= 0).any():
            raise ValueError("windows do not start at 0 and rise")
        if self.starts[-1] >= self.samples or self.overview.ndim != 2 or not self.overview.size:
            raise ValueError("windows or overview do not fit the recording")
        return self

    @property
    def knows_presence(self) -> bool:
        """Whether it is known from which cosine on the model hears a prompt."""
        return self.bar is not None

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.samples / self.sample_rate

    @property
    def window_seconds(self) -> float:
        """Length of a window."""
        return min(self.window, self.samples) / self.sample_rate

    @cached_property
    def start_times(self) -> NDArray[np.float64]:
        """``(W,)`` seconds."""
        times: NDArray[np.float64] = self.starts / self.sample_rate
        return times

    @cached_property
    def stop_times(self) -> NDArray[np.float64]:
        """``(W,)`` seconds."""
        times: NDArray[np.float64] = np.minimum(self.starts + self.window, self.samples) / self.sample_rate
        return times

    @property
    def edges(self) -> NDArray[np.float64]:
        """``(W + 1,)`` seconds where a picture passes to the next window: midway between the middles of windows."""
        return find_edges(self.start_times, self.stop_times, self.seconds)

    def values(self, measure: Measure | None = None) -> NDArray[Any]:
        """A number for every window and prompt, ``(W, P)``.

        Args:
            measure: ``presence`` (how likely it is that the model hears the prompt, in [0, 1]), ``cosine``, or
                ``probability`` among the prompts; None takes presence where it is known.

        Raises:
            InputError: If there is no such number for this model or for one prompt.
        """
        chosen = self.measure(measure)
        if chosen == "cosine":
            return self.cosines
        if chosen == "presence":
            return logistic(self.evidence.astype(np.float64))
        logits = (self.logit_scale or 1.0) * self.cosines.astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: NDArray[Any] = odds / odds.sum(axis=1, keepdims=True)
        return probabilities

    def measure(self, measure: Measure | None = None) -> Measure:
        """The measure that a name, or None, means here.

        Raises:
            InputError: If there is no such number for this model or for one prompt.
        """
        if measure is None:
            return "presence" if self.knows_presence else "cosine"
        one_of(measure, MEASURES, "the measure")
        if measure == "presence" and not self.knows_presence:
            raise InputError(f"nothing says from which cosine on {self.provenance.model} hears a prompt: say 'cosine'")
        if measure == "probability" and len(self.prompts) < 2:
            raise InputError("a probability among the prompts needs two prompts or more")
        return measure

    def threshold(self, threshold: float | None = None, measure: Measure | None = None) -> float:
        """The threshold of :meth:`peaks`, given or not.

        Raises:
            InputError: If one has to be given, or it is no number of the measure.
        """
        chosen = self.measure(measure)
        if threshold is not None:
            return real_number(threshold, "the threshold", -1.0 if chosen == "cosine" else 0.0, 1.0)
        if chosen != "presence":
            raise InputError(f"a {chosen} has no level of its own: give a threshold")
        return HEARD

    def peaks(
        self, threshold: float | None = None, count: int | None = None, *, measure: Measure | None = None
    ) -> list[Peak]:
        """Where windows lie above a threshold, the strongest first.

        Windows above it that share sound are one peak, so two peaks of a prompt share none, and lie a window or more
        apart.

        Args:
            threshold: In units of the measure; None is a presence of 0.5, the level under which a prompt counts as not
                heard.
            count: How many at most.
            measure: What :meth:`values` takes.

        Raises:
            InputError: If the measure needs a threshold, or there is no such measure.
        """
        least = self.threshold(threshold, measure)
        most = None if count is None else whole_number(count, "the count of peaks", 1)
        values = self.values(measure)
        found = [
            (float(values[run.best, p]), run, p)
            for p in range(len(self.prompts))
            for run in find_runs(values[:, p], self.start_times, self.stop_times, least)
        ]
        found.sort(key=lambda one: (-one[0], -self._strength(one[1].best, one[2])))
        return [self._peak(run, p) for _, run, p in found[:most]]

    def _strength(self, window: int, prompt: int) -> float:
        # Presence ends at 1: what is nearly certain is told apart by its evidence.
        return float((self.evidence if self.knows_presence else self.cosines)[window, prompt])

    def _peak(self, run: Run, p: int) -> Peak:
        starts, stops = self.start_times, self.stop_times
        start, stop = float(starts[run.best]), float(stops[run.best])
        evidence = float(self.evidence[run.best, p]) if self.knows_presence else None
        return Peak(
            prompt=self.prompts[p],
            start=float(starts[run.first]),
            stop=float(stops[run.last]),
            at=(start + stop) / 2,
            window=(start, stop),
            windows=run.last - run.first + 1,
            cosine=float(self.cosines[run.best, p]),
            presence=None if evidence is None else float(logistic(np.array(evidence))),
            clear=None if evidence is None or self.bar is None else evidence > self.bar,
        )

    def events(self, peaks: Sequence[Peak]) -> list[Event]:
        """Peaks for other tools: what :func:`zsxai.export.to_raven` and its like take.

        Args:
            peaks: From :meth:`peaks`.
        """
        from zsxai.export.event import Event

        about: dict[str, Any] = {"model": self.provenance.model}
        return [
            Event(
                start=peak.start,
                stop=peak.stop,
                label=peak.prompt,
                file=self.provenance.audio_name,
                extra={"cosine": peak.cosine, "presence": peak.presence, "clear": peak.clear, **about},
            )
            for peak in peaks
        ]

    def rows(self, measure: Measure | None = None) -> Iterator[dict[str, float]]:
        """A row a window: ``start`` and ``stop`` in seconds, and a number for every prompt by its name."""
        values = self.values(measure)
        for start, stop, row in zip(self.start_times.tolist(), self.stop_times.tolist(), values.tolist(), strict=True):
            yield {"start": start, "stop": stop, **dict(zip(self.prompts, row, strict=True))}

    def to_frame(self, measure: Measure | None = None) -> Any:
        """:meth:`rows` as a pandas data frame.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        need("bench", "pandas")
        import pandas as pd

        return pd.DataFrame(list(self.rows(measure)))

    def plot(self, ax: Axes | None = None, *, measure: Measure | None = None) -> Axes:
        """Draw the measure over time.

        Args:
            ax: Axes to draw on; a new figure where None.
            measure: What :meth:`values` takes.
        """
        from zsxai.show.timeline_plot import plot_timeline

        return plot_timeline(self, ax, measure=measure)

    def explain_peaks(
        self, peaks: Sequence[Peak], *, audio: object = None, model: object = None, **options: Any
    ) -> list[ExplainedPeak]:
        """Explain the sound of peaks: all of it, or where that is over a minute the one around the strongest window.

        Args:
            peaks: From :meth:`peaks`.
            audio: The recording, where this timeline was loaded or made of a stream.
            model: The model, where it was an object and this timeline was loaded.
            **options: What :func:`zsxai.explain` takes besides.

        Raises:
            InputError: If the audio is not at hand, or another one.
        """
        from zsxai.timelines.pieces import explain_peaks

        return explain_peaks(self, peaks, audio=audio, model=model, options=options)

    def save(
        self,
        folder: str | Path,
        *,
        threshold: float | None = None,
        measure: Measure | None = None,
        explained: Sequence[ExplainedPeak] = (),
        overwrite: bool = False,
    ) -> Path:
        """Write a folder: record, table, arrays, picture, page, and explanations of peaks.

        Args:
            folder: Written beside itself and renamed, so that it is whole or absent.
            threshold: Threshold of the peaks that the page lists.
            measure: Measure of the peaks that the page lists.
            explained: From :meth:`explain_peaks`.
            overwrite: Replace a folder that a timeline was saved to before.

        Returns:
            The folder.

        Raises:
            InputError: If the folder exists and may not be replaced.
        """
        from zsxai.timelines.saved import write_folder

        return write_folder(
            self, as_path(folder), threshold=threshold, measure=measure, explained=explained, overwrite=overwrite
        )

    @classmethod
    def load(cls, folder: str | Path) -> Timeline:
        """Read a folder that :meth:`save` wrote.

        Raises:
            InputError: If it is no such folder, or was damaged.
        """
        from zsxai.timelines.saved import read_folder

        return read_folder(cls, as_path(folder))

    def summary(self, peaks: Sequence[Peak]) -> Mapping[str, Any]:
        """What there is besides arrays, with some peaks, ready for JSON."""
        return {
            **self.model_dump(mode="json"),
            "seconds": self.seconds,
            "windows": len(self.starts),
            "window_seconds": self.window_seconds,
            "step_seconds": self.step / self.sample_rate,
            "peaks": [peak.model_dump(mode="json") for peak in peaks],
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timeline):
            return NotImplemented
        arrays = ("starts", "cosines", "evidence", "levels", "overview")
        same = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in arrays)
        return same and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash((self.prompts, self.provenance.audio_sha256, self.provenance.model))

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return (
            f"Timeline({list(self.prompts)!r}, {len(self.starts)} windows over {self.seconds:.1f} s, "
            f"model={self.provenance.model!r})"
        )
