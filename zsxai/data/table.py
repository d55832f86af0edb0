"""Any collection, listed in a CSV file."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from pathlib import Path

from zsxai.data.checks import Reader, complete, existing_file, existing_folder, in_folds, read_table, whole_number
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError


class Table(Reader):
    """Clips in the order of a CSV file's lines.

    Columns: ``path`` (relative to the CSV file, or absolute), and ``label`` or ``caption``, taken as written. Optional:
    ``source`` (the recording that the clip was cut from; else the path), ``fold`` (else 0), ``name`` (else the path).
    Lines with one path and captions are one clip with several captions, labelled by the first.

    Args:
        root: The CSV file.
        folds: Folds to keep; all by default. Classes stay all.
        folder: Where the paths start; the folder of the CSV file where None.

    Raises:
        InputError: If the table or the files are incomplete.
    """

    def __init__(
        self, root: str | Path, folds: Collection[int] | None = None, folder: str | Path | None = None
    ) -> None:
        table = existing_file(root, "CSV file")
        start = table.parent if folder is None else existing_folder(folder, "folder of recordings")
        rows = read_table(table, ("path",))
        for row in rows:
            row["path"] = posixpath.normpath(row["path"])  # ./a.wav is a.wav
        text = next((c for c in ("label", "caption") if c in rows[0]), None)
        if text is None:
            raise InputError(f"{table} lacks the column 'label' or 'caption': it has {', '.join(rows[0])}")
        if "label" in rows[0] and "caption" in rows[0]:
            raise InputError(f"{table} has the columns 'label' and 'caption': leave one out")
        texts = [[_filled(row[text], text, row["path"], table)] for row in rows]
        if text == "caption":
            rows, texts = _one_each(rows, texts, table)
        clips = [
            LabelledClip(
                name=row.get("name") or row["path"],
                label=said[0],
                source=row.get("source") or row["path"],
                fold=whole_number(row["fold"], "fold", table) if row.get("fold") else 0,
                path=start / row["path"],
                captions=tuple(said) if text == "caption" else (),
            )
            for row, said in zip(rows, texts, strict=True)
        ]
        self.clips = complete(in_folds(clips, folds, str(table)), str(table))
        self.labels = sorted({clip.label for clip in clips})


def _filled(text: str, column: str, path: str, table: Path) -> str:
    if not text.strip():
        raise InputError(f"{table}: the {column} of {path} is empty")
    return text.strip()


def _one_each(
    rows: list[dict[str, str]], texts: list[list[str]], table: Path
) -> tuple[list[dict[str, str]], list[list[str]]]:
    """One row for every path, with all its captions; what a row leaves empty another may say."""
    found: dict[str, tuple[dict[str, str], list[str]]] = {}
    for row, said in zip(rows, texts, strict=True):
        first, captions = found.setdefault(row["path"], (dict(row), []))
        captions += said
        for column in ("name", "source", "fold"):
            here, before = row.get(column), first.get(column)
            if here and before and here != before:
                raise InputError(f"{table}: the lines of {row['path']} differ in {column}: {before!r} and {here!r}")
            if here:
                first[column] = here
    return [row for row, _ in found.values()], [captions for _, captions in found.values()]
