"""The least a model can be, for explainers that say they need no more."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

BANDS = 4


class BandEnergies:
    """A black box: the loudness of four bands against prompts that ask for a mixture of them; no gradients."""

    sample_rate = 16000
    window = 2.0
    logit_scale = 10.0
    name = "band-energies"

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        """``(B, T)`` to ``(B, 4)``."""
        spectrum = torch.fft.rfft(waveforms.detach(), n=2 * self.sample_rate).abs().square()
        return torch.stack([torch.log1p(band.mean(dim=-1)) for band in spectrum.chunk(BANDS, dim=-1)], dim=-1)

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """Prompts to ``(P, 4)``, each from its own letters alone."""
        seeds = [zlib.crc32(prompt.encode()) for prompt in prompts]
        return torch.stack([torch.rand(BANDS, generator=torch.Generator().manual_seed(s)) for s in seeds])
