"""WAV files as this library writes them: mono float32, sample for sample, the same bytes every time."""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zsxai.arrays import map_array

RF64_FROM = 2**32 - 1
"""Bytes behind the first eight of a file from which on it is RF64 (EBU Tech 3306): WAV counts in 32 bits."""
_UNSAID = 0xFFFFFFFF
"""Stands in RF64 where a length of 32 bits would: ``ds64`` has it."""


def wav_head(samples: int, sample_rate: int) -> bytes:
    """What a file begins with, up to its samples.

    Raises:
        struct.error: If the rate does not fit it.
    """
    size = 4 * samples
    form = b"fmt " + struct.pack("<IHHIIHHH", 18, 3, 1, sample_rate, 4 * sample_rate, 4, 32, 0)
    facts = struct.Struct("<4sII4sI")
    length = 4 + len(form) + facts.size + size
    if length < RF64_FROM:
        return struct.pack("<4sI4s", b"RIFF", length, b"WAVE") + form + facts.pack(b"fact", 4, samples, b"data", size)
    sizes = struct.Struct("<4sIQQQI")
    long = sizes.pack(b"ds64", sizes.size - 8, length + sizes.size, size, samples, 0)
    head = struct.pack("<4sI4s", b"RF64", _UNSAID, b"WAVE")
    return head + long + form + facts.pack(b"fact", 4, _UNSAID, b"data", _UNSAID)


def wav_bytes(waveform: NDArray[Any], sample_rate: int) -> bytes:
    """A mono float32 WAV (libsndfile's would hold the time of day).

    Args:
        waveform: ``(T,)`` samples.
        sample_rate: Samples per second.
    """
    return wav_head(len(waveform), sample_rate) + np.ascontiguousarray(waveform, dtype="<f4").tobytes()


class WavWriter:
    """Writes block by block what :func:`wav_bytes` makes of the whole; a context manager.

    Args:
        path: The file.
        sample_rate: Samples per second.
        samples: How many there will be.
    """

    def __init__(self, path: Path, sample_rate: int, samples: int) -> None:
        self._missing, head = samples, wav_head(samples, sample_rate)
        self._file = path.open("wb")
        self._file.write(head)

    def write(self, block: NDArray[Any]) -> None:
        """Write the next ``(n,)`` samples."""
        self._missing -= len(block)
        self._file.write(np.ascontiguousarray(block, dtype="<f4").data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if error is None and self._missing:
            raise ValueError(f"{self._missing} samples of a WAV are missing, or too many where negative")


def read_wav(path: Path) -> tuple[NDArray[Any], int]:
    """Read what :func:`wav_bytes` or :class:`WavWriter` made; no other file passes, however alike.

    Args:
        path: The file.

    Returns:
        ``(T,)`` float32, read-only, and the samples per second. Of a long recording the samples stay on disk.

    Raises:
        ValueError: If it is anything else.
    """
    with path.open("rb") as file:
        head, size = file.read(128), file.seek(0, 2)
    rate = int.from_bytes(head[24:28], "little") if head[:4] == b"RIFF" else int.from_bytes(head[60:64], "little")
    try:
        # The two forms differ in the length of what comes before the samples.
        ours = next(len(h) for n in (58, 94) if head.startswith(h := wav_head(max(size - n, 0) // 4, rate)))
    except (struct.error, StopIteration):
        ours = 0
    samples = (size - ours) // 4
    if not ours or ours + 4 * samples != size:
        raise ValueError(f"{path.name} is not as zsxai writes it: mono, float32, whole")
    found = map_array(path, ours, (samples,))
    found.flags.writeable = False
    return found, rate
