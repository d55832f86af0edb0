"""Variation of the recordings trained on: a model is surest on those that it was trained on itself."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

SPEED = 0.25
"""Octaves by which a recording is faster or slower at most, its pitch with it."""
COLOUR = 6.0
"""Standard deviation, dB, of the level at each of the knots of a random equaliser."""
KNOTS = 6
"""Of the equaliser, even in octaves between 50 Hz and the Nyquist frequency."""


def varied(sound: NDArray[np.float32], rate: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Another speed and another colour.

    Args:
        sound: ``(T,)``.
        rate: Samples a second.
        rng: Draws them.

    Returns:
        ``(T',)`` float32 of the same power.
    """
    from scipy import fft  # of the extra [train]: whoever explains imports this file, too

    other = soxr.resample(sound, rate * 2.0 ** rng.uniform(-SPEED, SPEED), rate)
    size = fft.next_fast_len(len(other), real=True)
    hertz = fft.rfftfreq(size, 1 / rate).clip(min=1.0)
    knots = np.geomspace(50.0, rate / 2, KNOTS)
    level = np.interp(np.log(hertz), np.log(knots), rng.normal(0.0, COLOUR, KNOTS))
    coloured = fft.irfft(fft.rfft(other, size) * 10.0 ** (level / 20.0), size)[: len(other)]
    before, after = float(np.square(sound).mean()), float(np.square(coloured).mean())
    gain = np.sqrt(before / after) if after > 0 else 1.0
    found: NDArray[np.float32] = (gain * coloured).astype(np.float32)
    return found
