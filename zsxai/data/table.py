"""Any collection, listed in a CSV file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from zsxai.data.checks import Reader, complete, in_folds, read_table, whole_number
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError


class Table(Reader):
    """Clips in the order of a CSV file's lines.

    Columns: ``path`` (relative to the CSV file, or absolute), and ``label`` or ``caption``, taken as written. Optional:
    ``source`` (the recording that the clip was cut from; else the path), ``fold`` (else 0), ``name`` (else the path).

    Args:
        root: The CSV file.
        folds: Folds to keep; all by default. Classes stay all.

    Raises:
        InputError: If the table or the files are incomplete.
    """

    def __init__(self, root: str | Path, folds: Collection[int] | None = None) -> None:
        table = Path(root)
        if not table.is_file():
            raise InputError(f"no CSV file at {table}: " + ("that is a folder" if table.is_dir() else "no such file"))
        rows = read_table(table, ("path",))
        text = next((c for c in ("label", "caption") if c in rows[0]), None)
        if text is None:
            raise InputError(f"{table} lacks the column 'label' or 'caption': it has {', '.join(rows[0])}")
        if "label" in rows[0] and "caption" in rows[0]:
            raise InputError(f"{table} has the columns 'label' and 'caption': leave one out")
        clips = [
            LabelledClip(
                name=row.get("name") or row["path"],
                label=_filled(row[text], text, row["path"], table),
                source=row.get("source") or row["path"],
                fold=whole_number(row["fold"], "fold", table) if row.get("fold") else 0,
                path=table.parent / row["path"],
            )
            for row in rows
        ]
        self.clips = complete(in_folds(clips, folds, str(table)), str(table))
        self.labels = sorted({clip.label for clip in clips})


def _filled(text: str, column: str, path: str, table: Path) -> str:
    if not text.strip():
        raise InputError(f"{table}: the {column} of {path} is empty")
    return text.strip()
