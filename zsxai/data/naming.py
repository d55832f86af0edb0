"""Data as a command line names it: a folder, a list, or a reader and its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zsxai.data.clip import Dataset
from zsxai.data.folder import Folder
from zsxai.data.loading import load_dataset
from zsxai.data.table import Table
from zsxai.errors import InputError
from zsxai.files import as_path
from zsxai.names import printable
from zsxai.registry import DATASETS


def open_dataset(
    data: str | Path | Dataset, labels: str | Path | None = None, options: Mapping[str, Any] | None = None
) -> tuple[Dataset, str]:
    """Open a data set however it is named.

    Args:
        data: A folder of class folders, a CSV file (:class:`~zsxai.data.table.Table`), ``READER=DIR`` or ``READER``
            with a registered reader, or a data set.
        labels: A CSV file with the labels of the recordings in the folder ``data``.
        options: Options of the reader.

    Returns:
        The data set and a name of it.

    Raises:
        InputError: If there is no such data, or options do not fit.
    """
    given = dict(options or {})
    if not isinstance(data, (str, Path)) and isinstance(data, Dataset):
        if labels is not None or given:
            raise InputError("labels and options of a reader go with a folder, not with a data set")
        return data, type(data).__name__
    place = as_path(data)
    title = printable(place.resolve().name)
    if labels is not None:
        return Table(as_path(labels), **given, folder=place), title
    reader, equals, root = str(data).partition("=")
    if not place.exists() and reader in DATASETS.names():
        described = ", ".join([reader, *(f"{name} {value}" for name, value in given.items())])
        return load_dataset(reader, root if equals else None, **given), described
    if place.is_file():
        return Table(place, **given), title
    if given:
        raise InputError("a folder of class folders takes no options")
    return Folder(place), title
