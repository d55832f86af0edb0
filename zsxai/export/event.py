"""What other tools are given: stretches of recordings, with a label."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from pydantic import Field

from zsxai.errors import InputError
from zsxai.files import as_path, whole_file
from zsxai.names import printable
from zsxai.value import Value

if TYPE_CHECKING:
    from zsxai.explanation import Explanation

Cell = str | bool | int | float | None


class Event(Value):
    """A stretch of a recording, in a band where it has one.

    Attributes:
        start: Seconds.
        stop: Seconds.
        label: What is heard there: the prompt.
        low: Hertz; None where the whole band is meant.
        high: Hertz; None where the whole band is meant.
        file: Name of the recording.
        extra: What else is known of it, by name: further columns of tables.
    """

    start: float
    stop: float
    label: str
    low: float | None = None
    high: float | None = None
    file: str = ""
    extra: dict[str, Cell] = Field(default_factory=dict)

    def row(self) -> dict[str, Cell]:
        """The event as a row of a table: names of columns, and values."""
        band = {"low_hz": self.low, "high_hz": self.high}
        return {
            "file": self.file,
            "start_s": self.start,
            "stop_s": self.stop,
            **band,
            "label": self.label,
            **self.extra,
        }


Source: TypeAlias = "Explanation | Event | Iterable[Explanation | Event]"
"""What can be exported: explanations, for their regions; events; or many of either."""


def events_of(source: Source, count: int | None = None) -> list[Event]:
    """The events of what is exported, in its order.

    Args:
        source: An explanation, an event, or many of either.
        count: Regions of each explanation, those that keep most energy; all but specks where None.

    Raises:
        InputError: If the number is below 1.
    """
    if count is not None and count < 1:
        raise InputError(f"count is how many regions an explanation gives, 1 or more, not {count}")
    each = [source] if isinstance(source, Value) else source
    return [event for one in each for event in ([one] if isinstance(one, Event) else _regions(one, count))]


def _regions(e: Explanation, count: int | None) -> Iterator[Event]:
    made = e.provenance
    about: dict[str, Cell] = {"score": e.score, "unit": e.unit, "explainer": made.explainer, "model": made.model}
    about["verdict"] = None if e.verdict is None else e.verdict.level
    for r in e.regions(sys.maxsize if count is None else count):
        yield Event(
            start=r.start,
            stop=r.stop,
            label=e.prompt,
            low=r.low,
            high=r.high,
            file=made.audio_name,
            extra={"share": r.share, "under_db": r.under_db, **about},
        )


def list_columns(events: Sequence[Event]) -> list[str]:
    """Names of all columns that the events need, in the order in which they come up."""
    return list(dict.fromkeys(name for event in events or [Event(start=0, stop=0, label="")] for name in event.row()))


def format_number(value: float) -> str:
    """A number with every digit it has and no more, never with an exponent."""
    return np.format_float_positional(value, trim="-")


def format_cell(value: Cell) -> str:
    """A value as text; nothing for what is not known."""
    if value is None:
        return ""
    return format_number(value) if isinstance(value, float) else str(value)


_BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")


def one_line(text: str) -> str:
    """A text for formats that have no escapes: tabs and breaks of lines are spaces."""
    return printable(_BREAKS.sub(" ", text))


def save_text(text: str, path: object) -> str:
    """Write a text where a path is given; returns the text."""
    if path is not None:
        with whole_file(as_path(path)) as draft:
            draft.write_bytes(text.encode("utf-8"))  # the same on every system: what a break of lines is, is the form's
    return text
