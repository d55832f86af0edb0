"""The report of a run: one page that needs no server, no network and no other file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_report(folder: str | Path, *, audio: bool = True) -> Path:
    """Write ``report.html`` into the folder of a run.

    Args:
        folder: Folder of ``zsxai bench run``; finished or not.
        audio: Put players of the examples into the page. Leave them out where the page is published and the recordings
            may not be.

    Returns:
        The page.

    Raises:
        InputError: If the folder holds no run.
        MissingExtraError: If pandas is not installed.
    """
    from pathlib import Path

    from zsxai.benchmarks.analyse.result import Result
    from zsxai.benchmarks.report.page import render_page
    from zsxai.files import write_text
    from zsxai.places import write_command

    words = ["zsxai", "bench", "report", str(folder), *([] if audio else ["--no-audio"])]
    page = render_page(Result.load(folder), audio=audio, command=write_command(words))
    return write_text(Path(folder) / "report.html", page)


__all__ = ["write_report"]
