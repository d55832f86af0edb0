"""Tags with counts, read from what data sets bring."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zsxai.data.checks import existing_file, read_table, whole_number
from zsxai.errors import InputError

TAG_COLUMNS = ("tag", "phrase", "word")
COUNT_COLUMNS = ("count", "captions", "clips")
"""Column names of a CSV file, the first that is there."""


def read_tags(paths: Sequence[str | Path]) -> Counter[str]:
    """Read tags with their counts; those of several files are added.

    Args:
        paths: FSD50K's ``<split>_clips_info_FSD50K.json`` (its uploaders' tags, counted once a clip) and CSV files with
            a column of :data:`TAG_COLUMNS` and one of :data:`COUNT_COLUMNS`; or one plain list with a tag a line, whose
            first tag counts most.

    Raises:
        InputError: If a file is none of these.
    """
    files = [existing_file(path, "file of tags") for path in paths]
    plain = [file for file in files if file.suffix.lower() not in _READERS]
    if plain and len(files) > 1:
        raise InputError(f"{plain[0]} is a plain list, which has an order but no counts: give it alone")
    counts: Counter[str] = Counter()
    for file in files:
        counts.update(_READERS.get(file.suffix.lower(), _read_list)(file))
    if not counts:
        raise InputError(f"there are no tags in {', '.join(map(str, files)) or 'no file'}")
    return counts


def read_groups(path: str | Path) -> list[list[str]]:
    """Groups of tags that mean the same: a line each, with commas between.

    Raises:
        InputError: If there is no such file, or a line holds one tag only.
    """
    file = existing_file(path, "file of synonyms")
    groups = [[tag.strip() for tag in line.split(",") if tag.strip()] for line in _lines(file)]
    if alone := [group for group in groups if len(group) < 2]:
        raise InputError(f"{file}: {alone[0][0] if alone[0] else ','!r} stands alone: a line is two tags or more")
    return groups


def hash_files(paths: Sequence[str | Path]) -> str:
    """Names and hashes of files, for a card: ``counts.csv (sha256 ...)``."""
    return ", ".join(f"{Path(p).name} (sha256 {hashlib.sha256(Path(p).read_bytes()).hexdigest()})" for p in paths)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: If it is none.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON in UTF-8: {error}") from error


def _read_fsd50k(path: Path) -> Counter[str]:
    notes = read_json(path)
    clips = list(notes.values()) if isinstance(notes, dict) else []
    if not clips or not all(isinstance(clip, dict) and isinstance(clip.get("tags"), list) for clip in clips):
        raise InputError(f"{path} holds no tags by clip, as FSD50K's <split>_clips_info_FSD50K.json does")
    return Counter(tag for clip in clips for tag in sorted(set(map(str, clip["tags"]))))


def _read_csv(path: Path) -> Counter[str]:
    rows = read_table(path, ())
    tag = _column(rows[0], TAG_COLUMNS, path)
    count = _column(rows[0], COUNT_COLUMNS, path)
    counts: Counter[str] = Counter()
    for row in rows:
        times = whole_number(row[count], count, path)
        if times < 1:
            raise InputError(f"{path}: {row[tag]!r} has a {count} of {times}: a tag counts 1 or more")
        counts[row[tag]] += times
    return counts


def _column(row: dict[str, str], names: Sequence[str], path: Path) -> str:
    found = next((name for name in names if name in row), None)
    if found is None:
        raise InputError(f"{path} lacks a column {' or '.join(map(repr, names))}: it has {', '.join(row)}")
    return found


def _read_list(path: Path) -> Counter[str]:
    tags = list(dict.fromkeys(_lines(path)))
    return Counter({tag: len(tags) - at for at, tag in enumerate(tags)})


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no text in UTF-8: {error}") from error
    return [line.strip() for line in lines if line.strip()]


_READERS = {".json": _read_fsd50k, ".csv": _read_csv}
