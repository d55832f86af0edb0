"""FSD50K in its official layout, with what the uploaders wrote as captions.

E. Fonseca, X. Favory, J. Pons, F. Font, X. Serra, "FSD50K: an Open Dataset of Human-Labeled Sound Events", IEEE/ACM
Transactions on Audio, Speech, and Language Processing 30, 2022.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any, Literal

from zsxai.data.checks import Reader, complete, existing_folder, read_json, read_table
from zsxai.data.clip import LabelledClip
from zsxai.data.folder import ENDINGS
from zsxai.errors import InputError

SPLITS = ("dev", "eval")
WORDS = 30
"""A caption made of title and description is cut after so many."""

_ENDING = re.compile(f"({'|'.join(map(re.escape, (*ENDINGS, '.m4a')))})$", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>]*>")
_ADDRESS = re.compile(r"(https?://|www\.)\S+", re.IGNORECASE)


class FSD50K(Reader):
    """Clips of one split of FSD50K, in the order of the file names; labelled by all their classes, in words.

    A clip has two captions: its classes ("Electric guitar, Guitar, Music"), and the first :data:`WORDS` words of the
    title and description that its uploader gave it, without markup and addresses. Its source is the uploader: one often
    uploads takes of one thing, under one description, and the data set itself keeps uploaders apart.

    Args:
        root: Folder with ``FSD50K.ground_truth/<split>.csv``, ``FSD50K.metadata/<split>_clips_info_FSD50K.json`` and
            ``FSD50K.<split>_audio/``.
        split: ``dev`` or ``eval``.

    Raises:
        InputError: If the layout is not found, the tables do not fit, or files are missing.
    """

    def __init__(self, root: str | Path, split: Literal["dev", "eval"] = "dev") -> None:
        if split not in SPLITS:
            raise InputError(f"split is {' or '.join(map(repr, SPLITS))}, not {split!r}")
        self.root = existing_folder(root, "FSD50K")
        table = self.root / "FSD50K.ground_truth" / f"{split}.csv"
        notes = self.root / "FSD50K.metadata" / f"{split}_clips_info_FSD50K.json"
        if not table.is_file() or not notes.is_file():
            raise InputError(f"no FSD50K at {self.root}: looked for {table} and {notes}")
        written = _read_notes(notes)
        clips = []
        for row in sorted(read_table(table, ("fname", "labels")), key=lambda row: row["fname"]):
            name = row["fname"]
            note = written.get(name)
            if not isinstance(note, dict) or not note.get("uploader"):
                raise InputError(f"{notes} does not say who uploaded {name}")
            classes = ", ".join(label.strip().replace("_", " ") for label in row["labels"].split(","))
            captions = tuple(caption for caption in (classes, _written(note)) if caption)
            path = self.root / f"FSD50K.{split}_audio" / f"{name}.wav"
            clips.append(LabelledClip(name, classes, str(note["uploader"]), path=path, captions=captions))
        self.clips = complete(clips, f"FSD50K ({split}) at {self.root}")
        self.labels = sorted({clip.label for clip in clips})


def _read_notes(path: Path) -> dict[str, Any]:
    notes = read_json(path)
    if not isinstance(notes, dict):
        raise InputError(f"{path} holds no notes by clip")
    return notes


def _written(note: dict[str, Any]) -> str:
    """Title and description as one caption; empty where nothing is left of them."""
    title = _ENDING.sub("", _tidy(str(note.get("title") or ""))).replace("_", " ").strip(" .")
    parts = (title, _tidy(str(note.get("description") or "")))
    return " ".join(". ".join(part for part in parts if part).split()[:WORDS])


def _tidy(text: str) -> str:
    """Without markup, addresses and breaks."""
    return " ".join(_ADDRESS.sub(" ", html.unescape(_MARKUP.sub(" ", text))).split())
