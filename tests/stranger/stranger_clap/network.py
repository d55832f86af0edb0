"""A CLAP as its authors left it: a feature extractor, two towers, a tokenizer. It knows nothing of zsxai."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


class Config:
    """What the checkpoint says of its front end."""

    sampling_rate, seconds = 24000, 2.5
    n_fft, hop = 1024, 300
    n_mels, f_min, f_max = 48, 40.0, 11000.0
    floor = 1e-6
    words = 16  # longest prompt that the text tower has positions for


class Clap(nn.Module):
    """Two towers with random weights, the same at every start."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.norm = nn.BatchNorm2d(Config.n_mels)
            nn.init.constant_(self.norm.get_buffer("running_mean"), -6.0)
            nn.init.constant_(self.norm.get_buffer("running_var"), 12.0)
            widths = ((1, 16), (16, 32), (32, 64))
            convolutions = (nn.Conv2d(i, o, 4, stride=2, padding=1) for i, o in widths)
            self.blocks = nn.ModuleList(nn.Sequential(conv, nn.GELU()) for conv in convolutions)
            self.head = nn.Linear(64, 32, bias=False)
            self.words, self.positions = nn.Embedding(4096, 32), nn.Embedding(Config.words, 32)
            self.mix, self.dropout = nn.Linear(32, 32), nn.Dropout(0.1)

    def audio(self, picture: Tensor) -> Tensor:
        """``(B, 1, N, n_mels)`` log-mel to ``(B, 32)``."""
        x = self.norm(picture.transpose(1, 3)).transpose(1, 3)
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.head(self.dropout(x.mean(dim=(2, 3))))
        return embedding

    def text(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``(P, L)`` ids and mask to ``(P, 32)`` and the states of the tokens, ``(P, L, 32)``."""
        states = self.words(ids) + self.positions.weight[: ids.shape[1]]
        states = states + self.dropout(torch.tanh(self.mix(states)))
        weight = mask[..., None].float()
        return (states * weight).sum(dim=1) / weight.sum(dim=1), states


def log_mel(waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The feature extractor: ``(T,)`` samples to ``(N, n_mels)``, natural logarithm; short clips are repeated."""
    filled = np.resize(waveform, round(Config.seconds * Config.sampling_rate))
    padded = np.pad(filled, Config.n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, Config.n_fft)[:: Config.hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(Config.n_fft + 1)[:-1])) ** 2
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (Config.f_min, Config.f_max))
    corners = 700.0 * (10.0 ** (np.linspace(low, high, Config.n_mels + 2) / 2595.0) - 1.0)
    hertz = np.linspace(0.0, Config.sampling_rate / 2, Config.n_fft // 2 + 1)[:, None]
    rising = (hertz - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - hertz) / (corners[2:] - corners[1:-1])
    mel = power @ np.maximum(0.0, np.minimum(rising, falling))
    floored: npt.NDArray[np.float64] = np.maximum(mel, Config.floor)
    return np.log(floored).astype(np.float32)


def tokenize(prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """An id for every word; what comes after the last position is cut and nothing is said."""
    rows = [[zlib.crc32(w.encode()) % 4096 for w in p.lower().split()[: Config.words]] for p in prompts]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    for row, found in enumerate(rows):
        ids[row, : len(found)] = torch.tensor(found)
        mask[row, : len(found)] = True
    return ids, mask
