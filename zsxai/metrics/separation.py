"""How near a waveform is to another, whatever its level."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from zsxai.errors import InputError
from zsxai.metrics.functional import Values


def si_sdr(estimate: ArrayLike, sound: ArrayLike) -> Values | np.float64:
    """Scale-invariant signal-to-distortion ratio, ``10 log10(|a s|^2 / |e - a s|^2)`` with ``a = <e, s> / |s|^2``.

    Le Roux et al., arXiv 1811.02508, without removing means.

    Args:
        estimate: ``(..., T)``.
        sound: ``(..., T)``.

    Returns:
        ``(...)`` dB, a scalar for one pair; ``inf`` where the estimate is the sound to the last digit, ``-inf`` where
        it holds none of it, NaN where either is silent. Nothing is added to the powers, so quiet sounds score as loud
        ones.

    Raises:
        InputError: If the lengths differ.
    """
    e, s = (np.asarray(v, dtype=np.float64) for v in (estimate, sound))
    if e.shape[-1] != s.shape[-1]:
        raise InputError(f"waveforms of unlike lengths, {e.shape[-1]} and {s.shape[-1]}: cut them to the same")
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = ((e * s).sum(-1) / (s * s).sum(-1))[..., None] * s
        ratio: Values | np.float64 = 10.0 * np.log10((wanted**2).sum(-1) / ((e - wanted) ** 2).sum(-1))
    return ratio
