"""Commands as they are shown to others: without the places of one machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from zsxai.names import printable


def write_command(words: Iterable[str]) -> str:
    """Write a command as typed, with every absolute path by its last part."""
    return printable(shlex.join(map(shorten_place, words)))


def shorten_place(word: str) -> str:
    """A word with an absolute path in it, be it alone or behind a ``=`` or ``:``, by the path's last part."""
    for start in (0, word.find("=") + 1, word.find(":") + 1):
        path = Path(word[start:])
        if path.is_absolute():
            return word[:start] + path.name
    return word
