"""Tables for programs: CSV, JSON, and a data frame, of the same columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from zsxai.export.event import Event, format_cell, list_columns
from zsxai.extras import need
from zsxai.written import as_csv


def format_csv(events: Sequence[Event]) -> str:
    """A row an event, under a line of names."""
    names = list_columns(events)
    return as_csv([names, *([format_cell(event.row().get(name)) for name in names] for event in events)])


def format_json(events: Sequence[Event]) -> str:
    """A list of objects."""
    return json.dumps([event.row() for event in events], indent=2) + "\n"


def make_frame(events: Sequence[Event]) -> Any:
    """A ``pandas.DataFrame``.

    Raises:
        MissingExtraError: If pandas is not installed.
    """
    need("bench", "pandas")
    import pandas as pd

    return pd.DataFrame([event.row() for event in events], columns=list_columns(events))
