"""Reading recordings: any common form in, checked mono float32 out."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.arrays import read_parts
from zsxai.audio.sound import Sound
from zsxai.audio.stream import SoundStream, open_sound

__all__ = ["Sound", "SoundStream", "fingerprint", "open_sound", "read_and_warn", "read_audio"]


def read_audio(audio: object, sample_rate: float | None = None) -> Sound:
    """Read a recording.

    Args:
        audio: A path, a binary file object (read from where it stands, and need not seek), an array or tensor ``(T,)``
            or ``(C, T)``, or Hugging Face's ``{"array": ..., "sampling_rate": ...}``. Integer arrays are scaled by
            their full range. ``bytes``, a ``bytearray``, and a ``memoryview`` or ``array.array`` of bytes are what a
            file holds; of other numbers they are samples. A :class:`Sound` was read before, and comes back as it is.
        sample_rate: Samples per second of an array, 1,000 to 1,000,000; files bring their own.

    Returns:
        The sound, with notes on what could not be read and on an unlikely level.

    Raises:
        InputError: If it is missing, is no audio, is empty or silent, longer than 2**29 samples, or holds NaN,
            infinity, masked samples or ones whose power float32 cannot hold; one line.
    """
    with open_sound(audio, sample_rate) as stream:
        return stream.whole()


def read_and_warn(audio: object) -> Sound:
    """As :func:`read_audio`, with its notes as warnings: figures of many sounds have no place for those of one."""
    sound = read_audio(audio)
    for note in sound.notes:
        warnings.warn(f"{sound.name}: {note}", stacklevel=2)
    return sound


def fingerprint(waveform: NDArray[Any]) -> str:
    """sha256 of the samples, or of any other float32 numbers."""
    digest = hashlib.sha256()
    for part in read_parts(np.ascontiguousarray(waveform)):
        digest.update(np.ascontiguousarray(part, dtype="<f4").data)
    return digest.hexdigest()
