"""At most one window of sound before its model: what explainers see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.errors import InputError
from zsxai.fill import FillRule, FrameMap, frame_map
from zsxai.model import Encoding, Features, SpectralModel, ZeroShotModel
from zsxai.spectral import (
    Domain,
    FrontEndSpec,
    Grid,
    Masking,
    Stft,
    StftSpec,
    heard_band,
    mel_grid,
    render,
    stft_grid,
)

BATCH_SIZE = 8
"""Clips per forward: on two CPU cores larger batches are slower, not faster (docs/architecture.md)."""
MOST_AT_ONCE = 1024
"""Clips per forward that may be asked for: their masks alone take about a gigabyte."""


@dataclass(frozen=True)
class Relevance:
    """Raw, signed relevance on an explainer's own cells.

    Attributes:
        values: ``(P, f, n)``, or ``(f, n)`` for one target.
        grid: Where the cells lie.
        on: ``window`` where they lie on the filled window the model heard, ``clip`` where on the clip itself.
        copies: What the copies of a repeated clip make on the clip: the ``sum`` of their relevance, or its ``mean``
            where the values are those of a mask.
    """

    values: Tensor
    grid: Grid
    on: Literal["window", "clip"]
    copies: Literal["sum", "mean"] = "sum"


def batches(count: int, size: int) -> Iterable[slice]:
    """Slices of at most ``size`` over ``count`` rows."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


T = TypeVar("T")


def join_up(items: Iterable[T], size: int, may_join: Callable[[T, T], bool]) -> Iterator[list[T]]:
    """Neighbours in groups: of at most ``size``, each of which may join the one before it."""
    some: list[T] = []
    for item in items:
        if some and (len(some) == size or not may_join(some[-1], item)):
            yield some
            some = []
        some.append(item)
    if some:
        yield some


class Clip:
    """At most one window of a recording, as an explainer sees it.

    Args:
        model: The model to explain.
        waveform: ``(T,)`` float32 at the model's rate.
        masking: How masks act.
        stft: Transform that masks and audio use; the model's own front end where it has one.
        seed: Seed of whatever is random.
        batch_size: Clips per forward.
        embedding: ``(D,)``, where it is known: the clip is then not encoded for it again.
        power: ``(F, N)`` STFT power of the clip, where it is known.
    """

    def __init__(
        self,
        model: ZeroShotModel,
        waveform: Tensor,
        masking: Masking,
        stft: Stft,
        *,
        seed: int = 0,
        batch_size: int = BATCH_SIZE,
        embedding: Tensor | None = None,
        power: Tensor | None = None,
    ) -> None:
        self.model = model
        self.waveform = waveform
        self.masking = masking
        self.stft = stft
        self.seed = seed
        self.batch_size = batch_size
        window = model.audio_spec.window_samples
        self.samples = waveform.shape[-1]
        self._rule: FillRule = model.audio_spec.fill if isinstance(model, SpectralModel) else "none"
        self.window_samples = self.samples if window is None or self._rule == "none" else window
        if embedding is not None:
            self.embedding = embedding
        if power is not None:
            self.power = power

    @cached_property
    def frames(self) -> FrameMap:
        """Frames of the clip -> frames of the filled window."""
        return frame_map(self._rule, self.stft.stft_spec, self.samples, self.model.audio_spec.window_samples)

    @cached_property
    def grid(self) -> Grid:
        """Grid of the clip, on which masks lie."""
        return make_grid(self.stft.stft_spec, self.masking.domain, self.samples)

    @cached_property
    def window_grid(self) -> Grid:
        """Grid of the window that the clip fills, in the mask's domain."""
        return make_grid(self.stft.stft_spec, self.masking.domain, self.window_samples)

    @property
    def spectral(self) -> SpectralModel:
        """The model, where it is split at its mel input.

        Raises:
            InputError: If the model is a black box.
        """
        if not isinstance(self.model, SpectralModel):
            raise InputError(
                f"{self.model.card.name} is a black box, without gradients: use an explainer that needs none, "
                "such as 'occlusion'"
            )
        return self.model

    @cached_property
    def features(self) -> Features:
        """Stages of the clip, a batch of one, without a graph."""
        with torch.no_grad():
            if self.samples == self.window_samples:  # nothing is filled: the clip's power is the window's
                return self.spectral.features_from_power(self.power[None])
            return self.spectral.features(self.waveform[None])

    @cached_property
    def power(self) -> Tensor:
        """STFT power of the clip itself (not of the filled window), ``(F, N)``."""
        with torch.no_grad():
            return self.stft.power(self.waveform)

    @cached_property
    def power_on_grid(self) -> Tensor:
        """Power of the clip in the mask's domain, ``(F, N)`` on :attr:`grid`."""
        if self.masking.domain == "mel":
            with torch.no_grad():
                return self.spectral.front_end.mel(self.power)
        return self.power

    @cached_property
    def encoding(self) -> Encoding:
        """Encoding of the clip, a batch of one, without a graph."""
        with torch.no_grad():
            return self.spectral.encode(self.features)

    @cached_property
    def embedding(self) -> Tensor:
        """Embedding of the clip, ``(D,)``."""
        if isinstance(self.model, SpectralModel):
            return self.encoding.embedding[0]
        with torch.no_grad():
            return self.model.embed_audio(self.waveform[None])[0]

    def generator(self, purpose: str) -> torch.Generator:
        """A generator keyed by the clip, the seed and a purpose; never by the prompt."""
        digest = hashlib.sha256(self.waveform.cpu().numpy().tobytes())
        digest.update(f"{self.seed}/{purpose}".encode())
        return torch.Generator().manual_seed(int.from_bytes(digest.digest()[:7], "big"))

    def embed_masked(self, masks: Tensor) -> Tensor:
        """Embed the clip under masks; differentiable in the masks where the model is.

        Args:
            masks: ``(K, F, N)`` in [0, 1] on :attr:`grid`, 0 outside the band.

        Returns:
            ``(K, D)``.
        """
        return torch.cat([self._embed(masks[part]) for part in batches(len(masks), self.batch_size)])

    def _embed(self, masks: Tensor) -> Tensor:
        if isinstance(self.model, SpectralModel):
            return self.model.encode(self.masked(masks)).embedding
        return self.model.embed_audio(render(self.stft, self.masking, self.waveform, masks.to(self.model.device)))

    def masked(self, masks: Tensor) -> Features:
        """What the encoder of a spectral model takes under masks; differentiable in the masks.

        Args:
            masks: ``(K, F, N)`` in [0, 1] on :attr:`grid`, 0 outside the band.

        Returns:
            Stages of K versions, from mel power on.
        """
        model = self.spectral
        mask = self.frames.forward(masks.to(model.device))
        if self.masking.domain == "mel":
            mel = self.features.mel
            return model.features_from_mel(mel * self.masking.gain(mel, mask))
        if self.features.power is None:
            raise RuntimeError("features() of a spectral model gives the STFT power")
        heard = model.front_end.heard
        power = self.features.power[:, heard]
        gain = self.masking.gain(power, mask[:, heard].to(power.dtype))
        # In place where no gradient is wanted: on a small model the memory of a batch costs as much as its numbers.
        kept = power * gain if gain.requires_grad else gain.mul_(power)
        return model.features_from_mel(model.front_end.mel_of_heard(kept))

    def place(self, relevance: Relevance) -> NDArray[Any]:
        """Carry relevance from an explainer's cells to the clip's grid.

        Args:
            relevance: Values ``(P, f, n)`` on cells of the filled window or of the clip.

        Returns:
            ``(P, F, N)`` float32; on a filled window copies are joined as the relevance says.
        """
        values = relevance.values.detach().cpu().double().numpy()  # numpy knows no bfloat16
        if relevance.on == "clip":
            return relevance.grid.resample(values, self.grid)
        filled = torch.from_numpy(relevance.grid.resample(values, self.window_grid))
        joined = self.frames.mean(filled) if relevance.copies == "mean" else self.frames.adjoint(filled)
        return joined.numpy()


def features_of(clips: Sequence[Clip]) -> Features:
    """Stages of several clips, windows of one length, as one batch."""
    return Features.join([clip.features for clip in clips])


def keep_encodings(clips: Sequence[Clip], encoding: Encoding) -> None:
    """Let every clip keep its row of an encoding of all, so that it is not encoded again."""
    for clip, own in zip(clips, encoding.split(), strict=True):
        clip.encoding = own


def encode_all(clips: Sequence[Clip]) -> None:
    """Embed clips, windows of one length, by one forward for all that do not know their embedding yet."""
    unknown = [clip for clip in clips if not {"encoding", "embedding"} & set(vars(clip))]
    if not unknown:
        return
    model = unknown[0].model
    with torch.no_grad():
        if isinstance(model, SpectralModel):
            keep_encodings(unknown, model.encode(features_of(unknown)))
            return
        for clip, row in zip(unknown, model.embed_audio(torch.stack([c.waveform for c in unknown])), strict=True):
            clip.embedding = row


def make_grid(spec: StftSpec, domain: Domain, samples: int) -> Grid:
    """Grid of a clip in a domain."""
    if not isinstance(spec, FrontEndSpec):
        return stft_grid(spec, samples)
    return mel_grid(spec, samples) if domain == "mel" else stft_grid(spec, samples, heard_band(spec))
