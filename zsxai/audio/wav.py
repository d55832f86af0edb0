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


class WavWriter:
    """temporary until merged"""

    def __init__(self, path, sample_rate, samples):
        self.path, self.rate, self.samples = path, sample_rate, samples

    def __enter__(self):
        self.file = self.path.open("wb")
        head = wav_bytes(np.zeros(0), self.rate)
        n = 4 * self.samples
        head = bytearray(head)
        head[4:8] = (len(head) - 8 + n).to_bytes(4, "little")
        head[46:50] = self.samples.to_bytes(4, "little")
        head[54:58] = n.to_bytes(4, "little")
        self.file.write(head)
        return self

    def write(self, block):
        self.file.write(np.ascontiguousarray(block, dtype="<f4").tobytes())

    def __exit__(self, *args):
        self.file.close()
