"""Files and folders that are whole or absent: written beside their place, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zsxai.errors import InputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a draft beside ``path``; leaving the ``with`` renames it, any exception removes it.

    A process that is killed leaves what was there before, and at most a hidden draft ``.<name>.<token>.part<suffix>``.

    Args:
        path: Where the draft goes in the end; a file there is replaced, a link is followed, parents are made.

    Yields:
        Path of the draft, to be written by whoever asks for it: it gets the permissions of any new file.

    Raises:
        InputError: If it cannot be written.
    """
    place = path.resolve()
    # By chance, not by the number of the process: machines that share a folder may give theirs the same one.
    draft = place.with_name(f".{place.name}.{secrets.token_hex(8)}.part{place.suffix}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(place)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a text in UTF-8, whole or not at all (:func:`whole_file`); returns the path."""
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return path


@contextmanager
def whole_folder(folder: Path, files: Collection[str], *, overwrite: bool) -> Iterator[Path]:
    """Give a draft beside ``folder``; leaving the ``with`` renames it, any exception removes it.

    Args:
        folder: Where the draft goes in the end.
        files: Relative paths that may be replaced; the first marks a folder as replaceable. A folder that holds any
            other file is never touched.
        overwrite: Replace a folder that is there.

    Yields:
        The draft, an empty folder on the same file system.

    Raises:
        InputError: If the folder exists and may not be replaced, or cannot be made.
    """
    place = folder.resolve()
    _check(folder, place, files, overwrite)
    token = secrets.token_hex(8)
    draft, old = (place.with_name(f".{place.name}.{token}.{end}") for end in ("part", "old"))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    try:
        yield draft
        # Looked at again: the folder may have appeared, or gained a file, while the draft was written.
        _check(folder, place, files, overwrite)
        _swap(draft, place, old)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if place.exists():
            shutil.rmtree(old, ignore_errors=True)


def _swap(draft: Path, place: Path, old: Path) -> None:
    if not place.exists():
        draft.rename(place)
        return
    try:
        place.rename(old)
        draft.rename(place)
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise


def _check(folder: Path, place: Path, files: Collection[str], overwrite: bool) -> None:
    if not os.path.lexists(place):
        return
    if not place.is_dir():
        raise InputError(f"{folder} is a file: name a folder")
    if not overwrite:
        raise InputError(f"{folder} exists: name another folder, or say overwrite")
    marker = next(iter(files))
    found = sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_symlink() or not p.is_dir())
    other = next((name for name in found if name not in files), None)
    if other is not None:
        raise InputError(f"{folder} holds {other}, which is not ours to replace: name another folder")
    if found and marker not in found:
        raise InputError(f"{folder} holds no {marker}, so it is no saved explanation: name another folder")
