"""Data sets by name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zsxai.data.clip import Dataset
from zsxai.errors import InputError
from zsxai.registry import DATASETS


def load_dataset(name: str, /, root: str | Path | None = None, **options: Any) -> Dataset:
    """Load a data set by its registered name.

    Args:
        name: As ``zsxai list datasets`` has it: ``esc50``, ``folder``, ``synthetic``, ...
        root: Where it lies; a reader that needs no files takes none.
        **options: What the reader takes besides, such as ``folds=[4]``.

    Raises:
        InputError: If the name or an option is unknown, the root is missing or superfluous, or the reader finds no such
            data set there; one line.
        MissingExtraError: If the reader needs a package that is not installed.
    """
    reader = DATASETS.get(name)
    if not callable(reader):
        return _checked(name, reader, root, options)
    takes = inspect.signature(reader).parameters
    named = [p.name for p in takes.values() if p.name != "root" and p.kind is not p.VAR_KEYWORD]
    if not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        for option in options:
            if option not in named:
                raise InputError(
                    f"the data set {name!r} has no option {option!r}: it takes {', '.join(named) or 'none'}"
                )
    if root is not None and "root" not in takes:
        raise InputError(f"the data set {name!r} reads no files: leave {str(root)!r} out")
    if root is None and "root" in takes and takes["root"].default is inspect.Parameter.empty:
        raise InputError(f"the data set {name!r} needs the place where it lies: load_dataset({name!r}, root)")
    try:
        made = reader(**options) if root is None else reader(root, **options)
    except ModuleNotFoundError as error:
        raise DATASETS.missing(name, error) from error
    return _checked(name, made, None, {})


def _checked(name: str, made: object, root: object, options: dict[str, Any]) -> Dataset:
    if root is not None or options:
        raise InputError(f"the data set {name!r} is an object that takes neither a folder nor options")
    if not isinstance(made, Dataset):
        raise InputError(f"{name!r} gave no data set: one has .clips and .labels, {type(made).__name__} has not")
    for field, found in {"clips": made.clips, "labels": made.labels}.items():
        # Both are gone through again and again, by every process in the same order.
        if isinstance(found, str) or not isinstance(found, Sequence):
            raise InputError(f"the {field} of the data set {name!r} are a {type(found).__name__}: give a list or tuple")
    strangers = {clip.label for clip in made.clips} - set(made.labels)
    if strangers:
        raise InputError(f"the data set {name!r} has clips of {min(strangers)!r}, which is not among its labels")
    return made
