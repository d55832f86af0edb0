"""How a decoder is trained, as data: read from TOML and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from zsxai.errors import InputError, first_problem
from zsxai.lmac_zs.card import TrainedDomain
from zsxai.lmac_zs.training.objectives import AnyObjective, Contrastive, Paper
from zsxai.model import AudioSpec
from zsxai.spectral import Scale
from zsxai.toml import read_toml


class Record(BaseModel):
    """Base of everything in a configuration: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSpec(Record):
    """A data set.

    Attributes:
        reader: Name in ``zsxai.datasets``.
        root: Folder or file; where None, the caller names it (``--data NAME=PATH``).
        options: What the reader takes besides, such as ``folds = [1, 2]``.
    """

    reader: str
    root: str | None = None
    options: dict[str, Any] = {}


class DecoderChoice(Record):
    """What is chosen of the decoder; the model decides the rest.

    Attributes:
        maps: Names of the model's feature maps, early to late; its last four where empty.
        widths: Channels for each of them.
        conditioning: How the prompt enters; see :class:`zsxai.lmac_zs.decoder.DecoderSpec`.
        gradient: Whether the model's own gradient at the last map comes in.
    """

    maps: tuple[str, ...] = ()
    widths: tuple[int, ...] = (32, 48, 64, 96)
    conditioning: Literal["tokens", "pooled"] = "tokens"
    gradient: bool = True


class TrainingConfig(Record):
    """Everything that decides the result of a training, besides the model and the sound.

    Attributes:
        data: Data sets by name, all trained on together.
        validation: Data sets for the diagnostics alone; where empty, ``held_out`` of the training data.
        held_out: Part of the recordings (by their source) kept for the diagnostics where no validation data are named.
        templates: Around class names; sentences are taken as they are.
        phrases: A TOML file of further wording, ``[classes."dog"] phrases = [...]``, beside the configuration.
        domain: Domain of the masks; ``both`` takes hertz and mel in turn.
        scale: How masks act.
        calibration: Makes masks of the decoder's log-odds; a steeper one is reached step by step.
        objective: What is minimised.
        decoder: The network.
        steps: Updates of the weights; with ``epochs``, computed from the size of the data.
        epochs: Passes over the data, in place of ``steps``.
        batch: Recordings that are mixed with and distinguished from each other.
        accumulate: Batches whose gradients make one update; several processes share them.
        rate: Peak learning rate of Adam.
        warm_up: Part of the steps over which the rate rises.
        schedule: Schedule of the rate after that: ``cosine`` to 3 %, or ``constant``.
        clip_norm: Norm at which gradients are clipped.
        mix: Part of the recordings that are mixed with another; objectives without mixtures ignore it.
        level: Most decibels by which the other one is louder or softer.
        third: Part of the mixtures that hold a third sound.
        noise: Part of the recordings under which noise lies, 10 to 30 dB softer.
        nothing: Part of the recordings that are noise alone: no caption is right.
        vary: Part of the recordings that are given another speed and colour.
        similar: Part of the foreign captions taken from those that the model finds nearest to the recording.
        bank: Captions to distinguish in a step, at least.
        same_above: Cosine of two captions from which on they count as the same.
        seconds: Length of a window, where the model takes any.
        licence: Licence of the decoder, for its card.
        precision: ``bf16`` computes networks in bfloat16; ``auto`` does on a GPU that has it.
        seed: Seed of weights, order, mixtures and captions.
        validate_every: Steps between diagnostics.
        validation_clips: Recordings that they are measured on.
        checkpoint_every: Steps between checkpoints.
    """

    data: dict[str, DataSpec] = {}
    validation: dict[str, DataSpec] = {}
    held_out: float = Field(default=0.1, ge=0, lt=1)
    templates: tuple[str, ...] = (
        "{}",
        "the sound of {}",
        "a recording of {}",
        "i can hear {}",
        "this is a sound of {}",
    )
    phrases: str | None = None
    domain: TrainedDomain = "stft"
    scale: Scale = "log"
    calibration: Literal["sigmoid", "steep-sigmoid"] = "steep-sigmoid"
    objective: AnyObjective = Contrastive()
    decoder: DecoderChoice = DecoderChoice()
    steps: int | None = Field(default=None, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    batch: int = Field(default=8, ge=2, le=1024)
    accumulate: int = Field(default=1, ge=1)
    rate: float = Field(default=2e-3, gt=0)
    warm_up: float = Field(default=0.03, ge=0, lt=1)
    schedule: Literal["cosine", "constant"] = "cosine"
    clip_norm: float = Field(default=1.0, gt=0)
    mix: float = Field(default=0.8, ge=0, le=1)
    level: float = Field(default=5.0, ge=0)
    third: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0, le=1)
    nothing: float = Field(default=0.0, ge=0, lt=1)
    vary: float = Field(default=0.0, ge=0, le=1)
    similar: float = Field(default=0.0, ge=0, le=1)
    bank: int = Field(default=48, ge=2, le=100_000)
    same_above: float = Field(default=0.95, gt=0, le=1)
    seconds: float = Field(default=10.0, gt=0, le=600)
    licence: str = "unknown"
    precision: Literal["auto", "float32", "bf16"] = "auto"
    seed: int = Field(default=0, ge=0)
    validate_every: int = Field(default=100, ge=1)
    validation_clips: int = Field(default=32, ge=2, le=100_000)
    checkpoint_every: int = Field(default=50, ge=1)

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("say steps or epochs, not both")
        if any(template.count("{}") != 1 for template in self.templates) or not self.templates:
            raise ValueError("templates hold one {} each, for the class, such as 'the sound of {}'")
        return self

    def updates(self, clips: int) -> int:
        """Number of steps for so many clips; 800 where neither steps nor epochs are given."""
        if self.epochs is not None:
            return max(1, round(self.epochs * clips / (self.batch * self.accumulate)))
        return self.steps or 800

    def samples(self, audio: AudioSpec) -> int:
        """Samples in a window: the model's own window, or ``seconds`` where the model takes any length."""
        return audio.window_samples or round(self.seconds * audio.sample_rate)

    def without_paths(self) -> dict[str, Any]:
        """As plain values less the places of one machine, for cards."""
        values = self.model_dump(mode="json")
        for spec in (*values["data"].values(), *values["validation"].values()):
            spec["root"] = None
        if self.phrases:
            values["phrases"] = Path(self.phrases).name
        return values


def load_config(path: str | Path | None, changes: Mapping[str, Any] | None = None) -> TrainingConfig:
    """Read a configuration.

    Args:
        path: A TOML file; None takes the defaults.
        changes: Values in place of the file's.

    Raises:
        InputError: If the file is missing, is no TOML, or something in it is wrong; one line.
    """
    values: dict[str, Any] = {}
    if path is not None:
        file = Path(path)
        if not file.is_file():
            raise InputError(f"no configuration at {file}")
        values = read_toml(file)
        if isinstance(values.get("phrases"), str):
            values["phrases"] = str(file.parent / values["phrases"])
    return parse_config({**values, **(changes or {})}, str(path or "the configuration"))


def parse_config(values: Mapping[str, Any], name: str) -> TrainingConfig:
    """Check plain values and make a configuration of them.

    Raises:
        InputError: If something in it is wrong; one line.
    """
    try:
        return TrainingConfig(**values)
    except ValidationError as error:
        place = error.errors()[0]["loc"]
        fields: Mapping[str, object] = TrainingConfig.model_fields
        if len(place) > 1:
            tables: dict[str, type[BaseModel]] = {"decoder": DecoderChoice, "contrastive": Contrastive, "paper": Paper}
            fields = tables.get(str(place[-2]), DataSpec).model_fields
        raise InputError(f"{name}: {first_problem(error, fields)}") from error


def read_phrases(path: str | None) -> dict[str, tuple[str, ...]]:
    """Read further wording of classes from a TOML file.

    Raises:
        InputError: If it is missing or of another shape.
    """
    if path is None:
        return {}
    try:
        classes = read_toml(path)["classes"]
        phrases = {name: entry["phrases"] for name, entry in classes.items()}
        if not all(isinstance(words, list) for words in phrases.values()):
            raise TypeError("phrases are a list")
        return {name: tuple(map(str, words)) for name, words in phrases.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no phrases of classes ([classes.NAME] phrases = [...]): {error!r}") from error
