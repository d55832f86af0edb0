"""Variation of the recordings trained on: a model is most certain of those that it was trained on itself."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import fft

SPEED = 0.25
"""Octaves by which a recording is faster or slower at most, its pitch with it."""
COLOUR = 6.0
"""Standard deviation, dB, of the level at each of the knots of a random equaliser."""
KNOTS = 6
"""Knots of the equaliser, even in octaves between 50 Hz and the Nyquist frequency."""


def vary_sound(sound: NDArray[np.float32], rate: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Give a sound another speed and another colour.

    Args:
        sound: ``(T,)``.
        rate: Samples per second.
        rng: Draws both.

    Returns:
        ``(T',)`` float32 of the same power.
    """
    other = soxr.resample(sound, rate * 2.0 ** rng.uniform(-SPEED, SPEED), rate)
    size = fft.next_fast_len(len(other), real=True)
    hertz = fft.rfftfreq(size, 1 / rate).clip(min=1.0)
    knots = np.geomspace(50.0, rate / 2, KNOTS)
    level = np.interp(np.log(hertz), np.log(knots), rng.normal(0.0, COLOUR, KNOTS))
    coloured = fft.irfft(fft.rfft(other, size) * 10.0 ** (level / 20.0), size)[: len(other)]
    before, after = float(np.square(sound).mean()), float(np.square(coloured).mean())
    gain = np.sqrt(before / after) if after > 0 else 1.0
    varied: NDArray[np.float32] = (gain * coloured).astype(np.float32)
    return varied
