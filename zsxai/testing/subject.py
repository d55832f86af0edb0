"""A model under test, with what every check asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.testing.run import Skipped
from zsxai.testing.signals import noise

PROMPTS = ("a dog barking", "rain", "somebody plays the violin in a large hall while the audience coughs")
"""Of unlike lengths, so that a batch of them is padded; the last is the longest."""

CLOSE = 1e-5
"""Embeddings that must agree may differ by this much, relative to the length of a row (1 for unit rows)."""

SAME = 1e-6
"""Embeddings nearer than this are one."""

_ANY_LENGTH, _SHORT = 5.0, 0.8
"""Seconds: stands for the window of a model that takes any length; a short clip."""


@dataclass(frozen=True)
class Subject:
    """A model and the clips it is checked on.

    Attributes:
        model: The model.
        prompts: Three that it tells apart, the last the longest.
    """

    model: ZeroShotModel
    prompts: tuple[str, ...] = PROMPTS

    @property
    def rate(self) -> int:
        """Samples per second, as the model's ``audio_spec`` says."""
        return self.model.audio_spec.sample_rate

    @property
    def window(self) -> int:
        """Samples in the window; of five seconds where the model takes any length."""
        return self.model.audio_spec.window_samples or round(_ANY_LENGTH * self.rate)

    @property
    def short(self) -> int:
        """Samples in a short clip, odd so that no hop divides it."""
        return min(self.window, round(_SHORT * self.rate)) // 2 * 2 - 1

    @cached_property
    def spectral(self) -> SpectralModel:
        """The model, where it is split at its mel input.

        Raises:
            Skipped: If it is a black box.
        """
        if not isinstance(self.model, SpectralModel):
            raise Skipped("a black box has no stages, maps or gradients to check")
        return self.model

    def clip(self, samples: int, seed: int = 0) -> Tensor:
        """Noise, ``(1, samples)``, on the model's device."""
        return noise(samples, seed)[None].to(self.model.device)

    def audio(self, waveforms: Tensor) -> Tensor:
        """Embed ``(B, T)`` clips without a graph, ``(B, D)`` on the CPU."""
        with torch.no_grad():
            return self.model.embed_audio(waveforms.to(self.model.device)).detach().cpu()

    def text(self, prompts: Sequence[str]) -> Tensor:
        """Embed prompts without a graph, ``(P, D)`` on the CPU."""
        with torch.no_grad():
            return self.model.embed_text(prompts).detach().cpu()


def distance(one: Tensor, other: Tensor) -> float:
    """Greatest absolute difference, relative to the longest row where that is above 1; infinite for unlike shapes."""
    if one.shape != other.shape:
        return float("inf")
    longest = max(1.0, float(one.norm(dim=-1).max()), float(other.norm(dim=-1).max()))
    found = float((one - other).abs().max()) / longest
    return found if found == found else float("inf")
