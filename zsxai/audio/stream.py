"""Opening recordings: any common form in, a stream of checked mono blocks out."""

from __future__ import annotations

import array
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TypeGuard

from zsxai.audio.arrays import sound_of_array
from zsxai.audio.blocks import SoundInMemory, SoundStream
from zsxai.audio.files import open_bytes, open_path, open_stream
from zsxai.audio.sound import Sound, check_rate
from zsxai.errors import InputError
from zsxai.names import printable

__all__ = ["SoundStream", "open_sound"]


def open_sound(audio: object, sample_rate: float | None = None) -> SoundStream:
    """Open a recording, to be read once, block by block: a file of any length is never held whole.

    Args:
        audio: As :func:`read_audio` takes it. Only files named by a path are read as they come: what other objects
            hold is in memory.
        sample_rate: As :func:`read_audio` takes it.

    Returns:
        The stream, a context manager. What is wrong with a part shows when it is read.

    Raises:
        InputError: If it is missing or no audio; one line.
    """
    if isinstance(audio, Sound):
        return SoundInMemory(audio)
    if isinstance(audio, (str, PathLike)):
        return open_path(audio, sample_rate)
    if _is_encoded(audio):
        return open_bytes(bytes(audio), sample_rate)
    if hasattr(audio, "read"):
        return open_stream(audio, sample_rate)
    name = "array"
    if isinstance(audio, Mapping):
        if "array" not in audio or "sampling_rate" not in audio:
            raise InputError("a mapping holds 'array' and 'sampling_rate', as Hugging Face's datasets give them")
        rate = check_rate(audio["sampling_rate"])
        if sample_rate is not None and check_rate(sample_rate) != rate:
            raise InputError(
                f"the mapping says {rate} samples per second, sample_rate says {sample_rate}: leave it out"
            )
        path = audio.get("path")
        if isinstance(path, (str, PathLike)):
            name = printable(Path(path).name)
        audio, sample_rate = audio["array"], rate
    return SoundInMemory(sound_of_array(audio, sample_rate, name))


def _is_encoded(audio: object) -> TypeGuard[bytes | bytearray | memoryview | array.array[int]]:
    if isinstance(audio, memoryview):
        return audio.format in ("B", "b", "c")
    return isinstance(audio, (bytes, bytearray)) or (isinstance(audio, array.array) and audio.typecode in "Bb")
