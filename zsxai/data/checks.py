"""What readers check, said in one line each."""

from __future__ import annotations

import csv
import json
import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError
from zsxai.names import printable


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
    folder = _as_path(root, what)
    if not folder.is_dir():
        is_file = "that is a file" if folder.exists() else "no such folder"
        raise InputError(f"no {what} at {printable(folder)}: {is_file}")
    return folder


def existing_file(root: str | Path, what: str) -> Path:
    """The file as a path.

    Raises:
        InputError: If there is none.
    """
    file = _as_path(root, what)
    if not file.is_file():
        is_folder = "that is a folder" if file.is_dir() else "no such file"
        raise InputError(f"no {what} at {printable(file)}: {is_folder}")
    return file


def _as_path(root: object, what: str) -> Path:
    if not isinstance(root, (str, os.PathLike)):
        raise InputError(f"a {what} is named by its path, not by {root!r}")
    return Path(root)


def keep_apart(out: str | Path, roots: Iterable[str | Path]) -> None:
    """Refuse an output inside a folder of data: the next run would read its own results.

    Args:
        out: Where something is to be written; it need not exist.
        roots: Folders of data; files among them keep nothing away.

    Raises:
        InputError: If the output is one of the folders, or lies in one.
    """
    place = Path(out).expanduser().resolve()
    for root in roots:
        folder = Path(root).expanduser()
        # Asked of the file system: links and letter case may give one folder two names.
        if folder.is_dir() and any(p.exists() and p.samefile(folder) for p in (place, *place.parents)):
            raise InputError(
                f"{printable(out)} lies in the data at {printable(folder)}, where results would be read as data: "
                "choose a folder outside"
            )


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
            twice = [name for name, times in Counter(header).items() if name and times > 1]
            if twice:
                raise InputError(f"{path} has several columns called {twice[0]!r}: rename or remove all but one")
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


def read_fields(path: Path, fewest: int, delimiter: str = "\t") -> list[list[str]]:
    """Read a table without a header line; lines that begin with ``#`` are comments.

    Args:
        path: UTF-8, with or without byte order mark.
        fewest: How many fields each line has, filled in; more may follow.
        delimiter: A tab, where quotation marks belong to the text, or a comma, where they hold a field together.

    Raises:
        InputError: If a line has fewer, or there is none.
    """
    rows: list[list[str]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(
                file,
                delimiter=delimiter,
                quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL,
                skipinitialspace=True,
                strict=True,
            )
            for fields in reader:
                row = [field.strip() for field in fields]
                if not any(row) or row[0].startswith("#"):
                    continue
                if len(row) < fewest or not all(row[:fewest]):
                    raise InputError(f"{path}, line {reader.line_num}: fewer than {fewest} fields are filled in")
                rows.append(row)
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"{path} is no table in UTF-8: {error}") from error
    if not rows:
        raise InputError(f"{path} holds no rows")
    return rows


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: If it is none, or not in UTF-8.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON in UTF-8: {error}") from error


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
        folds: Fold numbers, in any collection.
        what: Data set, for messages.

    Raises:
        InputError: If the folds are no list of numbers, or one holds no clip.
    """
    if folds is None:
        return list(clips)
    wanted = list(folds) if _is_list(folds) else []
    if not wanted:
        raise InputError(f"folds is a list of fold numbers, such as [4], not {folds!r}")
    there = sorted({clip.fold for clip in clips})
    for fold in wanted:
        if isinstance(fold, bool) or fold not in there:
            raise InputError(f"{what} has no clip in fold {fold!r}: its folds are {', '.join(map(str, there))}")
    return [clip for clip in clips if clip.fold in wanted]


def without_recordings(clips: Sequence[LabelledClip], recordings: Any, what: str) -> list[LabelledClip]:
    """The clips less those of some recordings.

    Args:
        clips: Clips.
        recordings: Names or numbers of recordings, in any collection.
        what: Data set, for messages.

    Raises:
        InputError: If the recordings are no list, or no clip is of one of them.
    """
    if not _is_list(recordings):
        raise InputError(f"without is a list of recordings, such as [131943], not {recordings!r}")
    unwanted = {str(recording) for recording in recordings}
    if unknown := unwanted - {clip.source for clip in clips}:
        raise InputError(f"{what} has no clip of the recording {min(unknown)!r} to leave out")
    return [clip for clip in clips if clip.source not in unwanted]


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))


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
        first = printable(missing[0])
        raise InputError(f"{what}: {len(missing)} of {len(clips)} audio files are missing, the first is {first}")
    return list(clips)


def present(clips: Sequence[LabelledClip | None], without_audio: str, what: str) -> list[LabelledClip]:
    """The clips that there is audio of, for data sets whose files vanish from the web; how many lack is a warning.

    Args:
        clips: None for each without audio.
        without_audio: ``skip`` leaves them out, ``refuse`` does not go on.
        what: Data set, for messages.

    Raises:
        InputError: If some lack and that is refused, or all do.
    """
    if without_audio not in ("skip", "refuse"):
        raise InputError(f"without_audio is 'skip' or 'refuse', not {without_audio!r}")
    found = [clip for clip in clips if clip is not None]
    if lacking := len(clips) - len(found):
        said = f"{what}: {lacking} of {len(clips)} clips have no audio"
        if not found or without_audio == "refuse":
            raise InputError(said + ("; without_audio = 'skip' leaves them out" if found else ""))
        warnings.warn(f"{said} and are left out", stacklevel=3)
    return complete(found, what)
