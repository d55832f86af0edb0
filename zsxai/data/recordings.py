"""Recordings that are named together: a file, a folder, a pattern, or a table of paths."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from zsxai.data.checks import read_table
from zsxai.data.folder import BY_AV, ENDINGS, find_audio, is_clutter
from zsxai.errors import InputError
from zsxai.names import printable

PATHS = ("path", "file", "filename", "file_name", "audio", "recording")
"""Names of a column of paths, in any letter case; the first that is there counts."""
PROMPT = "prompt"
"""Name of a column of prompts."""


class Listed(NamedTuple):
    """A recording that was found.

    Attributes:
        name: Its path below what was named, with ``/``; no other has it.
        path: Where it is.
        prompts: What to listen for in it.
    """

    name: str
    path: Path
    prompts: tuple[str, ...]


def is_many(source: str | Path) -> bool:
    """Whether this names several recordings: a folder, a pattern or a table."""
    path = Path(source)
    return path.is_dir() or path.suffix.lower() == ".csv" or (not path.exists() and _has_magic(str(source)))


def find_recordings(source: str | Path, prompts: Sequence[str] = ()) -> list[Listed]:
    """Find recordings.

    Args:
        source: A file; a folder, of which all audio below is taken, but for hidden files; a pattern such as
            ``"calls/**/*.wav"``; or a CSV file with a column of paths (:data:`PATHS`), which are relative to it.
        prompts: What to listen for in all of them. A table may say it of each, in a column ``prompt``: a line for every
            file and prompt.

    Raises:
        InputError: If there are none, the table lacks a column, or nothing or two things say what to listen for.
    """
    path, asked = Path(source), tuple(dict.fromkeys(prompts))
    if path.suffix.lower() == ".csv" and not path.is_dir():
        return _read(path, asked)
    if not asked:
        raise InputError("say what to listen for: a prompt, or a table of files with a column 'prompt'")
    if path.is_dir():
        return [Listed(found.relative_to(path).as_posix(), found, asked) for found in find_audio(path)]
    if is_many(source):
        return [Listed(name, found, asked) for name, found in _match(str(source))]
    return [Listed(path.name, path, asked)]


def _has_magic(text: str) -> bool:
    return bool(set("*?[") & set(text))


def _match(pattern: str) -> list[tuple[str, Path]]:
    """What a pattern matches, by names below the folders that it spells out."""
    parts = Path(pattern).parts
    plain = next(n for n, part in enumerate(parts) if _has_magic(part))
    root = Path(*parts[:plain])
    found = [(path.relative_to(root).as_posix(), path) for path in root.glob("/".join(parts[plain:]))]
    audio = sorted(
        (name, path)
        for name, path in found
        if path.suffix.lower() in (*ENDINGS, *BY_AV) and path.is_file() and not any(map(is_clutter, name.split("/")))
    )
    if not audio:
        raise InputError(f"{printable(pattern)} matches no audio: looked for {', '.join(ENDINGS)}")
    return audio


def _read(table: Path, prompts: tuple[str, ...]) -> list[Listed]:
    header = list(read_table(table, ())[0])
    column = next((own for name in PATHS for own in header if own.lower() == name), None)
    if column is None:
        raise InputError(f"{printable(table)} has no column of paths: call one 'path'; it has {', '.join(header)}")
    said = next((own for own in header if own.lower() == PROMPT), None)
    if said is not None and prompts:
        raise InputError(f"{printable(table)} has a column {said!r}: leave the prompt out, or rename the column")
    if said is None and not prompts:
        raise InputError(f"say what to listen for: a prompt, or a column 'prompt' in {printable(table)}")
    asked: dict[str, dict[str, None]] = {}
    for row in read_table(table, (column,) if said is None else (column, said)):
        own = prompts if said is None else (row[said].strip(),)
        asked.setdefault(posixpath.normpath(row[column].strip()), {}).update(dict.fromkeys(own))
    return [Listed(name, table.parent / name, tuple(own)) for name, own in asked.items()]
