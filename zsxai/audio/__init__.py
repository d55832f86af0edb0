"""Reading recordings: any common form in, checked mono float32 out."""

from __future__ import annotations

import array
import hashlib
import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.audio.arrays import sound_of_array
from zsxai.audio.files import sound_of_bytes, sound_of_path, sound_of_stream
from zsxai.audio.sound import Sound, check_rate
from zsxai.errors import InputError
from zsxai.names import printable

__all__ = ["Sound", "fingerprint", "read_and_warn", "read_audio"]


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
    if isinstance(audio, Sound):
        return audio
    if isinstance(audio, (str, PathLike)):
        return sound_of_path(audio, sample_rate)
    if _is_encoded(audio):
        return sound_of_bytes(bytes(audio), sample_rate)  # type: ignore[call-overload]
    if hasattr(audio, "read"):
        return sound_of_stream(audio, sample_rate)
    if isinstance(audio, Mapping):
        if "array" not in audio or "sampling_rate" not in audio:
            raise InputError("a mapping holds 'array' and 'sampling_rate', as Hugging Face's datasets give them")
        rate = check_rate(audio["sampling_rate"])
        if sample_rate is not None and check_rate(sample_rate) != rate:
            raise InputError(
                f"the mapping says {rate} samples per second, sample_rate says {sample_rate}: leave it out"
            )
        path = audio.get("path")
        name = printable(Path(path).name) if isinstance(path, (str, PathLike)) else "array"
        return sound_of_array(audio["array"], rate, name)
    return sound_of_array(audio, sample_rate)


def read_and_warn(audio: object) -> Sound:
    """As :func:`read_audio`, with its notes as warnings: figures of many sounds have no place for those of one."""
    sound = read_audio(audio)
    for note in sound.notes:
        warnings.warn(f"{sound.name}: {note}", stacklevel=2)
    return sound


def fingerprint(waveform: NDArray[Any]) -> str:
    """sha256 of the samples."""
    return hashlib.sha256(np.ascontiguousarray(waveform, dtype="<f4").tobytes()).hexdigest()


def _is_encoded(audio: object) -> bool:
    if isinstance(audio, memoryview):
        return audio.format in ("B", "b", "c")
    return isinstance(audio, (bytes, bytearray)) or (isinstance(audio, array.array) and audio.typecode in "Bb")
