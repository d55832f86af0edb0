"""Recordings block by block, mono at any rate: as long as they are, never held whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import soxr
from numpy.typing import NDArray

from zsxai.audio.sound import MAX_RATE, MAX_SAMPLES, MIN_RATE, Peaks, Sound, check_rate, nothing_left, too_long
from zsxai.errors import InputError

_BLOCK = 2**16
"""Samples of a sound in memory that are given at a time."""
_TIGHTEST = 64
"""Samples that a byte of a file may hold before a claim of more of them is not prepared for."""


class Decoder(Protocol):
    """What decodes a file.

    Attributes:
        library: Its name.
        sample_rate: Samples per second, as the header says.
        channels: Number of channels.
        seconds: Length that the header gives; None where it is unknown.
        why: What is wrong with the file, as far as it can be seen before decoding.
    """

    library: str
    sample_rate: int
    channels: int
    why: str

    @property
    def seconds(self) -> float | None: ...  # noqa: D102

    def frames(self) -> Iterator[NDArray[np.float32]]:
        """Blocks ``(n, C)`` to the end; each is gone with the next."""

    def notes(self, samples: int) -> tuple[str, ...]:
        """What of the file could not be read, once ``samples`` were."""

    def close(self) -> None:
        """Let go of the file."""


class SoundStream(ABC):
    """A recording that is read once, from its beginning to its end; a context manager.

    Attributes:
        name: File name, or ``array`` or ``stream`` where there is none.
        sample_rate: Samples per second, as it was recorded.
        channels: Channels before the mix to mono (their mean).
        seconds: Length as the header gives it; None where it is unknown.
        notes: What a reader should know about it, short sentences; complete once it has been read to its end.
    """

    def __init__(self, name: str, sample_rate: int, channels: int, seconds: float | None) -> None:
        self.name, self.sample_rate, self.channels, self.seconds = name, sample_rate, channels, seconds
        self.notes: tuple[str, ...] = ()
        self._begun = False

    @abstractmethod
    def _mono(self) -> Iterator[NDArray[Any]]:
        """Parts ``(n,)`` float32 at :attr:`sample_rate`, checked; notes follow the last."""

    @abstractmethod
    def _expected(self) -> int:
        """How many samples are likely to come."""

    def close(self) -> None:  # noqa: B027 (nothing to let go of, unless there is)
        """Let go of the file."""

    def blocks(self, rate: int, samples: int) -> Iterator[NDArray[np.float32]]:
        """The recording at a rate, mono, in blocks (soxr, high quality).

        Joined, they are ``read_audio(...).at(rate)``, but of any length.

        Args:
            rate: Samples per second.
            samples: Length of every block but the last, which may be shorter.

        Yields:
            ``(samples,)`` float32, of its own.

        Raises:
            InputError: If it was read before, or is none (as for :func:`~zsxai.audio.read_audio`): what is wrong with
                a part of it shows there; that it is silent, at the end.
        """
        if samples < 1:
            raise InputError(f"a block has at least one sample, not {samples}")
        parts: list[NDArray[Any]] = []
        missing = samples
        for part in self._at(rate):
            rest = part
            while len(rest) >= missing:
                yield np.concatenate([*parts, rest[:missing]])
                parts, rest, missing = [], rest[missing:], samples
            if len(rest):
                parts.append(rest)
                missing -= len(rest)
        if parts:
            yield np.concatenate(parts)

    def read(self, rate: int) -> NDArray[np.float32]:
        """The whole recording at a rate, mono, held once.

        Args:
            rate: Samples per second.

        Returns:
            ``(T,)`` float32.

        Raises:
            InputError: As for :meth:`blocks`; if it has more than :data:`~zsxai.audio.sound.MAX_SAMPLES`.
        """
        at = 0
        expected = -(-self._expected() * rate // self.sample_rate) + 1
        found = np.empty(min(expected, MAX_SAMPLES), np.float32)
        for part in self._at(rate):
            end = at + len(part)
            if end > MAX_SAMPLES:
                raise too_long(self._said(rate), rate)
            if end > len(found):
                # What nobody else has seen grows in place, where the system can.
                found.resize(min(max(end, len(found) * 5 // 4), MAX_SAMPLES), refcheck=False)
            found[at:end] = part
            at = end
        found.resize(at, refcheck=False)
        return found

    def whole(self) -> Sound:
        """The recording as it is, mono.

        Raises:
            InputError: As for :meth:`read`.
        """
        waveform = self.read(self.sample_rate)
        return Sound(waveform, self.sample_rate, self.channels, self.name, self.notes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _said(self, rate: int) -> str:
        return f"{self.name} at {rate:,} samples per second"

    def _at(self, rate: int) -> Iterator[NDArray[Any]]:
        if self._begun:
            raise InputError(f"{self.name} is read once by a stream: open it again")
        self._begun = True
        if rate == self.sample_rate:
            yield from self._mono()
            return
        resampler = soxr.ResampleStream(self.sample_rate, rate, 1, dtype="float32")
        came, heard = 0, False
        for part in self._mono():
            came += len(part)
            there = resampler.resample_chunk(part)
            heard = heard or bool(there.any())
            yield there
        there = resampler.resample_chunk(np.empty(0, np.float32), last=True)
        if not heard and not there.any():
            raise nothing_left(self.name, came, self.sample_rate, rate)
        yield there


class SoundInMemory(SoundStream):
    """A sound that was read, as a stream."""

    def __init__(self, sound: Sound) -> None:
        super().__init__(sound.name, sound.sample_rate, sound.channels, sound.seconds)
        self._sound, self.notes = sound, sound.notes

    def whole(self) -> Sound:
        """The sound itself."""
        return self._sound

    def _mono(self) -> Iterator[NDArray[Any]]:
        waveform = self._sound.waveform
        return (waveform[at : at + _BLOCK] for at in range(0, len(waveform), _BLOCK))

    def _expected(self) -> int:
        return len(self._sound.waveform)


class SoundOfFile(SoundStream):
    """A file that is decoded as it is read.

    Args:
        decoder: What decodes it; closed with the stream.
        sample_rate: What its rate must agree with, or None.
        size: Bytes of the file.
        said: Its name in errors.
        name: Its name.

    Raises:
        InputError: If its rate is another, or outside the range.
    """

    def __init__(self, decoder: Decoder, sample_rate: object, size: int, *, said: str, name: str) -> None:
        self._decoder, self._said_, self._size = decoder, said, size
        try:
            _check_rate_of_file(decoder.sample_rate, sample_rate, said)
        except InputError:
            decoder.close()
            raise
        super().__init__(name, decoder.sample_rate, decoder.channels, decoder.seconds)

    def close(self) -> None:
        """Let go of the file."""
        self._decoder.close()

    def _said(self, rate: int) -> str:
        return self._said_ if rate == self.sample_rate else super()._said(rate)

    def _mono(self) -> Iterator[NDArray[Any]]:
        decoder, peaks = self._decoder, Peaks(self._said_)
        for block in decoder.frames():
            yield peaks.mix(block.T)
        notes = decoder.notes(peaks.samples)
        if not peaks.samples:
            why = decoder.why or (notes[0] if notes else "the header may be damaged")
            raise InputError(f"{self._said_} holds no samples that {decoder.library} finds: {why}")
        self.notes = peaks.notes(notes)

    def _expected(self) -> int:
        claimed = round((self.seconds or 0) * self.sample_rate)
        return max(0, min(claimed, self._size * _TIGHTEST))


def _check_rate_of_file(rate: int, sample_rate: object, said: str) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(
            f"{said} says {rate:,} samples per second: {MIN_RATE:,} to {MAX_RATE:,} are read; is it damaged?"
        )
    if sample_rate is not None and check_rate(sample_rate) != rate:
        raise InputError(f"{said} says {rate} samples per second, sample_rate says {sample_rate}: leave it out")
