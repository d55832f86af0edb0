"""What a backend must give.

A black box gives ``embed_audio`` and ``embed_text``; every explainer that needs no gradients works on it.
A :class:`SpectralModel` is split at the mel input, so that masks act on power or mel power and gradients
reach the waveform.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isroutine
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Self, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from zsxai.errors import InputError
from zsxai.fill import FillRule, fill
from zsxai.precision import dtype_of, rounding_of
from zsxai.spectral import FrontEnd, Grid

Pooling = Literal["mean", "max"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


class AudioSpec(BaseModel):
    """What a model wants to hear.

    Attributes:
        sample_rate: Samples per second.
        window: Seconds the model hears at once, or None where it takes any length.
        fill: How a shorter clip fills the window.
        overlap: Part of the window that consecutive windows of a longer recording share, in [0, 1).
        pooling: How the cosines of several windows make those of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_rate: int = Field(ge=100, le=1_000_000)
    window: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    fill: FillRule = "zero"
    overlap: float = Field(default=0.5, ge=0, lt=1)
    pooling: Pooling = "mean"

    @model_validator(mode="after")
    def _some_samples(self) -> Self:
        if self.window_samples is not None and self.window_samples < 2:
            raise ValueError(f"a window of {self.window} s holds {self.window_samples} samples: give 2 or more")
        return self

    @property
    def window_samples(self) -> int | None:
        """Samples in the window."""
        return None if self.window is None else round(self.window * self.sample_rate)

    def pool(self, cosines: Tensor) -> Tensor:
        """Cosines of a recording with prompts, ``(W, ...)`` of its windows to ``(...)``, as :attr:`pooling` says.

        Whatever is made of cosines, such as a probability, is made of the pooled ones: ``classify``, explanations and
        the benchmark then say the same of a recording.
        """
        return cosines.amax(dim=0) if self.pooling == "max" else cosines.mean(dim=0)


class ModelCard(BaseModel):
    """Who made the model, from what, under which licence.

    Attributes:
        name: Registry name with its argument, such as ``hf:laion/clap-htsat-unfused``.
        summary: One sentence.
        licence: SPDX expression, or a sentence where there is none.
        source: Where the weights come from.
        weights_sha256: Hash of the weights; None for a black box that gives none.
        training_data: Recordings the model was trained on.
        limits: What the model is not.
        knows: Names of the sounds that the model was trained on, where these are few; empty where its vocabulary is
            open, or nobody knows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str = ""
    licence: str = "unknown"
    source: str = "unknown"
    weights_sha256: str | None = None
    training_data: str = "unknown"
    limits: str = ""
    knows: tuple[str, ...] = ()

    def is_of(self, name: str, weights_sha256: str | None) -> bool:
        """Whether these are the weights with a hash, or the model of a name where neither side has a hash."""
        known = weights_sha256 or self.weights_sha256
        return weights_sha256 == self.weights_sha256 if known else name == self.name


_DEPTH, _MANY = 3, 200
"""How far in modules are looked for, and how long a container may be to be looked into: no vocabularies."""


def modules_held_by(holder: object) -> dict[str, nn.Module]:
    """The torch modules behind an object, by the path to each: itself, or those it holds, without their children.

    Looked for in its attributes and in the plain objects, dicts and lists among them, a few levels in.
    """
    found: dict[str, nn.Module] = {}
    seen: set[int] = set()
    queue: list[tuple[str, object, int]] = [("", holder, 0)]
    # Grows while it is walked: level by level, so that the shortest path to an object counts.
    for path, value, depth in queue:
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, nn.Module):
            found[path] = value
        elif depth < _DEPTH:
            queue += [(f"{path}.{key}".strip("."), item, depth + 1) for key, item in _inside(value)]
    return found


def _inside(value: object) -> list[tuple[object, object]]:
    if isinstance(value, (Tensor, type, ModuleType)) or isroutine(value):
        return []
    inside: Mapping[Any, object] = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    if isinstance(value, (list, tuple)):
        return list(enumerate(value)) if len(value) <= _MANY else []
    return list(inside.items()) if len(inside) <= _MANY else []


_ROUNDING = 1e-6
"""Of cosines in float32: a few units in the last place, which already batches of another size change."""


def check_rows(rows: Tensor, count: int, model: str, what: str) -> None:
    """See that a model gave one finite row for each of what it was given.

    Args:
        rows: ``(count, D)`` embeddings.
        count: How many were given.
        model: Its name.
        what: What was given: ``clips`` or ``prompts``.

    Raises:
        InputError: If not; or if a prompt's row is all 0, which has no direction.
    """
    if rows.ndim != 2 or len(rows) != count or not rows.shape[1]:
        raise InputError(
            f"{model} gave embeddings of shape {tuple(rows.shape)} for {count} {what}: it should be ({count}, D)"
        )
    bad = int((~rows.isfinite().all(dim=1)).sum())
    if bad:
        raise InputError(f"{model} gave NaN or infinity for {bad} of {count} {what}: no score can be made of that")
    if what == "prompts" and not bool(rows.any(dim=1).all()):
        raise InputError(f"{model} gave nothing but zeros for a prompt: no score can be made of that")


class ZeroShotModel(ABC):
    """A loaded zero-shot audio classifier, as far as every explainer may rely on it.

    Attributes:
        card: Licence, sources, hash.
        audio_spec: Sample rate, window, fill.
        logit_scale: Factor on cosines before a softmax, or None where the model gives none.
        device: Where tensors go.
        templates: Templates that the model is used with, by name: sentences with one ``{}`` each, averaged.
        centrings: Files of centrings (:mod:`zsxai.concepts.centring`) that come with the model.
        references: Files of reference figures (:mod:`zsxai.verdict.reference`) that come with the model.
    """

    card: ModelCard
    audio_spec: AudioSpec
    logit_scale: float | None = None
    device: torch.device = torch.device("cpu")
    templates: Mapping[str, tuple[str, ...]] = {}
    centrings: Sequence[Path] = ()
    references: Sequence[Path] = ()

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.audio_spec.sample_rate

    @abstractmethod
    def embed_audio(self, waveforms: Tensor) -> Tensor:
        """Embed clips.

        Args:
            waveforms: ``(B, T)`` float32 at :attr:`sample_rate`, at most one window long.

        Returns:
            ``(B, D)`` unit rows.
        """

    @abstractmethod
    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """Embed prompts, ``(P, D)`` unit rows in the space of :meth:`embed_audio`."""

    def prompt_notes(self, prompts: Sequence[str]) -> tuple[str, ...]:
        """What a reader should know of how the model reads prompts, such as unknown words, a line each."""
        return ()

    @property
    def rounding(self) -> float:
        """How far a cosine may be off by the precision that the model computes in: what lies below it is nothing."""
        return max(_ROUNDING, rounding_of(dtype_of(self) or torch.float32))

    def modules(self) -> tuple[nn.Module, ...]:
        """The torch modules behind the model, whose mode and hooks must survive an explanation unchanged.

        Those among its attributes, and those in plain objects, dicts and lists that it holds.
        """
        return tuple(modules_held_by(self).values())


@dataclass(frozen=True)
class Features:
    """Three differentiable stages of a batch of clips, each filled to the model's window.

    Attributes:
        power: ``(B, F, N)`` STFT power; None where the features were re-entered at mel.
        mel: ``(B, n_mels, N)`` mel power.
        input: What the encoder takes, any layout.
        extras: What else the encoder takes (``is_longer`` of Hugging Face).
    """

    power: Tensor | None
    mel: Tensor
    input: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    @staticmethod
    def join(parts: Sequence[Features]) -> Features:
        """Several batches of one model as one, from mel power on: what the encoder takes."""
        if len(parts) == 1:
            return parts[0]
        extras = {name: torch.cat([part.extras[name] for part in parts]) for name in parts[0].extras}
        return Features(None, torch.cat([p.mel for p in parts]), torch.cat([p.input for p in parts]), extras)


@dataclass(frozen=True)
class FeatureMap:
    """An encoder's feature map, unfolded to frequency x time.

    Attributes:
        name: Name of its tap.
        values: ``(B, C, f, t)``, frequency low to high, on the autograd path.
        grid: Where its cells lie, in hertz and in seconds of the window.
    """

    name: str
    values: Tensor
    grid: Grid


@dataclass(frozen=True)
class Encoding:
    """Result of the audio encoder: ``embedding`` ``(B, D)`` unit rows and feature maps, early to late."""

    embedding: Tensor
    feature_maps: tuple[FeatureMap, ...]

    def detach(self) -> Encoding:
        """The same without a graph."""
        maps = tuple(FeatureMap(m.name, m.values.detach(), m.grid) for m in self.feature_maps)
        return Encoding(self.embedding.detach(), maps)

    def split(self) -> list[Encoding]:
        """A batch of B as B batches of one."""
        rows = [slice(row, row + 1) for row in range(len(self.embedding))]
        return [
            Encoding(self.embedding[row], tuple(FeatureMap(m.name, m.values[row], m.grid) for m in self.feature_maps))
            for row in rows
        ]


@dataclass(frozen=True)
class TextEncoding:
    """Result of the text encoder.

    Attributes:
        embedding: ``(P, D)`` unit rows.
        tokens: ``(P, L, E)`` token states, or None where the backend has none.
        token_mask: ``(P, L)`` bool, True on real tokens.
    """

    embedding: Tensor
    tokens: Tensor | None = None
    token_mask: Tensor | None = None

    def __len__(self) -> int:
        """Prompts."""
        return len(self.embedding)

    def rows(self, index: Tensor | Sequence[int] | slice) -> TextEncoding:
        """Some of the prompts, in the order of their numbers."""
        parts = (self.embedding, self.tokens, self.token_mask)
        return TextEncoding(*(None if part is None else part[index] for part in parts))  # type: ignore[arg-type]

    @staticmethod
    def join(parts: Sequence[TextEncoding]) -> TextEncoding:
        """Prompts of several encodings as one, token states padded to the longest."""
        if len(parts) == 1:
            return parts[0]
        embedding = torch.cat([part.embedding for part in parts])
        if any(part.tokens is None or part.token_mask is None for part in parts):
            return TextEncoding(embedding)
        longest = max(part.tokens.shape[1] for part in parts if part.tokens is not None)

        def pad(values: Tensor) -> Tensor:
            padded = values.new_zeros(len(values), longest, *values.shape[2:])
            padded[:, : values.shape[1]] = values
            return padded

        tokens = torch.cat([pad(part.tokens) for part in parts if part.tokens is not None])
        masks = torch.cat([pad(part.token_mask) for part in parts if part.token_mask is not None])
        return TextEncoding(embedding, tokens, masks)


class SpectralModel(ZeroShotModel):
    """A model split at its mel input.

    An adapter sets :attr:`front_end` and :attr:`taps`, and writes :meth:`model_input`, :meth:`encode` and
    :meth:`encode_text`.

    Attributes:
        front_end: STFT and mel, with the checkpoint's numbers.
        taps: Identity modules laid over the unfolded ``(B, C, f, t)`` maps, by name, early to late. Captum's layer
            methods and hooks attach here.
        decoders: Folders of LMAC-ZS decoders that come with the model; those of other weights are passed over.
    """

    front_end: FrontEnd
    taps: Mapping[str, nn.Module]
    decoders: Sequence[Path] = ()

    @abstractmethod
    def model_input(self, log_mel: Tensor, mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Lay ``(B, n_mels, N)`` log-mel out as the encoder wants it; returns the input and the extras."""

    @abstractmethod
    def encode(self, features: Features) -> Encoding:
        """Run the audio encoder on ``features.input``, cast to the type of its weights, and ``features.extras``."""

    @abstractmethod
    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        """Run the text encoder."""

    def features(self, waveforms: Tensor) -> Features:
        """Fill clips to the window and compute their stages.

        Args:
            waveforms: ``(B, T)`` float32, at most one window long.

        Raises:
            InputError: If the shape is another, or a clip is longer than the window (``zsxai.explain`` and
                ``classify`` cut windows).
        """
        if waveforms.ndim != 2 or not waveforms.shape[-1]:
            raise InputError(f"waveforms have shape (B, T) with T of 1 or more, not {tuple(waveforms.shape)}")
        window = self.audio_spec.window_samples
        if window is not None and waveforms.shape[-1] > window:
            raise InputError(
                f"{waveforms.shape[-1]} samples are more than the {window} of one window of {self.card.name}; "
                "zsxai.explain and zsxai.classify cut longer recordings into windows"
            )
        filled = fill(waveforms.to(self.device), self.audio_spec.fill, window)
        return self.features_from_power(self.front_end.power(filled))

    def features_from_power(self, power: Tensor) -> Features:
        """Re-enter at STFT power ``(B, F, N)`` of the filled window."""
        features = self.features_from_mel(self.front_end.mel(power))
        return Features(power, features.mel, features.input, features.extras)

    def features_from_mel(self, mel: Tensor) -> Features:
        """Re-enter at mel power ``(B, n_mels, N)`` of the filled window."""
        model_input, extras = self.model_input(self.front_end.log(mel), mel)
        return Features(None, mel, model_input, extras)

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        """See :meth:`ZeroShotModel.embed_audio`; differentiable to the waveform."""
        return self.encode(self.features(waveforms)).embedding

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """See :meth:`ZeroShotModel.embed_text`."""
        return self.encode_text(prompts).embedding
