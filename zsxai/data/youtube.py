"""Names under which clips of YouTube videos lie on disk: every download script has its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zsxai.data.folder import ENDINGS
from zsxai.errors import InputError


def audio_files(folder: Path) -> dict[str, Path]:
    """By name without ending; of two with one name the ending that stands first in the list of endings."""
    files = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS]
    return {path.stem: path for path in sorted(files, key=lambda p: (-ENDINGS.index(p.suffix.lower()), p.name))}


def find_audio(files: Mapping[str, Path], video: str, start: str, end: str | None = None) -> Path | None:
    """The file of a clip, called by its video, or by video and times; a ``Y`` may stand before it.

    ``<video>``, ``<video>_<start>`` or ``<video>_<start>_<end>``, with times in seconds as they are written in the
    table or as short as they can be (``30.000``, ``30``), or the start in milliseconds (``30000``).

    Args:
        files: From :func:`audio_files`.
        video: YouTube id.
        start: Seconds, as the table writes them.
        end: Likewise.

    Raises:
        InputError: If a time is no number.
    """
    named = ["", f"_{start}", f"_{_seconds(start):g}", f"_{round(1000 * _seconds(start))}"]
    if end is not None:
        named += [f"_{start}_{end}", f"_{_seconds(start):g}_{_seconds(end):g}"]
    stems = (f"{letter}{video}{times}" for times in named for letter in ("", "Y"))
    return next((files[stem] for stem in stems if stem in files), None)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"start and end of a clip are seconds, not {text!r}") from error
