"""An explanation: frozen, typed; saves, loads, verifies itself, plots and plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializeAsAny,
    field_validator,
    model_validator,
)

from zsxai.arrays import forget, is_mapped, is_within
from zsxai.clip import make_grid
from zsxai.errors import InputError
from zsxai.files import as_path
from zsxai.names import printable
from zsxai.prompt import Template
from zsxai.regions import LINE_DB, Region, join_regions, say_regions
from zsxai.saved import FORMAT, Saved, Sounds, hash_fields
from zsxai.scoring import WindowScores
from zsxai.spectral import FrontEndSpec, Grid, Masking, StftSpec
from zsxai.target import Contrast, Probability, Similarity
from zsxai.value import Value
from zsxai.verdict.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zsxai.report import Report
    from zsxai.stretch import Stretch

LOUDEST = 1e13
"""Sample beyond which the power of a long window does not fit float32."""

Name = Annotated[str, BeforeValidator(lambda name: printable(name) if isinstance(name, str) else name)]


class Provenance(Value):
    """Everything that can change a number.

    Attributes:
        model: Name the model was loaded by, or its card's.
        model_card: Licence, sources, hash.
        explainer: Name.
        options: Every option of the explainer, defaults included.
        explainer_weights: Hashes of trained weights that the explainer brings.
        calibration: Name of the calibration from relevance to mask.
        template: Template around the prompts, or templates whose embeddings were averaged, if any.
        seed: Seed of whatever was random.
        batch_size: Clips per forward.
        device: What the model computed on: ``cpu``, ``mps``, or ``cuda`` with the GPU's name.
        dtype: What its networks computed in; None of a black box that shows no weights.
        pooling: How the cosines of the windows made the file's.
        window_weights: How much each window counted before the relevance was calibrated, in [0, 1]; empty where all
            counted alike.
        audio_name: File name, or ``array``.
        audio_sha256: Hash of the samples the model heard (mono, at its rate).
        relevance_sha256: Hash of the relevance.
        audio_sample_rate: Rate as given.
        audio_channels: Channels as given.
        versions: Versions of the libraries that compute.
        warnings: What a reader should know before trusting the figures.
    """

    model: Name
    model_card: dict[str, Any]
    explainer: str
    options: dict[str, Any]
    explainer_weights: dict[str, str] = Field(default_factory=dict)
    calibration: str
    template: Template
    seed: int = Field(ge=0)
    batch_size: int = Field(gt=0)
    device: Name
    dtype: str | None
    pooling: str
    window_weights: tuple[float, ...] = ()
    audio_name: Name
    audio_sha256: str
    relevance_sha256: str
    audio_sample_rate: int = Field(gt=0)
    audio_channels: int = Field(gt=0)
    versions: dict[str, str]
    warnings: tuple[Name, ...] = ()


Array = Annotated[NDArray[Any], Field(exclude=True, repr=False)]


class Explanation(Value):
    """Which sounds in a recording made its score for a prompt.

    Attributes:
        target: What is explained.
        score: Score of the clip, in :attr:`unit`; cosines of several windows are pooled as the provenance says, and
            every score is made of the pooled ones.
        score_in: Score with only what the mask keeps.
        score_out: Score with only what the mask leaves.
        score_heard: Score of :attr:`audio`, encoded again.
        similarity: Cosine of the clip and the prompt.
        mask_mean: Mean of the mask over the cells the model hears.
        kept_energy: Part of the power (of the bins the model hears) that the explanation keeps.
        masking: Domain, scale and floor of the mask.
        windows: Scores of every window, in time order.
        front_end: Numbers of the transform.
        sample_rate: Sample rate of :attr:`audio`, :attr:`residue` and :attr:`original`.
        provenance: Everything that can change a number.
        verdict: Whether to believe it; None where it was not asked for.
        mask: ``(F, N)`` float32 in [0, 1] on :attr:`grid`.
        relevance: ``(F, N)`` float32 on :attr:`grid`, raw and signed.
        original: ``(T,)`` float32: what the model heard.
        bank: ``(n_mels, n_fft // 2 + 1)``, the model's mel bank; not saved, and librosa's where None.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    target: SerializeAsAny[Annotated[Similarity | Contrast | Probability, Field(discriminator="kind")]]
    score: float
    score_in: float
    score_out: float
    score_heard: float
    similarity: float
    mask_mean: float
    kept_energy: float
    masking: Masking
    windows: tuple[WindowScores, ...] = Field(min_length=1)
    front_end: SerializeAsAny[StftSpec | FrontEndSpec]
    sample_rate: int = Field(gt=0)
    provenance: Provenance
    verdict: Verdict | None = None
    mask: Array
    relevance: Array
    original: Array
    bank: Annotated[NDArray[Any] | None, Field(exclude=True, repr=False)] = None

    _sha256: dict[str, str] = PrivateAttr(default_factory=dict)
    _saved: Saved | None = PrivateAttr(default=None)

    @field_validator("mask", "relevance", "original")
    @classmethod
    def _read_only(cls, value: NDArray[Any]) -> NDArray[Any]:
        frozen = value.view() if is_mapped(value) else np.array(value, dtype=np.float32)
        frozen.flags.writeable = False
        return frozen

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse what no recording before a model can have; numbers on disk are read by :meth:`verify` only."""
        if self.original.ndim != 1 or not self.original.size or not is_within(self.original, -LOUDEST, LOUDEST):
            raise ValueError(f"the recording is not a row of samples up to {LOUDEST:g}")
        if self.sample_rate != self.front_end.sample_rate:
            raise ValueError(f"{self.sample_rate} samples per second, {self.front_end.sample_rate} at the front end")
        if self.masking.domain == "mel" and not isinstance(self.front_end, FrontEndSpec):
            raise ValueError("a mel mask without a mel bank")
        grid = make_grid(self.front_end, self.masking.domain, len(self.original))
        if not self.mask.shape == self.relevance.shape == grid.shape:
            raise ValueError(
                f"the mask does not fit the recording: {self.mask.shape} cells, relevance {self.relevance.shape}, "
                f"on {grid.shape}"
            )
        if not is_within(self.mask, 0.0, 1.0) or not is_within(self.mask, 0.0, 0.0, ~grid.in_band):
            raise ValueError("the mask does not lie in [0, 1], or is not 0 outside the band that the model hears")
        return self

    def model_post_init(self, context: object) -> None:
        """Remember what the fields are now: :meth:`verify` names those that change."""
        self._sha256 = hash_fields(self.model_dump(mode="json"))

    @property
    def unit(self) -> str:
        """Unit of the scores."""
        return self.target.unit

    @property
    def prompt(self) -> str:
        """What was listened for."""
        return self.target.prompt

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.original) / self.sample_rate

    @cached_property
    def grid(self) -> Grid:
        """Where the cells of :attr:`mask` and :attr:`relevance` lie."""
        return make_grid(self.front_end, self.masking.domain, len(self.original))

    @property
    def frequencies(self) -> NDArray[Any]:
        """Cell centres, ``(F,)`` hertz."""
        return self.grid.frequencies

    @property
    def times(self) -> NDArray[Any]:
        """Cell centres, ``(N,)`` seconds."""
        return self.grid.times

    def stretches(self, part: tuple[float, float] | None = None) -> Iterator[Stretch]:
        """The recording in parts of half a minute, for :meth:`power_of` and the like; a short one in one part.

        Args:
            part: Between which seconds; all of it where None.
        """
        from zsxai.stretch import walk

        return walk(self.transform, self.original, self.mask, frames=part and self.frames_between(*part))

    def stretch(self, start: float, stop: float) -> Stretch:
        """The part of the recording between two times, in seconds, cut to its frames."""
        from zsxai.stretch import Stretch

        return Stretch(self.transform, self.original, self.frames_between(start, stop))

    def frames_between(self, start: float, stop: float) -> slice[int, int, None]:
        """The frames between two times, in seconds; one at least."""
        rate, total = self.front_end.sample_rate / self.front_end.hop, self.grid.shape[1]
        first = min(max(0, int(start * rate)), total - 1)
        return slice(first, min(max(first + 1, ceil(stop * rate)), total))

    def mask_of(self, stretch: Stretch) -> NDArray[Any]:
        """:attr:`mask` of a part of the recording, in memory."""
        part = np.array(self.mask[:, stretch.frames])
        forget(self.mask)
        return part

    def power_of(self, stretch: Stretch) -> NDArray[Any]:
        """:attr:`power` of a part of the recording."""
        import torch

        with torch.no_grad():
            power = self.transform.mel(stretch.power) if self.masking.domain == "mel" else stretch.power
            found: NDArray[Any] = power.float().numpy()
        return found

    def gain_of(self, stretch: Stretch) -> NDArray[Any]:
        """:attr:`gain` of a part of the recording."""
        import torch

        power = torch.from_numpy(self.power_of(stretch)).double()
        mask = torch.from_numpy(self.mask_of(stretch)).double()
        found: NDArray[Any] = self.masking.kept(power, mask).clamp(0.0, 1.0).float().numpy()
        return found

    def sound_of(self, stretch: Stretch, *, residue: bool = False) -> NDArray[Any]:
        """:attr:`audio` of a part of the recording, or :attr:`residue`."""
        found: NDArray[Any] = stretch.render(self.masking, stretch.take(self.mask), residue=residue).numpy()
        return found

    def _join(self, part: Callable[[Stretch], NDArray[Any]]) -> NDArray[Any]:
        found = np.concatenate([part(stretch) for stretch in self.stretches()], axis=-1)
        found.flags.writeable = False
        return found

    @cached_property
    def power(self) -> NDArray[Any]:
        """Power of :attr:`original` on :attr:`grid`, ``(F, N)`` float32: of STFT bins or of mel bands."""
        return self._join(self.power_of)

    @cached_property
    def gain(self) -> NDArray[Any]:
        """Part of the power of each cell that the mask keeps, ``(F, N)`` float32 in [0, 1] on :attr:`grid`.

        ``10 log10`` of it is the level that remains, in decibels relative to the recording, and what pictures and
        :meth:`regions` show. It is the power gain of the mask on its scale (:class:`~zsxai.spectral.Masking`), but for
        cells near the floor of ``log``, whose gain is 1 under any mask: they count as the mask says.
        """
        return self._join(self.gain_of)

    @cached_property
    def mask_stft(self) -> NDArray[Any]:
        """The mask on STFT bins, ``(n_fft // 2 + 1, N)``; a mel mask is spread by the bank's own weights."""
        if self.masking.domain == "stft":
            return self.mask
        import torch

        from zsxai.spectral import spread

        return spread(self.transform.bank, torch.from_numpy(self.mask.copy()).double()).float().numpy()

    @cached_property
    def audibility(self) -> float:
        """Part of the power that the explanation keeps which is within 6 dB of the recording.

        NaN where the mask is empty.
        """
        from zsxai.scoring import audibility

        return float(audibility(self.transform, self.masking, self.original, [self.mask])[0])

    @cached_property
    def transform(self) -> Any:
        """The STFT of :attr:`front_end`, with the mel bank where the mask lies on mel."""
        from zsxai.spectral import FrontEnd, Stft

        if self.masking.domain == "stft" or not isinstance(self.front_end, FrontEndSpec):
            return Stft(self.front_end)
        return FrontEnd(self.front_end, self.bank)

    @cached_property
    def audio(self) -> NDArray[Any]:
        """What the mask keeps, as sound: ``(T,)`` float32 at :attr:`sample_rate`, with the clip's phase."""
        return self._join(self.sound_of)

    @cached_property
    def residue(self) -> NDArray[Any]:
        """What the mask leaves, as sound: ``(T,)`` float32 at :attr:`sample_rate`."""
        return self._join(partial(self.sound_of, residue=True))

    def regions(
        self, count: int = 3, *, line_db: float = LINE_DB, part: tuple[float, float] | None = None
    ) -> list[Region]:
        """The connected parts of the recording that stay within 6 dB of their level, those that keep most power first.

        Args:
            count: How many at most.
            line_db: Level that remains at the edge, decibels relative to the recording.
            part: Between which seconds; all of it where None.

        Raises:
            InputError: If the line is no level under the recording's.
        """
        parts = ((self.gain_of(stretch), self.power_of(stretch)) for stretch in self.stretches(part))
        first = 0 if part is None else self.frames_between(*part).start
        return join_regions(parts, self.grid, count, line_db, first)

    def describe(self) -> str:
        """A few lines in words: the verdict, the prompt, the scores, where the evidence lies."""
        judged = "" if self.verdict is None else f"{self.verdict.describe()}\n"
        return (
            f"{judged}{self.prompt!r}: {self.score:.3f} ({self.unit})\n"
            f"  kept {self.score_in:.3f}, removed {self.score_out:.3f}, heard {self.score_heard:.3f}; "
            f"mask mean {self.mask_mean:.2f}, energy kept {self.kept_energy:.0%}\n"
            f"  {say_regions(self.regions())}"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Explanation):
            return NotImplemented
        arrays = ("mask", "relevance", "original")
        same = all(np.array_equal(getattr(self, a), getattr(other, a), equal_nan=True) for a in arrays)
        return same and self.record() == other.record()

    def __hash__(self) -> int:
        return hash((self.target, self.provenance.audio_sha256, self.provenance.explainer, self.provenance.model))

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        judged = "" if self.verdict is None else f"verdict={self.verdict.level!r}, "
        return (
            f"Explanation({self.prompt!r}, {judged}score={self.score:.3f} {self.unit}, "
            f"explainer={self.provenance.explainer!r}, model={self.provenance.model!r})"
        )

    def plot(self, ax: Axes | None = None, *, line_db: float = LINE_DB) -> Axes:
        """Draw the spectrogram, in colour where it is kept, on seconds x hertz.

        Args:
            ax: Axes to draw on; a new figure where None.
            line_db: Level that remains at the white line, decibels relative to the recording.

        Raises:
            InputError: If the line is no level under the recording's.
        """
        from zsxai.show.plot import plot_explanation

        return plot_explanation(self, ax, line_db=line_db)

    def play(self) -> Any:
        """A player of :attr:`audio` for a notebook (``IPython.display.Audio``), at its true level.

        Raises:
            InputError: If IPython is not installed.
        """
        try:
            from IPython.display import Audio
        except ModuleNotFoundError as error:
            raise InputError("play() needs a notebook: pip install ipython, or write e.audio with save()") from error
        return Audio(self.audio, rate=self.sample_rate, normalize=bool(np.abs(self.audio).max() > 1))

    def _repr_html_(self) -> str:
        from zsxai.show.page import notebook_html

        return notebook_html(self)

    def save(self, folder: str | Path, *, overwrite: bool = False, sounds: Sounds = "wav") -> Path:
        """Write the whole folder: record, arrays, sounds, picture and page.

        Args:
            folder: Written beside itself and renamed, so that it is whole or absent.
            overwrite: Replace a folder that an explanation was saved to before.
            sounds: How :attr:`audio` and :attr:`residue` are written: ``wav``, sample for sample; ``flac``, 24 bits, a
                third of the size; or ``none``. :attr:`original` is always there, as a WAV.

        Returns:
            The folder.

        Raises:
            InputError: If the folder exists and may not be replaced.
        """
        from zsxai.show.folder import write_folder

        return write_folder(self, as_path(folder), overwrite=overwrite, sounds=sounds)

    def record(self) -> dict[str, Any]:
        """Everything but the arrays, ready for JSON, with the hash of every field as it was first made."""
        regions = [r.model_dump() for r in self.regions()]
        derived = {"unit": self.unit, "regions": regions, "sha256": self._sha256}
        return {"format": FORMAT, **self.model_dump(mode="json"), **derived}

    @classmethod
    def load(cls, folder: str | Path) -> Explanation:
        """Read a folder that :meth:`save` wrote.

        Raises:
            InputError: If it is no such folder, or was damaged.
        """
        from zsxai.saved import read_folder

        return read_folder(cls, as_path(folder))

    def to_raven(self, path: str | Path | None = None, count: int | None = None) -> str:
        """Its regions as a selection table for Raven (:func:`zsxai.export.to_raven`)."""
        from zsxai.export import to_raven

        return to_raven(self, path, count)

    def to_audacity(self, path: str | Path | None = None, count: int | None = None) -> str:
        """Its regions as a label track for Audacity (:func:`zsxai.export.to_audacity`)."""
        from zsxai.export import to_audacity

        return to_audacity(self, path, count)

    def to_frame(self, count: int | None = None) -> Any:
        """Its regions as a pandas DataFrame (:func:`zsxai.export.to_frame`)."""
        from zsxai.export import to_frame

        return to_frame(self, count)

    def verify(self, model: object | None = None) -> Report:
        """Check the record against its own arrays and score it again with the model.

        Args:
            model: The model, where it was an object; loaded by its recorded name where None.
        """
        from zsxai.verify import verify

        return verify(self, model)
