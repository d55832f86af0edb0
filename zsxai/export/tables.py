"""Tables for programs: CSV, JSON, and a data frame, of the same columns."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from zsxai.errors import MissingExtraError
from zsxai.export.event import Event, cell, columns


def csv_text(events: Sequence[Event]) -> str:
    """A row an event, under a line of names; quoted as RFC 4180 has it, but for lines that end in a line feed."""
    names = columns(events)
    return "".join(map(_line, [names, *([cell(event.row().get(name)) for name in names] for event in events)]))


def _line(values: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)  # it quotes what its own end of line is made of, carriage returns among it
    return line.getvalue().removesuffix("\r\n") + "\n"


def json_text(events: Sequence[Event]) -> str:
    """A list of objects."""
    return json.dumps([event.row() for event in events], indent=2) + "\n"


def frame(events: Sequence[Event]) -> Any:
    """A ``pandas.DataFrame``.

    Raises:
        MissingExtraError: If pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise MissingExtraError("a data frame needs pandas: pip install 'zsxai[bench]', or use to_csv") from error
    return pd.DataFrame([event.row() for event in events], columns=columns(events))
