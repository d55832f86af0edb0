"""Writing a comparison as a folder: a page, the record, a table, and a folder for every explanation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from zsxai.files import as_path, listed_files, whole_folder
from zsxai.written import as_csv

if TYPE_CHECKING:
    from zsxai.comparison.comparison import Comparison

RECORD, TABLE, PAGE = "comparison.json", "table.csv", "index.html"
"""What a saved comparison holds beside the folders of its cells; the first marks it as one, and lists all files."""


def write_folder(comparison: Comparison, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write a comparison.

    Args:
        comparison: What to write.
        folder: Where; its parents are made.
        overwrite: Replace a folder that holds a saved comparison and nothing else, or nothing at all.

    Returns:
        The folder.

    Raises:
        InputError: If the folder exists and may not be replaced, or cannot be made.
    """
    from zsxai.show.comparison import page_html
    from zsxai.show.folder import write_files

    place = as_path(folder)
    with whole_folder(place, listed_files(place, RECORD), overwrite=overwrite) as draft:
        for number, cell in enumerate(comparison.cells, 1):
            if cell.explanation is not None:
                (draft / comparison.folder(number)).mkdir(parents=True)
                write_files(cell.explanation, draft / comparison.folder(number))
        (draft / PAGE).write_bytes(page_html(comparison, beside=True).encode())
        (draft / TABLE).write_bytes(table_csv(comparison).encode())
        files = sorted(path.relative_to(draft).as_posix() for path in draft.rglob("*") if path.is_file())
        text = json.dumps({**comparison.record(), "files": files}, indent=1, ensure_ascii=False, allow_nan=False)
        (draft / RECORD).write_bytes(f"{text}\n".encode())
    return place


def table_csv(comparison: Comparison) -> str:
    """A line for every cell; what has no figure is empty."""
    rows = list(comparison.rows())
    return as_csv([rows[0], *(row.values() for row in rows)])
