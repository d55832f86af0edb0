"""What is laid over the recordings trained on: other recordings of the batch, and noise."""

from __future__ import annotations

import numpy as np
import torch
from scipy import fft
from torch import Tensor

from zsxai.level import active_power

FRAMES = 250
"""Frames in a window, of which the active ones make its level: 20 ms of a window of 5 s."""
SOFTER = (10.0, 30.0)
"""Decibels by which noise lies under a recording."""
SLOPE = (-9.0, 3.0)
"""Decibels an octave of its spectrum: brown to blue."""


def level_neighbours(windows: Tensor, away: int, level: float, rng: np.random.Generator) -> Tensor:
    """Each window's neighbour, at most ``level`` decibels louder or softer than it, by active power.

    Args:
        windows: ``(B, T)``.
        away: How many windows further the neighbour is.
        level: Decibels.
        rng: Draws the levels.
    """
    gain = 10.0 ** (rng.uniform(-level, level, len(windows)) / 20.0)
    power = _active_power(windows)
    factor = torch.from_numpy(gain).float() * (power / torch.roll(power, -away).clamp(min=1e-20)).sqrt()
    return factor[:, None] * torch.roll(windows, -away, dims=0)


def lay_noise(windows: Tensor, rng: np.random.Generator) -> Tensor:
    """Steady noise of another colour for every window, 10 to 30 dB under its active power, ``(B, T)``."""
    count, samples = windows.shape
    size = fft.next_fast_len(samples, real=True)
    spectrum = fft.rfft(rng.standard_normal((count, size)).astype(np.float32), axis=1)
    octaves = np.log2(np.maximum(fft.rfftfreq(size), 1e-3))
    slope = rng.uniform(*SLOPE, (count, 1))
    noise = torch.from_numpy(fft.irfft(spectrum * 10.0 ** (slope * octaves / 20.0), size, axis=1)[:, :samples]).float()
    softer = torch.from_numpy(10.0 ** (-rng.uniform(*SOFTER, count) / 10.0)).float()
    power = noise.square().mean(dim=1).clamp(min=1e-20)
    return (softer * _active_power(windows) / power).sqrt()[:, None] * noise


def _active_power(windows: Tensor) -> Tensor:
    return torch.tensor([active_power(window, len(window) // FRAMES) for window in windows])
