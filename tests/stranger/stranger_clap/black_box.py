"""The CLAP as a black box: a rate and two functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stranger_clap.network import Clap, Config, log_mel, tokenize


class StrangerBox:
    """No base class: what has these names is a model."""

    name = "stranger-box"
    sample_rate = Config.sampling_rate
    window = Config.seconds  # zsxai cuts longer recordings into windows of so many seconds

    def __init__(self) -> None:
        self.clap = Clap().eval()

    @torch.no_grad()
    def embed_audio(self, waveforms: Tensor) -> Tensor:
        """``(B, T)`` samples to ``(B, D)``."""
        return self.clap.audio(torch.from_numpy(np.stack([log_mel(w) for w in waveforms.numpy()]))[:, None])

    @torch.no_grad()
    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """Prompts to ``(P, D)``."""
        return self.clap.text(*tokenize(prompts))[0]


def load(argument: str | None = None, *, device: str | None = None) -> StrangerBox:
    """What the entry point names; ``argument`` is what follows a colon in the model's name."""
    return StrangerBox()
