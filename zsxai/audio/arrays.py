"""Arrays, tensors and sequences as sound: any common form in, channels first out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.audio.sound import MAX_SAMPLES, Peaks, Sound, check_rate, too_long
from zsxai.errors import InputError, first_line

MAX_CHANNELS = 64


def sound_of_array(array: object, sample_rate: object, name: str = "array") -> Sound:
    """Check and mix samples.

    Args:
        array: ``(T,)`` or ``(C, T)``. Integers of up to 32 bits are scaled by their full range.
        sample_rate: Samples per second; None is refused.
        name: Name of the sound.

    Raises:
        InputError: If it is no sound; one line.
    """
    if not any(hasattr(array, attribute) for attribute in ("__array__", "__array_interface__", "__len__", "detach")):
        raise InputError(f"audio of type {type(array).__name__} is no file and no array of numbers")
    if sample_rate is None:
        raise InputError("an array needs its sample rate: pass sample_rate=, in samples per second")
    rate = check_rate(sample_rate)
    _check_length(_shape(array), rate, name)
    values = _as_array(array)
    if values.dtype.kind not in "iuf":
        raise InputError(f"audio of type {type(array).__name__} ({values.dtype}) is no array of numbers")
    if values.dtype.kind in "iu" and values.dtype.itemsize > 4:
        raise InputError(
            f"{values.dtype} samples have no known full scale: give floats in [-1, 1], or np.asarray(audio, 'int16')"
        )
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2:
        raise InputError(f"audio has shape (T,) or (channels, T), not {values.shape}")
    if not values.size:
        raise InputError(f"{name} holds no samples")
    if values.shape[0] > MAX_CHANNELS:
        raise InputError(
            f"audio of shape {values.shape} has {values.shape[0]} channels; transpose it to (channels, T)?"
        )
    _check_length(values.shape, rate, name)
    notes: tuple[str, ...] = ()
    if values.dtype.kind in "iu":
        values, notes = _scale(values)
    peaks = Peaks(name)
    return Sound(peaks.mix(values), rate, len(values), name, peaks.notes(notes))


def _as_array(array: Any) -> NDArray[Any]:
    try:
        values = np.asanyarray(_plain(array) if hasattr(array, "detach") else array)
    except MemoryError:
        raise
    except Exception as error:  # of whatever object the caller has
        raise InputError(f"audio of type {type(array).__name__} is no array of numbers: {first_line(error)}") from error
    parts = array if isinstance(array, (list, tuple)) else ()
    if np.ma.is_masked(values) or any(isinstance(p, np.ma.MaskedArray) and np.ma.is_masked(p) for p in parts):
        raise InputError("the array holds masked samples: fill or cut them first")
    return np.asarray(values)


def _plain(tensor: Any) -> Any:
    """A tensor as numpy can take it."""
    if tensor.is_meta:
        raise TypeError("a meta tensor holds no samples")
    tensor = tensor.dequantize() if tensor.is_quantized else tensor.detach()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    tensor = tensor.cpu().resolve_conj().resolve_neg()
    # What numpy lacks, bfloat16 and the float8 types, float32 holds exactly.
    return tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor


def _shape(array: Any) -> tuple[int, ...]:
    shape = getattr(array, "shape", None)
    if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
        return tuple(shape)
    return (len(array),) if isinstance(array, Sequence) else ()


def _check_length(shape: tuple[int, ...], rate: int, name: str) -> None:
    if shape and (shape[-1] > MAX_SAMPLES or math.prod(shape) > MAX_SAMPLES * MAX_CHANNELS):
        raise too_long(name, rate)


def _scale(values: NDArray[Any]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    info = np.iinfo(values.dtype)
    middle = 0.0 if values.dtype.kind == "i" else (info.max + 1) / 2
    centred = values.astype(np.float64) - middle
    peak = np.abs(centred).max(initial=0)
    notes: tuple[str, ...] = ()
    if values.dtype == np.int32 and 0 < peak < 2**15:
        notes = (f"the peak of the int32 samples is {peak:,.0f} of {info.max:,}: are these 16-bit values? give int16",)
    return centred / (info.max + 1 - middle), notes
