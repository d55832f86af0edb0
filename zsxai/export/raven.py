"""Selection tables of Raven: https://www.ravensoundsoftware.com/knowledge-base/."""

from __future__ import annotations

from collections.abc import Sequence

from zsxai.export.event import Cell, Event, format_cell, list_columns, one_line

_NAMES = {
    "start_s": "Begin Time (s)",
    "stop_s": "End Time (s)",
    "low_hz": "Low Freq (Hz)",
    "high_hz": "High Freq (Hz)",
    "label": "Annotation",
    "under_db": "Under dB",
    "file": "Begin File",
}


def format_raven(events: Sequence[Event]) -> str:
    """A selection table: what Raven needs first, then the prompt as Annotation, then whatever else is known.

    Raven's tables have no escapes: tabs and breaks of lines are spaces, double quotes single ones.
    """
    first = ["start_s", "stop_s", "low_hz", "high_hz", "label"]
    names = [*first, *(name for name in list_columns(events) if name not in first)]
    titles = [_NAMES.get(name, name.replace("_", " ").capitalize()) for name in names]
    lines = [["Selection", "View", "Channel", *map(_text, titles)]]
    for index, event in enumerate(events, 1):
        row = event.row()
        lines.append([str(index), "Spectrogram 1", "1", *(_text(row.get(name)) for name in names)])
    return "".join("\t".join(line) + "\n" for line in lines)


def _text(value: Cell) -> str:
    return one_line(format_cell(value)).replace('"', "'")
