"""What callers give besides audio and prompts, taken once and checked in one line."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from zsxai.errors import InputError


def take_list(values: object, what: str, of: str = "prompts") -> list[Any]:
    """What a list, a pandas Series, an array, a set or a generator holds, in its own order; a set's is sorted.

    Taken once: a generator gives its values only once, and a Series is indexed by labels, not by places.

    Args:
        values: The list.
        what: Name of the parameter, for errors.
        of: What it holds, for errors.

    Raises:
        InputError: If it is one string, a mapping, a table or nothing that can be gone through.
    """
    shape = getattr(values, "shape", None)
    if isinstance(values, str):
        raise InputError(f"{what} is a list of {of}, not one string: {what}=[{values!r}]")
    if isinstance(values, bytes) or not isinstance(values, Iterable):
        raise InputError(f"{what} is a list of {of}, not {'None' if values is None else type(values).__name__}")
    if isinstance(values, Mapping):
        raise InputError(f"{what} is a list of {of}, not a {type(values).__name__}: give the list of keys or of values")
    if shape is not None and len(shape) != 1:
        raise InputError(f"{what} is one list of {of}, not a table of shape {tuple(shape)}: give one column of it")
    return sorted(values, key=str) if isinstance(values, (set, frozenset)) else list(values)


def one_of(value: object, names: Collection[str], what: str) -> None:
    """See that a value is one of some names.

    Raises:
        InputError: If it is not.
    """
    if not isinstance(value, str) or value not in names:
        raise InputError(f"{what} is {' or '.join(map(repr, names))}, not {_shown(value)}")


def whole_number(value: object, what: str, least: int, most: int | None = None) -> int:
    """A whole number from ``least`` on, up to ``most`` where that is given.

    Raises:
        InputError: If it is another type, a bool, or outside.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        number = int(value)
        if number >= least and (most is None or number <= most):
            return number
    reach = f", {least} or more" if most is None else f" from {least} to {most:,}"
    raise InputError(f"{what} is a whole number{reach}, not {_shown(value)}")


def real_number(value: object, what: str, least: float, most: float | None = None) -> float:
    """A finite number from ``least`` on, up to ``most`` where that is given.

    Raises:
        InputError: If it is no number, a bool, NaN, infinite, or outside.
    """
    try:
        number = math.nan if isinstance(value, (bool, str, bytes)) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isfinite(number) and number >= least and (most is None or number <= most):
        return number
    reach = f"a finite number, {least:g} or more" if most is None else f"a number from {least:g} to {most:g}"
    raise InputError(f"{what} is {reach}, not {_shown(value)}")


def _shown(value: object) -> str:
    """Whatever was given, in a part of one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
