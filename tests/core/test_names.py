"""Names as text that every screen and table can hold."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from zsxai.names import printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("naïve 🐕.wav", "naïve 🐕.wav"),
        (b"caf\xe9.wav", r"caf\xe9.wav"),
        (Path(os.fsdecode(b"\xff")) / "a.wav", r"\xff/a.wav"),
        ("two\nlines\x1b[31m", r"two\nlines\x1b[31m"),
        ("gpj\u202egnp", r"gpj\u202egnp"),
        ("half \ud800", r"half \ud800"),
        (r"a\b", r"a\b"),
    ],
)
def test_printable(name: str | bytes | Path, shown: str) -> None:
    assert printable(name) == shown
    assert printable(shown) == shown
    json.dumps(shown, ensure_ascii=False).encode()
