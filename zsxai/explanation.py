"""An explanation: frozen, typed; saves, loads, verifies itself, plots and plays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator

from zsxai.audio import fingerprint
from zsxai.clip import make_grid
from zsxai.errors import InputError, first_problem
from zsxai.prompts import Template
from zsxai.regions import Region, find_regions
from zsxai.scoring import WindowScores
from zsxai.spectral import FrontEndSpec, Grid, Masking, StftSpec
from zsxai.target import Contrast, Probability, Similarity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zsxai.report import Report

FORMAT = 1
"""Version of the saved folder; a loader refuses what it does not know."""

RECORD, ARRAYS, ORIGINAL = "explanation.json", "mask.safetensors", "original.wav"


class Provenance(BaseModel):
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
        pooling: How the cosines of the windows made the file's.
        audio_name: File name, or ``array``.
        audio_sha256: Hash of the samples the model heard (mono, at its rate).
        relevance_sha256: Hash of the relevance.
        audio_sample_rate: Rate as given.
        audio_channels: Channels as given.
        versions: Versions of the libraries that compute.
        warnings: What a reader should know before trusting the figures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    model_card: dict[str, Any]
    explainer: str
    options: dict[str, Any]
    explainer_weights: dict[str, str] = {}
    calibration: str
    template: Template
    seed: int
    batch_size: int
    pooling: str
    audio_name: str
    audio_sha256: str
    relevance_sha256: str
    audio_sample_rate: int
    audio_channels: int
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()


Array = Annotated[NDArray[Any], Field(exclude=True, repr=False)]


class Explanation(BaseModel):
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
        mask: ``(F, N)`` float32 in [0, 1] on :attr:`grid`.
        relevance: ``(F, N)`` float32 on :attr:`grid`, raw and signed.
        original: ``(T,)`` float32: what the model heard.
        bank: ``(n_mels, n_fft // 2 + 1)``, the model's mel bank; not saved, and librosa's where None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    target: SerializeAsAny[Annotated[Similarity | Contrast | Probability, Field(discriminator="kind")]]
    score: float
    score_in: float
    score_out: float
    score_heard: float
    similarity: float
    mask_mean: float
    kept_energy: float
    masking: Masking
    windows: tuple[WindowScores, ...]
    front_end: SerializeAsAny[StftSpec | FrontEndSpec]
    sample_rate: int
    provenance: Provenance
    mask: Array
    relevance: Array
    original: Array
    bank: Annotated[NDArray[Any] | None, Field(exclude=True, repr=False)] = None

    @field_validator("mask", "relevance", "original")
    @classmethod
    def _read_only(cls, value: NDArray[Any]) -> NDArray[Any]:
        frozen = np.array(value, dtype=np.float32)
        frozen.flags.writeable = False
        return frozen

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

    @cached_property
    def mask_stft(self) -> NDArray[Any]:
        """The mask on STFT bins, ``(n_fft // 2 + 1, N)``; a mel mask is spread by the bank's own weights."""
        if self.masking.domain == "stft":
            return self.mask
        import torch

        from zsxai.spectral import spread

        return spread(self.transform.bank, torch.from_numpy(self.mask.copy()).double()).float().numpy()

    @cached_property
    def transform(self) -> Any:
        """The STFT of :attr:`front_end`, with the mel bank where the mask lies on mel."""
        from zsxai.spectral import FrontEnd, Stft

        if self.masking.domain == "stft":
            return Stft(self.front_end)
        if not isinstance(self.front_end, FrontEndSpec):
            raise InputError("a mel mask without a mel bank: the record is damaged")
        return FrontEnd(self.front_end, self.bank)

    @cached_property
    def audio(self) -> NDArray[Any]:
        """What the mask keeps, as sound: ``(T,)`` float32 at :attr:`sample_rate`, with the clip's phase."""
        return self._render(residue=False)

    @cached_property
    def residue(self) -> NDArray[Any]:
        """What the mask leaves, as sound: ``(T,)`` float32 at :attr:`sample_rate`."""
        return self._render(residue=True)

    def _render(self, *, residue: bool) -> NDArray[Any]:
        import torch

        from zsxai.spectral import render

        waveform, mask = torch.from_numpy(self.original.copy()), torch.from_numpy(self.mask.copy())
        audio: NDArray[Any] = render(self.transform, self.masking, waveform, mask, residue=residue).numpy()
        audio.flags.writeable = False
        return audio

    def regions(self, count: int = 3) -> list[Region]:
        """The largest connected parts of the mask above one half, strongest first."""
        return find_regions(self.mask, self.grid, count)

    def describe(self) -> str:
        """A few lines in words: the prompt, the scores, where the evidence lies."""
        where = "; ".join(map(str, self.regions())) or "nowhere above one half"
        return (
            f"{self.prompt!r}: {self.score:.3f} ({self.unit})\n"
            f"  kept {self.score_in:.3f}, removed {self.score_out:.3f}, heard {self.score_heard:.3f}; "
            f"mask mean {self.mask_mean:.2f}, energy kept {self.kept_energy:.0%}\n"
            f"  {where}"
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
        return (
            f"Explanation({self.prompt!r}, score={self.score:.3f} {self.unit}, "
            f"explainer={self.provenance.explainer!r}, model={self.provenance.model!r})"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the spectrogram with the mask over it, on seconds x hertz.

        Args:
            ax: Axes to draw on; a new figure where None.
        """
        from zsxai.show.plot import plot_explanation

        return plot_explanation(self, ax)

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

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the whole folder: record, arrays, three WAVs, picture and page.

        Args:
            folder: Written beside itself and renamed, so that it is whole or absent.
            overwrite: Replace a folder that an explanation was saved to before.

        Returns:
            The folder.

        Raises:
            InputError: If the folder exists and may not be replaced.
        """
        from zsxai.show.folder import write_folder

        return write_folder(self, Path(folder), overwrite=overwrite)

    def record(self) -> dict[str, Any]:
        """Everything but the arrays, ready for JSON."""
        regions = [r.model_dump() for r in self.regions()]
        return {"format": FORMAT, **self.model_dump(mode="json"), "unit": self.unit, "regions": regions}

    @classmethod
    def load(cls, folder: str | Path) -> Explanation:
        """Read a folder that :meth:`save` wrote.

        Raises:
            InputError: If it is no such folder, or was damaged.
        """
        import soundfile
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        root = Path(folder)
        for name in (RECORD, ARRAYS, ORIGINAL):
            if not (root / name).is_file():
                raise InputError(f"{root} is no saved explanation: {name} is missing")
        try:
            data = json.loads((root / RECORD).read_text(encoding="utf-8"))
            arrays = load_file(root / ARRAYS)
            original, _ = soundfile.read(root / ORIGINAL, dtype="float32")
            return cls._from_record(data, {**arrays, "original": original})
        except (ValueError, KeyError, SafetensorError, soundfile.LibsndfileError) as error:
            if isinstance(error, InputError):
                raise
            reason = first_problem(error, cls.model_fields) if isinstance(error, ValidationError) else error
            raise InputError(f"{root} holds a damaged explanation: {reason}") from error

    @classmethod
    def _from_record(cls, data: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Explanation:
        if not isinstance(data, dict):
            raise ValueError(f"{RECORD} holds a {type(data).__name__}, not a record")
        if data.get("format") != FORMAT:
            raise InputError(f"explanation format {data.get('format')!r} is not {FORMAT}: upgrade zsxai")
        fields = {k: v for k, v in data.items() if k in cls.model_fields}
        loaded = cls(**fields, **{k: arrays[k] for k in ("mask", "relevance", "original")})
        if fingerprint(loaded.original) != loaded.provenance.audio_sha256:
            raise InputError(f"{ORIGINAL} is not the audio that was explained (its hash differs)")
        if loaded.mask.shape != loaded.grid.shape or loaded.relevance.shape != loaded.grid.shape:
            raise InputError(f"{ARRAYS} does not fit the recording: {loaded.mask.shape} on {loaded.grid.shape}")
        return loaded

    def verify(self, model: object | None = None) -> Report:
        """Check the record against its own arrays and score it again with the model.

        Args:
            model: The model, where it was an object; loaded by its recorded name where None.
        """
        from zsxai.verify import verify

        return verify(self, model)
