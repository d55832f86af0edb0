"""What gradient explainers share: log-mel above the floor as the input they differentiate.

Relevance of cells is attributed in ``z = log(mel / floor)``, cut at 0: silence is z = 0, so the baseline of
integrated gradients is silence and its completeness error stays small (in mel power it does not).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zsxai.clip import Clip, Relevance
from zsxai.errors import InputError
from zsxai.model import FeatureMap
from zsxai.spectral import mel_grid
from zsxai.target import BoundTarget


def log_mel_above_floor(clip: Clip) -> Tensor:
    """``(1, n_mels, N)`` of the filled window, nepers of power above the model's floor, >= 0."""
    floor = clip.spectral.front_end.spec.floor
    return torch.log(clip.features.mel.clamp(min=floor) / floor).float()


def score_of_log_mel(clip: Clip, target: BoundTarget) -> Callable[[Tensor], Tensor]:
    """The score as a function of :func:`log_mel_above_floor`, ``(B, n_mels, N)`` to ``(B,)``."""
    model = clip.spectral
    floor = model.front_end.spec.floor

    def score(z: Tensor) -> Tensor:
        return target(model.encode(model.features_from_mel(floor * torch.exp(z))).embedding)

    return score


def on_window(clip: Clip, values: Tensor) -> Relevance:
    """Relevance ``(n_mels, N)`` on the mel cells of the filled window."""
    return Relevance(values.detach(), mel_grid(clip.spectral.front_end.spec, clip.window_samples), "window")


def tap_name(clip: Clip, wanted: str | None) -> str:
    """The tap to explain at: the last one, or one by name.

    Raises:
        InputError: If the model has no tap of that name.
    """
    names = list(clip.spectral.taps)
    if wanted is None:
        return names[-1]
    if wanted not in names:
        raise InputError(f"{clip.model.card.name} has no tap {wanted!r}: one of {', '.join(names)}")
    return wanted


def map_at(maps: tuple[FeatureMap, ...], name: str) -> FeatureMap:
    """The feature map of a tap."""
    return next(m for m in maps if m.name == name)
