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
            raise InputError(
                f"nothing is left of {self.name} at {sample_rate:,} samples per second: it has {len(self.waveform):,} "
                f"samples at {self.sample_rate:,}, and may be too short"
            )
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


def mix(channels_first: NDArray[Any], said: str) -> NDArray[np.float32]:
    """Mean of the channels, ``(C, T) -> (T,)`` float32, where what float32 cannot hold is infinite.

    Raises:
        InputError: If any sample is NaN or infinite; ``said`` is what it calls the recording.
    """
    if channels_first.dtype.kind == "f" and not np.isfinite(channels_first).all():
        raise InputError(f"{said} holds NaN or infinite samples: repair or cut them first")
    with np.errstate(over="ignore", invalid="ignore"):
        mono = channels_first[0] if len(channels_first) == 1 else channels_first.mean(axis=0, dtype=np.float64)
        # Plus 0: a sample of -0 is one of 0, and a hash of the same sound the same.
        return np.asarray(mono, dtype=np.float32) + np.float32(0)


def make_sound(
    waveform: NDArray[np.float32],
    rate: int,
    channels: int,
    name: str,
    *,
    said: str,
    loudest: float,
    notes: tuple[str, ...] = (),
) -> Sound:
    """Check mixed samples.

    Args:
        waveform: ``(T,)`` float32 of its own.
        rate: Samples per second.
        channels: Number of channels before the mix.
        name: Name of the sound.
        said: Name of it in errors.
        loudest: Peak of the channels before the mix.
        notes: What reading it showed.

    Raises:
        InputError: If it is empty or silent, or its peak is above :data:`MAX_PEAK`.
    """
    if not len(waveform):
        raise InputError(f"{said} holds no samples")
    peak = max(float(waveform.max()), -float(waveform.min()))
    if not peak <= MAX_PEAK:
        raise InputError(f"{said} holds samples too large for float32 power (peak {peak:.3g}): scale them to [-1, 1]")
    if peak == 0:
        mixed = " after mixing to mono (opposite channels cancel)" if loudest else ""
        read = f" ({notes[0]})" if notes else ""
        raise InputError(f"{said} is silent{mixed}: every sample is 0, so there is nothing to explain{read}")
    return Sound(waveform, rate, channels, name, (*notes, *_level_notes(peak), *_mix_notes(peak, loudest)))


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
