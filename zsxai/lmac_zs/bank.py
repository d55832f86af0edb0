"""Prompts that a prompt is told apart from where nothing else is said: everyday sounds of all kinds."""

from __future__ import annotations

import torch
from torch import Tensor

from zsxai.model import SpectralModel
from zsxai.target import BoundTarget, fill_template

SOUNDS = (
    "a dog barking", "a cat meowing", "birds singing", "a rooster", "a cow", "insects", "frogs", "a horse",
    "rain", "wind", "thunder", "sea waves", "running water", "fire crackling", "footsteps", "people talking",
    "a baby crying", "laughter", "coughing", "snoring", "clapping", "singing", "music", "a piano", "a guitar", "drums",
    "a car engine", "a train", "an airplane", "a helicopter", "a siren", "a car horn", "church bells", "an alarm clock",
    "a telephone", "a door knock", "glass breaking", "typing on a keyboard", "a vacuum cleaner", "a washing machine",
    "a chainsaw", "a hammer", "fireworks", "a gunshot", "a clock ticking", "white noise", "a hum", "silence",
)  # fmt: skip
SAME = 0.9
"""Cosine from which on two prompts are taken to mean the same."""


def bank_of(model: SpectralModel, target: BoundTarget) -> Tensor:
    """``(K, D)`` prompts that a target's own prompt is told apart from: the target's others, or everyday sounds."""
    if len(target.text) > 1:
        return target.text[1:]
    # Anew every time: the weights of a model may change in place, and a cache would hold it.
    with torch.no_grad():
        everyday = model.embed_text([fill_template(target.template, sound) for sound in SOUNDS])
    return everyday[everyday @ target.text[0] < SAME]
