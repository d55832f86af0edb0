"""The tasks ``concepts`` and ``concept-mixtures`` before a model whose embeddings are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.benchmarks.stages import measured, stage_of
from zsxai import InputError, register_model
from zsxai.benchmarks import run_suite
from zsxai.benchmarks.api import Result
from zsxai.benchmarks.run.plan import Settings, plan
from zsxai.benchmarks.run.suite import load_suite
from zsxai.benchmarks.tasks.base import Row
from zsxai.benchmarks.tasks.concept_mixtures import ConceptMixturesRunner
from zsxai.benchmarks.tasks.concepts import ConceptsRunner, add_noise
from zsxai.concepts.centring import Centring
from zsxai.data.synthetic import DRAWS
from zsxai.model import AudioSpec, ModelCard, ZeroShotModel
from zsxai.registry import MODELS

LABELS = sorted(DRAWS)
WORDS = ("wind", "rain", "music", "guitar")
"""Words of the baseline vocabulary, on axes of their own behind those of the classes."""


def word_of(label: str) -> str:
    """The first word of the table for a class."""
    return next(word for word, owner in TABLE.items() if owner == label)


TABLE = {f"{label.split()[0]} sound": label for label in LABELS}


class Axes(ZeroShotModel):
    """Every class has an axis; a clip is at the axis of the class that it correlates with most, and a bit elsewhere.

    A class's prompt and the word for it in the table are the axis itself; other words have axes behind these.
    """

    def __init__(self) -> None:
        self.card = ModelCard(name="axes", weights_sha256="1" * 64)
        self.audio_spec = AudioSpec(sample_rate=16000, window=1.0, fill="zero")
        self.logit_scale = 10.0
        self.known: dict[bytes, int] = {}

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        power = torch.fft.rfft(waveforms.double()).abs().square()
        bands = torch.stack([part.sum(dim=1) for part in power.tensor_split(len(LABELS), dim=1)], dim=1).sqrt()
        rows = torch.cat([bands, torch.zeros(len(bands), len(WORDS), dtype=bands.dtype)], dim=1)
        return torch.nn.functional.normalize(rows, dim=1).float()

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        names = [prompt.removeprefix("the sound of ") for prompt in prompts]
        at = [LABELS.index(TABLE.get(n, n)) if TABLE.get(n, n) in LABELS else len(LABELS) + WORDS.index(n) for n in names]
        return torch.eye(len(LABELS) + len(WORDS))[at]
