"""What readers check, said in one line each."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError


class Reader:
    """Base of the readers: holds the clips and the classes.

    Attributes:
        clips: All clips, in a fixed order.
        labels: All classes, sorted.
    """

    clips: Sequence[LabelledClip]
    labels: Sequence[str]

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[LabelledClip]:
        return iter(self.clips)


def existing_folder(root: str | Path, what: str) -> Path:
    """The folder as a path.

    Raises:
        InputError: If there is none.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise InputError(f"no {what} at {folder}: " + ("that is a file" if folder.exists() else "no such folder"))
    return folder


def read_table(path: Path, columns: Collection[str]) -> list[dict[str, str]]:
    """Read a CSV file with a header line.

    Args:
        path: UTF-8, with or without byte order mark.
        columns: Those that must be there and be filled in every row.

    Raises:
        InputError: If the file is no such table, or has no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            lacking = [c for c in columns if c not in header]
            if lacking:
                raise InputError(f"{path} lacks the column {lacking[0]!r}: it has {', '.join(header) or 'none'}")
            rows: list[dict[str, str]] = []
            for row in reader:
                if None in row or any(value is None for value in row.values()):
                    raise InputError(f"{path}, line {reader.line_num}: not as many fields as the header has columns")
                if empty := [c for c in columns if not row[c].strip()]:
                    raise InputError(f"{path}, line {reader.line_num}: {empty[0]!r} is empty")
                rows.append(row)
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"{path} is no CSV file in UTF-8: {error}") from error
    if not rows:
        raise InputError(f"{path} holds no rows below its header")
    return rows


def whole_number(value: object, column: str, where: str | Path) -> int:
    """A field that holds a whole number.

    Raises:
        InputError: If it does not.
    """
    try:
        return int(str(value))
    except ValueError as error:
        raise InputError(f"{where}: {column} is a whole number, not {value!r}") from error


def in_folds(clips: Sequence[LabelledClip], folds: Any, what: str) -> list[LabelledClip]:
    """The clips of some folds; all where None.

    Args:
        clips: Clips.
        folds: A list of fold numbers.
        what: Data set, for messages.

    Raises:
        InputError: If the folds are no list of numbers, or one holds no clip.
    """
    if folds is None:
        return list(clips)
    if isinstance(folds, (str, bytes)) or not isinstance(folds, Collection) or not folds:
        raise InputError(f"folds is a list of fold numbers, such as [4], not {folds!r}")
    there = {clip.fold for clip in clips}
    for fold in folds:
        if isinstance(fold, bool) or fold not in there:
            raise InputError(f"{what} has no clip in fold {fold!r}: its folds are {', '.join(map(str, sorted(there)))}")
    return [clip for clip in clips if clip.fold in set(folds)]


def complete(clips: Sequence[LabelledClip], what: str) -> list[LabelledClip]:
    """The same clips, once it is certain that there are some, that no two share a name and that their files exist.

    Raises:
        InputError: If not.
    """
    if not clips:
        raise InputError(f"{what} holds no clip")
    seen: set[str] = set()
    for clip in clips:
        if clip.name in seen:
            raise InputError(f"{what} has two clips called {clip.name!r}")
        seen.add(clip.name)
    missing = [clip.path for clip in clips if clip.path is not None and not clip.path.is_file()]
    if missing:
        raise InputError(f"{what}: {len(missing)} of {len(clips)} audio files are missing, the first is {missing[0]}")
    return list(clips)
