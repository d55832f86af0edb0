"""A model whose words are bands: what it hears in a chord is known beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from zsxai.errors import InputError
from zsxai.model import AudioSpec, ModelCard, ZeroShotModel

WORDS = ("low", "middle", "high", "top")
RATE, WINDOW = 8000, 2.0


class Bands(ZeroShotModel):
    """Four bands of 1 kHz and a word for each; *low hum* is nearly *low*, *deaf* is refused."""

    def __init__(self, weights_sha256: str | None = "a" * 64) -> None:
        self.card = ModelCard(name="bands", weights_sha256=weights_sha256)
        self.audio_spec = AudioSpec(sample_rate=RATE, window=WINDOW, overlap=0.0)
        self.logit_scale = 10.0
        self.asked: list[str] = []

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        power = torch.fft.rfft(waveforms.double(), n=RATE).abs().square()[:, : RATE // 2]
        return torch.nn.functional.normalize(power.reshape(len(power), 4, -1).sum(dim=2).sqrt(), dim=1).float()

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        self.asked += prompts
        if "deaf" in prompts:
            raise InputError("this word is too hard")
        hum = torch.nn.functional.normalize(torch.tensor([1.0, 0.2, 0.0, 0.0]), dim=0)
        rows = [hum if p == "low hum" else torch.eye(4)[WORDS.index(p.removeprefix("a ").split()[0])] for p in prompts]
        return torch.stack(rows)


def chord(*bands: int, seconds: float = 1.0) -> np.ndarray:
    """Sines in the middle of bands, equally loud."""
    time = np.arange(round(seconds * RATE)) / RATE
    return sum(np.sin(2 * np.pi * (500 + 1000 * band) * time) for band in bands).astype(np.float32) / 8


@pytest.fixture
def bands() -> Bands:
    return Bands()


@pytest.fixture(name="chord")
def _chord() -> object:
    return chord
