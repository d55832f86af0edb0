"""Arrays that may lie on disk: read a part at a time, written a part at a time, never held whole."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CELLS = 2**22
"""Numbers that are worked on at a time."""
LARGE = 2**26
"""Bytes of an array from which on it is mapped and not read."""
_NAMES = {"float32": "F32", "float64": "F64"}


def make_array(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A float32 array on disk, zeros where it is new; one that is there already, of this size, is kept.

    Args:
        path: Its file: the numbers and nothing else.
        shape: Its shape.
    """
    size = 4 * int(np.prod(shape))
    with path.open("ab") as file:
        if os.fstat(file.fileno()).st_size != size:
            file.truncate(0)
            # Reserved: a disk that fills up under a mapped file ends the process without a word.
            reserve = getattr(os, "posix_fallocate", lambda descriptor, _, end: os.truncate(descriptor, end))
            reserve(file.fileno(), 0, size)
    return np.memmap(path, dtype="<f4", mode="r+", shape=shape)


def map_array(path: Path, offset: int, shape: tuple[int, ...], dtype: str = "<f4") -> NDArray[Any]:
    """A read-only array in a file, mapped where it is large."""
    if int(np.prod(shape)) * np.dtype(dtype).itemsize >= LARGE:
        return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
    with path.open("rb") as file:
        file.seek(offset)
        return np.fromfile(file, dtype=dtype, count=int(np.prod(shape))).reshape(shape)


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array lies on disk."""
    return _mapping(array) is not None


def forget(*arrays: object) -> None:
    """Let go of the memory that reading or writing arrays on disk has taken; others stay as they are."""
    for array in arrays:
        mapping = _mapping(array)
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            with contextlib.suppress(ValueError, OSError):
                mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(array: Any) -> mmap.mmap | None:
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    return array


def is_within(array: NDArray[Any], low: float, high: float, rows: NDArray[Any] | slice = slice(None)) -> bool:
    """Whether every number of an array in memory lies in a range; one on disk is not read for that."""
    if is_mapped(array):
        return True
    some = array[rows]
    return bool(((some >= low) & (some <= high)).all())


def read_parts(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """An array in its own order, a few million numbers at a time; behind each the memory is let go."""
    flat = array.reshape(-1)
    for start in range(0, max(1, flat.size), CELLS):
        yield flat[start : start + CELLS]
        forget(array)


def write_tensors(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a safetensors file, a few million numbers at a time, byte for byte as the library does.

    Args:
        path: Where.
        arrays: float32 and float64 arrays by name.
    """
    # The library's order: the widest numbers first, then by name.
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    head: dict[str, dict[str, object]] = {}
    at = 0
    for name in names:
        end = at + arrays[name].nbytes
        head[name] = {
            "dtype": _NAMES[arrays[name].dtype.name],
            "shape": list(arrays[name].shape),
            "data_offsets": [at, end],
        }
        at = end
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            for part in read_parts(np.ascontiguousarray(arrays[name])):
                file.write(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")).data)


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file of :func:`write_tensors`, those that are large mapped; checked by the library.

    Raises:
        safetensors.SafetensorError: If it is none.
        ValueError: If it holds other numbers.
    """
    from safetensors import safe_open

    with safe_open(path, framework="numpy"):  # refuses what is cut, too long or overlapping
        pass
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        head = json.loads(file.read(size))
    types = {short: f"<f{np.dtype(name).itemsize}" for name, short in _NAMES.items()}
    found = {}
    for name, at in head.items():
        if name == "__metadata__":
            continue
        if at["dtype"] not in types:
            raise ValueError(f"{path.name} holds {name} as {at['dtype']}, not as {' or '.join(types)}")
        found[name] = map_array(path, 8 + size + at["data_offsets"][0], tuple(at["shape"]), types[at["dtype"]])
    return found
