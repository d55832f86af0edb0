"""ESC-50 recordings: the official layout and a flat folder with ``metadata.csv``.

K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zsxai.errors import InputError


@dataclass(frozen=True)
class LabelledClip:
    """One clip of a data set.

    Attributes:
        path: The audio file.
        label: Class name in words ("church bells").
        fold: Cross-validation fold, from 1.
        source: Id of the recording that the clip was cut from: the unit that intervals are drawn over.
    """

    path: Path
    label: str
    fold: int
    source: str


class ESC50:
    """Clips of ESC-50, in the order of the file names.

    Args:
        root: Either the official layout (``meta/esc50.csv`` and ``audio/*.wav``) or a folder with ``metadata.csv``
            and ``audio/``, both with the columns filename, fold and category.
        folds: Folds to keep; all by default.

    Raises:
        InputError: If neither layout is found, naming what was looked for.
    """

    def __init__(self, root: str | Path, folds: Sequence[int] | None = None) -> None:
        self.root = Path(root)
        tables = [self.root / "meta" / "esc50.csv", self.root / "metadata.csv"]
        table = next((t for t in tables if t.is_file()), None)
        if table is None:
            raise InputError(f"no ESC-50 at {self.root}: looked for {' and '.join(str(t) for t in tables)}")
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        wanted = None if folds is None else set(folds)
        self.clips = [
            LabelledClip(
                path=self.root / "audio" / row["filename"],
                label=row["category"].replace("_", " "),
                fold=int(row["fold"]),
                source=row["filename"].split("-")[1],
            )
            for row in sorted(rows, key=lambda r: r["filename"])
            if wanted is None or int(row["fold"]) in wanted
        ]
        self.labels = sorted({row["category"].replace("_", " ") for row in rows})

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[LabelledClip]:
        return iter(self.clips)
