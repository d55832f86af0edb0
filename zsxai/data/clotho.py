"""Clotho in its official layout: sounds of Freesound, five captions each.

K. Drossos, S. Lipping, T. Virtanen, "Clotho: an Audio Captioning Dataset", ICASSP 2020.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from zsxai.data.checks import Reader, complete, existing_folder, read_table
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError

SPLITS = ("development", "validation", "evaluation")
_CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))


class Clotho(Reader):
    """Clips of one split of Clotho, in the order of the file names; labelled by the first of the five captions.

    Each file counts as a recording of its own: its name without the ending is the source.

    Args:
        root: Folder with ``clotho_captions_<split>.csv`` and ``<split>/``, as the archive unpacks; or with the table in
            ``clotho_csv_files/`` and the audio in ``clotho_audio_files/<split>/``, as many programs sort them.
        split: ``development``, ``validation`` or ``evaluation``.

    Raises:
        InputError: If the layout is not found, a caption is empty, or files are missing.
    """

    def __init__(
        self, root: str | Path, split: Literal["development", "validation", "evaluation"] = "development"
    ) -> None:
        if split not in SPLITS:
            raise InputError(f"split is {', '.join(map(repr, SPLITS[:-1]))} or {SPLITS[-1]!r}, not {split!r}")
        self.root = existing_folder(root, "Clotho")
        tables = [self.root / folder / f"clotho_captions_{split}.csv" for folder in ("", "clotho_csv_files")]
        table = next((t for t in tables if t.is_file()), None)
        if table is None:
            raise InputError(f"no Clotho at {self.root}: looked for {' and '.join(map(str, tables))}")
        folders = [self.root / split, self.root / "clotho_audio_files" / split]
        audio = next((folder for folder in folders if folder.is_dir()), folders[0])
        clips = []
        for row in sorted(read_table(table, ("file_name", *_CAPTIONS)), key=lambda row: row["file_name"]):
            name, captions = row["file_name"], tuple(row[column].strip() for column in _CAPTIONS)
            clips.append(LabelledClip(name, captions[0], Path(name).stem, path=audio / name, captions=captions))
        self.clips = complete(clips, f"Clotho ({split}) at {self.root}")
        self.labels = sorted({clip.label for clip in clips})
