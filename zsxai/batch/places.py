"""Names of recordings and prompts as names of folders that every file system takes."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from zsxai.names import printable

LONGEST = 100
"""Bytes of a part of a path; file systems take 255, encrypted ones 140."""
_FORBIDDEN = re.compile(r'[<>:"|?*\\/\x00-\x1f]')


def name_folders(names: Sequence[str], taken: Mapping[str, str]) -> dict[str, str]:
    """Relative folders for names, each its own, also where letter case does not count.

    Args:
        names: Unlike names, with ``/`` between their parts.
        taken: Folders by name that were given before: these stay, and nothing else gets them.

    Returns:
        The folder of every name: the name where every file system takes it.
    """
    found = {name: taken.get(name) or make_safe(name) for name in names}
    others = (folder for name, folder in taken.items() if name not in found)
    used = Counter(map(_fold, [*found.values(), *others]))
    return {
        name: folder if name in taken or used[_fold(folder)] == 1 else f"{folder}-{hash_name(name)[:8]}"
        for name, folder in found.items()
    }


def make_safe(name: str) -> str:
    """A name as a relative path that every file system takes; unlike names may give the same."""
    return "/".join(_make_safe(part) for part in PurePosixPath(name).parts if part != "/")


def hash_name(name: str) -> str:
    """sha256 of a name."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()


def _make_safe(part: str) -> str:
    tidy = _FORBIDDEN.sub("_", printable(part)).rstrip(". ")
    if tidy.startswith(".") or not tidy:  # hidden, or nothing is left, as of ..
        tidy = f"_{tidy.lstrip('.')}"
    if len(tidy.encode()) > LONGEST:
        tidy = f"{tidy.encode()[: LONGEST - 9].decode(errors='ignore').rstrip('. ')}-{hash_name(part)[:8]}"
    return tidy


def _fold(folder: str) -> str:
    return unicodedata.normalize("NFC", folder).casefold()
