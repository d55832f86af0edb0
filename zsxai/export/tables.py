"""Tables for programs: CSV, JSON, and a data frame, of the same columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from zsxai.errors import MissingExtraError
from zsxai.export.event import Event, cell, columns
from zsxai.written import as_csv


def csv_text(events: Sequence[Event]) -> str:
    """A row an event, under a line of names."""
    names = columns(events)
    return as_csv([names, *([cell(event.row().get(name)) for name in names] for event in events)])


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
