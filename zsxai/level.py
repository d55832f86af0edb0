"""How loud a sound is while it sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Samples = TypeVar("Samples", NDArray[Any], "Tensor")
ACTIVE = 1e-4
"""A frame is active where its power is at least this part of the loudest one's: 40 dB."""


def active_power(waveform: Samples, frame: int) -> float:
    """Mean power over the active frames, those within 40 dB of the loudest one.

    Args:
        waveform: ``(T,)``, an array or a tensor, computed in its own precision.
        frame: Samples in a frame, cut to 1 to T; a rest shorter than a frame does not count.
    """
    size = min(len(waveform), max(1, frame))
    power = (waveform[: len(waveform) // size * size].reshape(-1, size) ** 2).mean(1)
    return float(power[power >= ACTIVE * power.max()].mean())
