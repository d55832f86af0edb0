"""Explanations for other tools: regions for Raven, Audacity, spreadsheets and players, masks and sound as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zsxai.export.arrays import to_flac, to_npz, to_png, to_safetensors, to_wav
from zsxai.export.audacity import format_audacity
from zsxai.export.event import Event, Source, events_of, save_text
from zsxai.export.raven import format_raven
from zsxai.export.tables import format_csv, format_json, make_frame
from zsxai.export.vtt import format_vtt

__all__ = [
    "Event",
    "events_of",
    "to_audacity",
    "to_csv",
    "to_flac",
    "to_frame",
    "to_json",
    "to_npz",
    "to_png",
    "to_raven",
    "to_safetensors",
    "to_vtt",
    "to_wav",
]


def to_raven(source: Source, path: str | Path | None = None, count: int | None = None) -> str:
    """A selection table for Raven: seconds, hertz, the prompt as Annotation, and what else is known.

    Args:
        source: An explanation, for its regions; an :class:`Event`; or many of either.
        path: Where to write it, whole or not at all; a file there is replaced. Raven looks for
            ``<recording>.Table.1.selections.txt``.
        count: Regions of each explanation, those that keep most energy; all but specks where None.

    Returns:
        The text.

    Raises:
        InputError: If ``count`` is below 1, or the file cannot be written.
    """
    return save_text(format_raven(events_of(source, count)), path)


def to_audacity(source: Source, path: str | Path | None = None, count: int | None = None) -> str:
    """A label track for Audacity, with bands as spectral selections; see :func:`to_raven`."""
    return save_text(format_audacity(events_of(source, count)), path)


def to_csv(source: Source, path: str | Path | None = None, count: int | None = None) -> str:
    """A table as CSV; see :func:`to_raven`."""
    return save_text(format_csv(events_of(source, count)), path)


def to_json(source: Source, path: str | Path | None = None, count: int | None = None) -> str:
    """A list of objects as JSON; see :func:`to_raven`."""
    return save_text(format_json(events_of(source, count)), path)


def to_vtt(source: Source, path: str | Path | None = None, count: int | None = None) -> str:
    """Captions as WebVTT, to the millisecond; see :func:`to_raven`."""
    return save_text(format_vtt(events_of(source, count)), path)


def to_frame(source: Source, count: int | None = None) -> Any:
    """The table as a ``pandas.DataFrame``; see :func:`to_raven`.

    Raises:
        MissingExtraError: If pandas is not installed.
    """
    return make_frame(events_of(source, count))
