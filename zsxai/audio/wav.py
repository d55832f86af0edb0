"""WAV files as this library writes them: mono float32, sample for sample, the same bytes every time."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEAD = 58


def wav_bytes(waveform: NDArray[Any], sample_rate: int) -> bytes:
    """A mono float32 WAV (libsndfile's would hold the time of day).

    Args:
        waveform: ``(T,)`` samples.
        sample_rate: Samples per second.
    """
    data = np.ascontiguousarray(waveform, dtype="<f4").tobytes()
    form = struct.pack("<HHIIHHH", 3, 1, sample_rate, 4 * sample_rate, 4, 32, 0)
    chunks = ((b"fmt ", form), (b"fact", struct.pack("<I", len(data) // 4)), (b"data", data))
    body = b"WAVE" + b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def read_wav(path: Path) -> tuple[NDArray[Any], int]:
    """Read what :func:`wav_bytes` made; no other file passes, however alike.

    Returns:
        ``(T,)`` float32 and the samples per second.

    Raises:
        ValueError: If it is anything else.
    """
    content = path.read_bytes()
    rate, body = int.from_bytes(content[24:28], "little"), content[_HEAD:]
    samples = np.frombuffer(body[: len(body) // 4 * 4], dtype="<f4")
    try:
        ours = wav_bytes(samples, rate) == content
    except struct.error:
        ours = False
    if not ours:
        raise ValueError(f"{path.name} is not as zsxai writes it: mono, float32, whole")
    return samples, rate
