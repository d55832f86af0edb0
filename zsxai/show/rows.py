"""The page of a run over many recordings: a row each, with a small picture, to sort and to filter."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
from PIL import Image

from zsxai import __version__
from zsxai.show.raster import paint, raster
from zsxai.show.templates import read, render_page

if TYPE_CHECKING:
    from zsxai.batch.row import Row
    from zsxai.explanation import Explanation

COLUMNS, ROWS = 180, 56
"""Pixels of a small picture at most along time, and along frequency."""
QUALITY = 60
"""Of its JPEG: about 3 kB, so that a page of a thousand opens at once."""


@dataclass(frozen=True)
class Line:
    """A row on the page.

    Attributes:
        row: The row.
        picture: Its small picture as a data URI.
        href: Address of its own page; empty where there is none.
    """

    row: Row
    picture: str
    href: str


def thumbnail(explanation: Explanation) -> bytes:
    """A small picture of an explanation, JPEG."""
    from zsxai.show.page import dimmed

    picture = raster(explanation, COLUMNS)
    pixels = paint(picture.level(), picture.worn(dimmed=bool(dimmed(explanation))))[::-1]
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize((pixels.shape[1], ROWS), Image.Resampling.BOX)
    image.save(file, format="JPEG", quality=QUALITY)
    return file.getvalue()


def rows_html(name: str, rows: Sequence[tuple[Row, str]], failures: Mapping[str, str]) -> str:
    """The page.

    Args:
        name: Name of the run.
        rows: Rows, each with its small picture, JPEG in base64.
        failures: Why other recordings were not explained, by name.
    """
    lines = [
        Line(row, f"data:image/jpeg;base64,{picture}", "" if row.folder is None else f"{quote(row.folder)}/index.html")
        for row, picture in rows
    ]
    return render_page(
        "rows.html",
        f"{name}: recordings explained",
        style=read("sort.css") + read("rows.css"),
        script=read("sort.js") + read("rows.js"),
        name=name,
        lines=lines,
        prompts=list(Counter(row.prompt for row, _ in rows)),
        verdicts=list(Counter(row.verdict for row, _ in rows if row.verdict)),
        recordings=len({row.file for row, _ in rows}),
        failures=[f"{file}: {reason}" for file, reason in failures.items()],
        version=__version__,
    )
