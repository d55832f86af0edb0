"""Files and folders that are whole or absent: written beside their place, then renamed."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zsxai.errors import InputError, ZsxaiError
from zsxai.names import printable

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Nobody's mistake."""


def as_path(path: object) -> Path:
    """A path in any form (a str, bytes, anything that ``os.fspath`` takes).

    Raises:
        InputError: If it is none.
    """
    try:
        return Path(os.fsdecode(path))  # type: ignore[arg-type]  # whatever the caller gave
    except TypeError as error:
        raise InputError(f"a folder is named by a path, not by {type(path).__name__}") from error


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
        ZsxaiError: If the disk is full or broken.
    """
    place = _resolve(path)
    # By chance, not by the number of the process: machines that share a folder may give theirs the same one.
    draft = place.with_name(f".{place.name}.{secrets.token_hex(8)}.part{place.suffix}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(place)
    except OSError as error:
        raise _cannot_write(path, error) from error
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
        ZsxaiError: If the disk is full or broken.
    """
    check_folder(folder, files, overwrite=overwrite)
    place = _resolve(folder)
    draft, old = _beside(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
        yield draft
        # Looked at again: the folder may have appeared, or gained a file, while the draft was written.
        check_folder(folder, files, overwrite=overwrite)
        _swap(draft, place, old)
    except OSError as error:
        # What names another file was no writing of ours: something else went wrong inside the ``with``.
        if error.filename is not None and not _lies_in(error.filename, (draft, place.parent)):
            raise
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if place.exists():
            shutil.rmtree(old, ignore_errors=True)


def listed_files(folder: Path, record: str) -> list[str]:
    """What an earlier run wrote into a folder, by the ``files`` of its own record; the record alone where it has none.

    For :func:`whole_folder`, of folders whose files differ from run to run.

    Args:
        folder: The folder, which need not be there.
        record: Name of the JSON file that marks the folder.
    """
    try:
        listed = json.loads((folder / record).read_text(encoding="utf-8"))["files"]
        return [record, *map(str, listed)]
    except (OSError, ValueError, KeyError, TypeError):
        return [record]


def check_folder(folder: Path, files: Collection[str], *, overwrite: bool) -> None:
    """Refuse, before any work, what :func:`whole_folder` would refuse after it.

    Args:
        folder: Where a draft is to go.
        files: As :func:`whole_folder` takes them.
        overwrite: As :func:`whole_folder` takes it.

    Raises:
        InputError: If the folder exists and may not be replaced, or cannot be made.
    """
    place = _resolve(folder)
    try:
        for path in (place, *_beside(place)):
            with suppress(FileNotFoundError, NotADirectoryError):
                path.lstat()
    except OSError as error:
        raise _cannot_write(folder, error) from error
    above = next(path for path in place.parents if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        problem = "may not be written to" if above.is_dir() else "is a file"
        raise InputError(f"cannot write {printable(folder)}: {printable(above)} {problem}")
    if os.path.lexists(place):
        _check_existing(printable(folder), place, files, overwrite)


def _beside(place: Path) -> tuple[Path, Path]:
    token = secrets.token_hex(8)
    return place.with_name(f".{place.name}.{token}.part"), place.with_name(f".{place.name}.{token}.old")


def _resolve(path: Path) -> Path:
    if "\0" in str(path) or (not path.name and path.resolve() == path.resolve().parent):
        raise InputError(f"cannot write {printable(path)}: that is no place for a file or a folder of ours")
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # Python up to 3.12 says RuntimeError of a circle
        raise InputError(f"cannot write {printable(path)}: its links lead in a circle") from error


def _cannot_write(path: Path, error: OSError) -> ZsxaiError:
    kind = ZsxaiError if error.errno in _DISK else InputError
    return kind(f"cannot write {printable(path)}: {error.strerror or error}")


def _lies_in(name: object, folders: tuple[Path, ...]) -> bool:
    return isinstance(name, (str, os.PathLike)) and any(Path(name).is_relative_to(folder) for folder in folders)


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


def _check_existing(folder: str, place: Path, files: Collection[str], overwrite: bool) -> None:
    if not place.is_dir():
        raise InputError(f"{folder} is a file: name a folder")
    if not overwrite:
        raise InputError(f"{folder} exists: name another folder, or say overwrite")
    marker = next(iter(files))
    found = sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_symlink() or not p.is_dir())
    other = next((name for name in found if name not in files), None)
    if other is not None:
        raise InputError(f"{folder} holds {printable(other)}, which is not ours to replace: name another folder")
    if found and marker not in found:
        raise InputError(f"{folder} holds no {marker}, so it is not ours to replace: name another folder")
