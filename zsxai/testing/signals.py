"""Sounds that the checks make themselves, each from a generator of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def noise(samples: int, seed: int = 0, level: float = 0.1) -> Tensor:
    """White noise, ``(samples,)``."""
    return level * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def tone(samples: int, rate: int, hertz: float) -> Tensor:
    """A sine at -12 dB over faint noise, ``(samples,)``."""
    time = torch.arange(samples, dtype=torch.float64) / rate
    return (0.25 * torch.sin(2 * math.pi * hertz * time)).float() + noise(samples, level=1e-4)


def click(samples: int, at: int) -> Tensor:
    """One loud sample over faint noise, ``(samples,)``."""
    sound = noise(samples, level=1e-4)
    sound[at] = 1.0
    return sound


def band_noise(samples: int, rate: float, low: float, high: float, seed: int = 0, level: float = 0.1) -> Tensor:
    """Noise between two frequencies in hertz, ``(samples,)`` of root mean square ``level``."""
    spectrum = torch.fft.rfft(noise(samples, seed, 1.0))
    hertz = torch.arange(len(spectrum)) * (rate / samples)
    spectrum[(hertz < low) | (hertz > high)] = 0
    sound: Tensor = torch.fft.irfft(spectrum, n=samples)
    return sound * (level / sound.square().mean().sqrt().clamp(min=1e-12))


def equal_sums(samples: int) -> tuple[Tensor, Tensor]:
    """Two sounds of equal length and exactly equal sum, a bright and a dull one, ``(samples,)`` each."""
    bright = (noise(samples, 1) * 2**13).round()
    dull = noise(samples + 15, 2, 0.4).unfold(0, 16, 1).mean(dim=1)
    dull = (dull * 2**13).round()
    # Whole numbers this small add up exactly in float32.
    missing = int(bright.sum() - dull.sum())
    dull += missing // samples
    dull[: missing % samples] += 1
    return bright / 2**15, dull / 2**15
