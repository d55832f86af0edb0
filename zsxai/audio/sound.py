"""What a sound is: mono float32 samples at a rate, and the limits within which they mean something."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from zsxai.errors import InputError

MIN_RATE, MAX_RATE = 1_000, 1_000_000
"""Samples per second: from heart sounds to ultrasound. What lies outside is a damaged header or a slip."""
MAX_SAMPLES = 2**29
"""Of one recording: 2 GiB of float32, 3 h 22 min at 44,100 Hz."""
MAX_PEAK = 1e12
"""An STFT of 2,048 samples under a Hann window has power up to (1,024 peak)^2, 1e30 here, of which 3e8 cells can be
added up before float32 ends at 3.4e38."""
LOUD = 8.0
"""Peak (18 dB over full scale) above which floats are hardly samples in [-1, 1]; lossy copies overshoot to 2."""
_CANCELLED = 0.03
"""Part of its channels' peak under which a mono mix is noted: 30 dB, which no two channels of one scene come near."""
QUIET = 1e-5
"""Peak, -100 dB of full scale: below the last bit of 16-bit recordings."""


@dataclass(frozen=True, eq=False)
class Sound:
    """A recording as it was given, mixed to mono.

    Attributes:
        waveform: ``(T,)`` float32.
        sample_rate: Samples per second.
        channels: Channels before the mix (their mean).
        name: File name, or ``array`` or ``stream`` where there is none.
        notes: What a reader should know about it, short sentences: what could not be read, an unlikely level.
    """

    waveform: NDArray[Any]
    sample_rate: int
    channels: int
    name: str
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.waveform) / self.sample_rate

    def at(self, sample_rate: int) -> NDArray[Any]:
        """The waveform at another rate, ``(T',)`` float32 (soxr, high quality).

        Raises:
            InputError: If that would leave nothing of it, or more than :data:`MAX_SAMPLES`.
        """
        if sample_rate == self.sample_rate:
            return self.waveform
        if len(self.waveform) * sample_rate > MAX_SAMPLES * self.sample_rate:
            raise too_long(f"{self.name} at {sample_rate:,} samples per second", sample_rate)
        resampled = soxr.resample(self.waveform, self.sample_rate, sample_rate)
        if not resampled.any():
            raise nothing_left(self.name, len(self.waveform), self.sample_rate, sample_rate)
        return np.ascontiguousarray(resampled, dtype=np.float32)


def check_rate(rate: object) -> int:
    """Samples per second as an int: whole numbers of any type are taken, 44100.0 and 0-d tensors among them.

    Raises:
        InputError: If it is none, or outside :data:`MIN_RATE` to :data:`MAX_RATE`.
    """
    number: Any = rate
    with suppress(Exception):  # of whatever object the caller has
        number = number.item()
    whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
    if isinstance(number, bool) or not whole or number < 1:
        raise InputError(f"the sample rate is a positive whole number, not {_said(rate)}")
    if not MIN_RATE <= number <= MAX_RATE:
        raise InputError(f"the sample rate is {MIN_RATE:,} to {MAX_RATE:,} per second, not {_said(rate)}")
    return int(number)


def too_long(what: str, rate: int) -> InputError:
    """The error for a recording beyond :data:`MAX_SAMPLES`."""
    hours = MAX_SAMPLES / rate / 3600
    return InputError(f"{what} is longer than {MAX_SAMPLES:,} samples ({hours:.1f} h): cut it into parts")


def nothing_left(name: str, samples: int, rate: int, wanted: int) -> InputError:
    """The error for a recording that another rate leaves nothing of."""
    return InputError(
        f"nothing is left of {name} at {wanted:,} samples per second: it has {samples:,} samples at {rate:,}, and may "
        "be too short"
    )


class Peaks:
    """What a sound that is mixed part by part turns out to be: how long, how loud.

    Args:
        said: Name of the sound in errors.
    """

    def __init__(self, said: str) -> None:
        self.said = said
        self.samples = 0
        self._mono = self._channels = 0.0

    def mix(self, channels_first: NDArray[Any]) -> NDArray[np.float32]:
        """Mean of the channels of the next part, ``(C, T) -> (T,)`` float32 of its own.

        Raises:
            InputError: If a sample is NaN or infinite, or the peak is above :data:`MAX_PEAK`.
        """
        mono = _mix(channels_first, self.said)
        if len(mono):
            peak = max(float(mono.max()), -float(mono.min()))
            if not peak <= MAX_PEAK:
                raise InputError(
                    f"{self.said} holds samples too large for float32 power (peak {peak:.3g}): scale them to [-1, 1]"
                )
            self._mono = max(self._mono, peak)
            self._channels = max(self._channels, float(channels_first.max()), -float(channels_first.min()))
        self.samples += len(mono)
        return mono

    def notes(self, notes: tuple[str, ...] = ()) -> tuple[str, ...]:
        """What a reader should know about the whole: the notes given, and an unlikely level.

        Args:
            notes: What reading it showed.

        Raises:
            InputError: If it is empty or silent.
        """
        if not self.samples:
            raise InputError(f"{self.said} holds no samples")
        if self._mono == 0:
            mixed = " after mixing to mono (opposite channels cancel)" if self._channels else ""
            read = f" ({notes[0]})" if notes else ""
            raise InputError(f"{self.said} is silent{mixed}: every sample is 0, so there is nothing to explain{read}")
        return (*notes, *_level_notes(self._mono), *_mix_notes(self._mono, self._channels))


def _mix(channels_first: NDArray[Any], said: str) -> NDArray[np.float32]:
    """Mean of the channels, where what float32 cannot hold is infinite."""
    if channels_first.dtype.kind == "f" and not np.isfinite(channels_first).all():
        raise InputError(f"{said} holds NaN or infinite samples: repair or cut them first")
    with np.errstate(over="ignore", invalid="ignore"):
        mono = channels_first[0] if len(channels_first) == 1 else channels_first.mean(axis=0, dtype=np.float64)
        # Plus 0: a sample of -0 is one of 0, and a hash of the same sound the same.
        return np.asarray(mono, dtype=np.float32) + np.float32(0)


def _level_notes(peak: float) -> tuple[str, ...]:
    if peak > LOUD:
        bits = next((b for b in (16, 24, 32) if peak <= 2 ** (b - 1)), None)
        scale = "scale them to [-1, 1]" if bits is None else f"are these {bits}-bit values? divide by {2 ** (bits - 1)}"
        return (f"the peak of the samples is {peak:,.6g} where full scale is 1: {scale}",)
    if peak < QUIET:
        return (f"the sound is very quiet: its peak is {peak:.2g}, {20 * math.log10(peak):.0f} dB of full scale",)
    return ()


def _mix_notes(peak: float, loudest: float) -> tuple[str, ...]:
    if peak >= _CANCELLED * loudest:
        return ()
    under = 20 * math.log10(loudest / peak)
    return (f"the channels nearly cancel in their mono mix: its peak is {under:.0f} dB under theirs; give one of them",)


def _said(value: object) -> str:
    text = repr(value)
    return text if text.isprintable() and len(text) < 100 else type(value).__name__
