"""Names of folders, good on every file system, for recordings and for prompts."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from zsxai.names import printable

LONGEST = 100
"""Bytes of a part of a path; file systems take 255, encrypted ones 140."""
_LONGEST_PROMPT = 60
"""Letters of a prompt in the name of its folder."""
_FORBIDDEN = re.compile(r'[<>:"|?*\\/\x00-\x1f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""What Windows takes for no file, whatever follows the dot."""


def name_recordings(names: Sequence[str], taken: Mapping[str, str]) -> dict[str, str]:
    """Relative folders for recordings, each its own, also where letter case does not count.

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


def name_prompts(prompts: Iterable[str]) -> list[str]:
    """Folders for prompts, readable, each its own: letters and digits in lower case, with ``-`` between words.

    Args:
        prompts: In the order in which they are numbered where their names would be alike.
    """
    taken: set[str] = set()
    names = []
    for prompt in prompts:
        plain = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", prompt).casefold()).strip("-")[:_LONGEST_PROMPT]
        stem = f"{plain}-" if _RESERVED.match(plain) else plain or "unnamed"
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        names.append(name)
    return names


def make_safe(name: str) -> str:
    """A name as a relative path that every file system takes; unlike names may give the same."""
    return "/".join(_make_safe(part) for part in PurePosixPath(name).parts if part != "/")


def hash_name(name: str) -> str:
    """sha256 of a name."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()


def _make_safe(part: str) -> str:
    tidy = _FORBIDDEN.sub("_", printable(part)).rstrip(". ")
    if tidy.startswith(".") or not tidy or _RESERVED.match(tidy):  # hidden, or nothing is left, as of ..
        tidy = f"_{tidy.lstrip('.')}"
    if len(tidy.encode()) > LONGEST:
        tidy = f"{tidy.encode()[: LONGEST - 9].decode(errors='ignore').rstrip('. ')}-{hash_name(part)[:8]}"
    return tidy


def _fold(folder: str) -> str:
    return unicodedata.normalize("NFC", folder).casefold()
