"""ESC-50 recordings: the official layout and a flat folder with ``metadata.csv``.

K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from zsxai.data.checks import (
    Reader,
    complete,
    existing_folder,
    in_folds,
    read_table,
    whole_number,
    without_recordings,
)
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError

SECONDS = 5.0
"""Length of a clip."""


class ESC50(Reader):
    """Clips of ESC-50, in the order of the file names, each cut to its five seconds.

    Args:
        root: Either the official layout (``meta/esc50.csv`` and ``audio/*.wav``) or a folder with ``metadata.csv``
            and ``audio/``, both with the columns filename, fold and category.
        folds: Folds to keep; all by default. Classes stay all.
        without: Recordings to leave out, by their Freesound ids. Two have clips in both of the folds 2 and 3: 131943
            and 134049.

    Raises:
        InputError: If neither layout is found, naming what was looked for; if the table or the files are incomplete; if
            there is no such fold or recording.
    """

    def __init__(
        self, root: str | Path, folds: Collection[int] | None = None, without: Collection[str | int] = ()
    ) -> None:
        self.root = existing_folder(root, "ESC-50")
        tables = [self.root / "meta" / "esc50.csv", self.root / "metadata.csv"]
        table = next((t for t in tables if t.is_file()), None)
        if table is None:
            raise InputError(f"no ESC-50 at {self.root}: looked for {' and '.join(str(t) for t in tables)}")
        rows = sorted(read_table(table, ("filename", "fold", "category")), key=lambda row: row["filename"])
        clips = [
            LabelledClip(
                name=row["filename"],
                label=row["category"].replace("_", " "),
                source=_recording(row["filename"], table),
                fold=whole_number(row["fold"], "fold", table),
                path=self.root / "audio" / row["filename"],
                seconds=SECONDS,
            )
            for row in rows
        ]
        what = f"ESC-50 at {self.root}"
        self.clips = complete(without_recordings(in_folds(clips, folds, what), without, what), what)
        self.labels = sorted({clip.label for clip in clips})


def _recording(filename: str, table: Path) -> str:
    parts = filename.split("-")
    if len(parts) != 4:
        raise InputError(f"{table}: {filename!r} is not named as ESC-50 is, <fold>-<recording>-<take>-<class>.<ending>")
    return parts[1]
