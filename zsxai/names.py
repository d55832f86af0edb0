"""File names as text that every screen, table and JSON file can hold."""

from __future__ import annotations

import os
import re

# What a screen would obey instead of showing it: control characters, breaks of lines, and those that turn the direction
# of writing; and halves of characters, as Python reads bytes of a name that are no UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(name: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    r"""A name to be shown and stored; never one to open a file with.

    Args:
        name: As the operating system has it: a text, bytes or a path.

    Returns:
        The same text, with a backslash escape for every undecodable byte (``caf\xe9.wav``), control character and mark
        of the direction of writing. A text without such characters comes back unchanged.
    """
    return _UNPRINTABLE.sub(_escape, os.fsdecode(name))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # how os.fsdecode keeps an undecodable byte
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape").decode("ascii")
