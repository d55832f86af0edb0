"""Reading recordings: any common form in, checked mono float32 out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from zsxai.errors import InputError

MAX_CHANNELS = 64


@dataclass(frozen=True, eq=False)
class Sound:
    """A recording as it was given, mixed to mono.

    Attributes:
        waveform: ``(T,)`` float32.
        sample_rate: Samples per second.
        channels: Channels before the mix (their mean).
        name: File name, or ``array``.
    """

    waveform: NDArray[Any]
    sample_rate: int
    channels: int
    name: str

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.waveform) / self.sample_rate

    def at(self, sample_rate: int) -> NDArray[Any]:
        """The waveform at another rate, ``(T',)`` float32 (soxr, high quality)."""
        if sample_rate == self.sample_rate:
            return self.waveform
        resampled = soxr.resample(self.waveform, self.sample_rate, sample_rate)
        return np.ascontiguousarray(resampled if len(resampled) else np.zeros(1), dtype=np.float32)


def read_audio(audio: object, sample_rate: int | None = None) -> Sound:
    """Read a recording.

    Args:
        audio: A path, a binary file object, an array or tensor ``(T,)`` or ``(C, T)``, or Hugging Face's
            ``{"array": ..., "sampling_rate": ...}``. Integer arrays are scaled by their full range.
        sample_rate: Samples per second of an array; files bring their own.

    Raises:
        InputError: If it is missing, is no audio, is empty or silent, or holds NaN or infinity; one line.
    """
    if isinstance(audio, (str, PathLike)) or hasattr(audio, "read"):
        return _read_file(audio, sample_rate)
    if isinstance(audio, Mapping):
        if "array" not in audio or "sampling_rate" not in audio:
            raise InputError("a mapping holds 'array' and 'sampling_rate', as Hugging Face's datasets give them")
        return _from_array(audio["array"], audio["sampling_rate"], _name(audio.get("path")))
    if sample_rate is None:
        raise InputError("an array needs its sample rate: pass sample_rate=, in samples per second")
    return _from_array(audio, sample_rate, "array")


def fingerprint(waveform: NDArray[Any]) -> str:
    """sha256 of the samples."""
    return hashlib.sha256(np.ascontiguousarray(waveform, dtype="<f4").tobytes()).hexdigest()


def _name(path: object) -> str:
    return Path(path).name if isinstance(path, (str, PathLike)) else "array"


def _read_file(audio: Any, sample_rate: int | None) -> Sound:
    name = _name(audio) if isinstance(audio, (str, PathLike)) else _name(getattr(audio, "name", None))
    source: bytes | BinaryIO = os.fsencode(audio) if isinstance(audio, (str, PathLike)) else audio
    if isinstance(audio, (str, PathLike)):
        path = Path(audio)
        if path.is_dir():
            raise InputError(f"{path} is a folder, not an audio file")
        if not path.exists():
            raise InputError(f"no such file: {path}")
    try:
        data, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, OSError) as error:
        raise InputError(
            f"{name} is not audio that libsndfile reads ({error}); convert it, for instance to WAV or FLAC"
        ) from error
    if sample_rate is not None and sample_rate != rate:
        raise InputError(f"{name} says {rate} samples per second, sample_rate says {sample_rate}: leave it out")
    return _checked(data.T, rate, name)


def _from_array(array: Any, sample_rate: int, name: str) -> Sound:
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, (int, np.integer)) or sample_rate < 1:
        raise InputError(f"the sample rate is a positive whole number, not {sample_rate!r}")
    try:
        values = np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)
    except (ValueError, TypeError) as error:
        raise InputError(f"audio of type {type(array).__name__} is no array: {error}") from error
    if values.dtype.kind in "iu":
        info = np.iinfo(values.dtype)
        middle = 0.0 if values.dtype.kind == "i" else (info.max + 1) / 2
        values = (values.astype(np.float64) - middle) / (info.max + 1 - middle)
    elif values.dtype.kind != "f":
        raise InputError(f"audio of type {type(array).__name__} ({values.dtype}) is no array of numbers")
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2:
        raise InputError(f"audio has shape (T,) or (channels, T), not {values.shape}")
    if values.shape[0] > MAX_CHANNELS:
        raise InputError(
            f"audio of shape {values.shape} has {values.shape[0]} channels; transpose it to (channels, T)?"
        )
    return _checked(values, int(sample_rate), name)


def _checked(channels_first: NDArray[Any], rate: int, name: str) -> Sound:
    if channels_first.size == 0:
        raise InputError(f"{name} holds no samples")
    if not np.isfinite(channels_first).all():
        raise InputError(f"{name} holds NaN or infinite samples: repair or cut them first")
    with np.errstate(over="ignore"):
        waveform = channels_first.mean(axis=0, dtype=np.float64).astype(np.float32)
    if not np.isfinite(waveform).all():
        raise InputError(f"{name} holds samples too large for float32: scale them to [-1, 1]")
    if not waveform.any():
        mixed = " after mixing to mono (opposite channels cancel)" if channels_first.any() else ""
        raise InputError(f"{name} is silent{mixed}: every sample is 0, so there is nothing to explain")
    return Sound(waveform, int(rate), channels_first.shape[0], name)
