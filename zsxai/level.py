"""How loud a sound is while it sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Samples = TypeVar("Samples", NDArray[Any], "Tensor")
ACTIVE = 1e-4
"""A frame is active where its power is at least this part of the loudest one's: 40 dB under it."""
QUIET_DB = 30.0
"""Kept sound further than this under the recording, each while it sounds, is too quiet to be heard in its place."""
FRAME_SECONDS = 0.02
"""Length of a frame."""


def under_db(waveform: NDArray[Any], reference: NDArray[Any], sample_rate: int) -> float:
    """How far one sound is under another, each while it sounds, decibels.

    Infinite where the first is silence, 0 where the other is.

    Args:
        waveform: ``(T,)``.
        reference: ``(T,)``, likewise.
        sample_rate: Samples per second.
    """
    return under(frame_powers(waveform, sample_rate), frame_powers(reference, sample_rate))


def under(powers: NDArray[Any], reference: NDArray[Any]) -> float:
    """As :func:`under_db`, of sounds that are given as the powers of their frames (:func:`frame_powers`)."""
    power, other = _active(powers), _active(reference)
    if other == 0.0:
        return 0.0
    return float(10.0 * np.log10(other / power)) if power > 0.0 else float("inf")


def frame_powers(waveform: NDArray[Any], sample_rate: int) -> NDArray[np.float64]:
    """Mean power of the frames of a sound, each :data:`FRAME_SECONDS` long, ``(n,)``."""
    powers: NDArray[np.float64] = _powers(waveform.astype(np.float64), round(FRAME_SECONDS * sample_rate))
    return powers


def active_power(waveform: Samples, frame: int) -> float:
    """Mean power over the active frames, those within 40 dB of the loudest one.

    Args:
        waveform: ``(T,)``, an array or a tensor, computed in its own precision.
        frame: Samples in a frame, cut to 1 to T; a rest shorter than a frame does not count.
    """
    return _active(_powers(waveform, frame))


def _powers(waveform: Samples, frame: int) -> Samples:
    size = min(len(waveform), max(1, frame))
    powers: Samples = (waveform[: len(waveform) // size * size].reshape(-1, size) ** 2).mean(1)
    return powers


def _active(powers: Samples) -> float:
    return float(powers[powers >= ACTIVE * powers.max()].mean())
