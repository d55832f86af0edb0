"""The index of a folder of concept explanations: a row per recording, linked to its page."""

from __future__ import annotations

from collections.abc import Sequence

from zsxai import __version__
from zsxai.show.templates import read, render_page


def index_html(name: str, rows: Sequence[tuple[str, str, float, str]], skipped: Sequence[str] = ()) -> str:
    """The page.

    Args:
        name: Of the folder.
        rows: Recording, address of its page, how much its words say, and its strongest concepts in words.
        skipped: Why other recordings were passed over.
    """
    return render_page(
        "concepts_index.html",
        f"What is heard in {name}, in words",
        style=read("concepts.css"),
        name=name,
        rows=rows,
        skipped=skipped,
        caption=f"{len(rows)} recordings: how much of what the model hears the words say, and the strongest concepts",
        version=__version__,
    )
