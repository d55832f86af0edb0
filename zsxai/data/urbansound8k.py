"""UrbanSound8K in its official layout.

J. Salamon, C. Jacoby, J. P. Bello, "A Dataset and Taxonomy for Urban Sound Research", ACM Multimedia 2014.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from zsxai.data.checks import Reader, complete, existing_folder, in_folds, read_table, whole_number
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError


class UrbanSound8K(Reader):
    """Clips of UrbanSound8K, in the order of the file names.

    A clip's source is the Freesound recording that it was cut from (``fsID``).

    Args:
        root: Folder with ``metadata/UrbanSound8K.csv`` and ``audio/fold<N>/``.
        folds: Folds to keep; all by default. Classes stay all.
        labels: ``words`` ("air conditioner"), or ``as-written`` ("air_conditioner"), as published prompts have them.

    Raises:
        InputError: If the layout is not found, or the table or the files are incomplete.
    """

    def __init__(
        self,
        root: str | Path,
        folds: Collection[int] | None = None,
        labels: Literal["words", "as-written"] = "words",
    ) -> None:
        if labels not in ("words", "as-written"):
            raise InputError(f"labels is 'words' or 'as-written', not {labels!r}")
        self.root = existing_folder(root, "UrbanSound8K")
        table = self.root / "metadata" / "UrbanSound8K.csv"
        if not table.is_file():
            raise InputError(f"no UrbanSound8K at {self.root}: looked for {table} and {self.root / 'audio' / 'fold1'}")
        rows = read_table(table, ("slice_file_name", "fsID", "fold", "class"))
        clips = [
            LabelledClip(
                name=row["slice_file_name"],
                label=row["class"].replace("_", " ") if labels == "words" else row["class"],
                source=row["fsID"],
                fold=whole_number(row["fold"], "fold", table),
                path=self.root / "audio" / f"fold{row['fold']}" / row["slice_file_name"],
            )
            for row in sorted(rows, key=lambda row: row["slice_file_name"])
        ]
        what = f"UrbanSound8K at {self.root}"
        self.clips = complete(in_folds(clips, folds, what), what)
        self.labels = sorted({clip.label for clip in clips})
