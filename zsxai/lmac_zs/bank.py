"""The bank: prompts that a prompt is distinguished from, and its probability among them."""

from __future__ import annotations

import torch
from torch import Tensor

from zsxai.model import SpectralModel
from zsxai.prompt import embed_prompts
from zsxai.target import BoundTarget

SOUNDS = (
    "a dog barking", "a cat meowing", "birds singing", "a rooster", "a cow", "insects", "frogs", "a horse",
    "rain", "wind", "thunder", "sea waves", "running water", "fire crackling", "footsteps", "people talking",
    "a baby crying", "laughter", "coughing", "snoring", "clapping", "singing", "music", "a piano", "a guitar", "drums",
    "a car engine", "a train", "an airplane", "a helicopter", "a siren", "a car horn", "church bells", "an alarm clock",
    "a telephone", "a door knock", "glass breaking", "typing on a keyboard", "a vacuum cleaner", "a washing machine",
    "a chainsaw", "a hammer", "fireworks", "a gunshot", "a clock ticking", "white noise", "a hum", "silence",
)  # fmt: skip
"""Everyday sounds of all kinds, the bank of a target that names no other prompts."""
SAME = 0.9
"""Cosine from which on two prompts count as the same."""


def bank_of(model: SpectralModel, target: BoundTarget) -> Tensor:
    """``(K, D)`` prompts that a target's own is distinguished from: the target's others, or everyday sounds."""
    if len(target.text) > 1:
        return target.text[1:]
    # Computed every time: weights may change in place, and a cache would keep the model alive.
    with torch.no_grad():
        everyday = embed_prompts(model, SOUNDS, target.template).embedding
    return everyday[everyday @ target.text[0] < SAME]


def log_probability(embedding: Tensor, text: Tensor, bank: Tensor, same: Tensor, scale: float) -> Tensor:
    """Log of the softmax of a caption among a bank, what means the same left out.

    Args:
        embedding: ``(n, D)`` of sounds.
        text: ``(n, D)`` the captions.
        bank: ``(K, D)``.
        same: ``(n, K)`` bool.
        scale: Factor on cosines.

    Returns:
        ``(n,)``, at most 0.
    """
    own = scale * (embedding * text).sum(dim=1, keepdim=True)
    others = (scale * embedding @ bank.T).masked_fill(same, float("-inf"))
    return (own - torch.cat([own, others], dim=1).logsumexp(dim=1, keepdim=True))[:, 0]


def log_of_rest(log_p: Tensor) -> Tensor:
    """``log(1 - p)`` of log-probabilities, kept finite where p is 1."""
    return torch.log(-torch.expm1(log_p.clamp(max=-1e-6)))
