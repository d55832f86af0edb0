"""The windows of a sound that comes in blocks: those of an explanation, without the sound ever being held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.errors import InputError
from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.recording import TAIL_SECONDS, black_box_stft, split
from zsxai.value import Value

ANY_LENGTH = 10.0
"""Seconds of a window before a model that takes sounds of any length."""


class Cut(Value):
    """How a sound is cut into windows; all in samples at the model's rate.

    Attributes:
        window: Samples of a window.
        step: From one window's start to the next.
        grid: Starts are multiples of this.
        tail: So many samples at the end, or fewer, get no window of their own.
    """

    window: int
    step: int
    grid: int
    tail: int


def cut_of(model: ZeroShotModel, hop: float | None = None) -> Cut:
    """How a model's windows lie: as :class:`zsxai.recording.Recording` cuts them, or ``hop`` seconds apart.

    Raises:
        InputError: If windows would leave sound out between them.
    """
    spec, rate = model.audio_spec, model.sample_rate
    stft = model.front_end.spec if isinstance(model, SpectralModel) else black_box_stft(rate)
    window = spec.window_samples or round(ANY_LENGTH * rate)
    overlap = spec.overlap
    if hop is not None:
        if not 0 < hop * rate <= window:
            raise InputError(f"hop is over 0 and at most the window of {window / rate:g} s, not {hop:g}")
        overlap = max(0.0, 1.0 - hop * rate / window)
    # The rule of recordings itself, asked about one that is long enough to show it.
    starts = [start for start, _ in split(3 * window, window, overlap, stft.hop)]
    return Cut(window=window, step=starts[1], grid=stft.hop, tail=round(TAIL_SECONDS * rate))


def cut_windows(blocks: Iterable[NDArray[Any]], cut: Cut) -> Iterator[tuple[int, NDArray[Any]]]:
    """Cut a sound into the windows of :func:`zsxai.recording.split`, holding a window and a block of it.

    Args:
        blocks: ``(n,)`` float32 each, one after the other.
        cut: How the windows lie.

    Yields:
        Start of the window in samples, and its samples, a view that the next step leaves alone. Only the last window
        may be shorter than the others; a sound of up to a window is one.
    """
    held: NDArray[Any] = np.zeros(0, np.float32)
    first = start = 0  # where what is held starts, where the next window does
    for block in blocks:
        held = np.concatenate([held, block])
        while first + len(held) >= start + cut.window:
            yield start, held[start - first : start - first + cut.window]
            start += cut.step
        # The last window may start anywhere behind the one before it.
        done = max(0, start - cut.step - first)
        held, first = held[done:], first + done
    samples = first + len(held)
    if start == 0:
        yield 0, held
    elif samples - cut.window - (start - cut.step) > cut.tail:
        last = -(-(samples - cut.window) // cut.grid) * cut.grid
        yield last, held[last - first :]


def find_edges(starts: NDArray[Any], stops: NDArray[Any], seconds: float) -> NDArray[np.float64]:
    """Where a picture passes from window to window: midway between their middles, ``(W + 1,)`` seconds.

    Args:
        starts: ``(W,)`` seconds.
        stops: ``(W,)`` seconds.
        seconds: Length of the recording.
    """
    middles = (starts + stops) / 2
    return np.concatenate([[0.0], (middles[1:] + middles[:-1]) / 2, [seconds]])
