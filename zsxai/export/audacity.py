"""Label tracks of Audacity: https://manual.audacityteam.org/man/importing_and_exporting_labels.html."""

from __future__ import annotations

from collections.abc import Sequence

from zsxai.export.event import Event, format_number, one_line


def format_audacity(events: Sequence[Event]) -> str:
    """A label track; bands stand in second lines, as its spectral selections do.

    Labels have no escapes: tabs and breaks of lines are spaces.
    """
    return "".join(map(_label, events))


def _label(event: Event) -> str:
    line = f"{format_number(event.start)}\t{format_number(event.stop)}\t{one_line(event.label)}\n"
    if event.low is None or event.high is None:
        return line
    return f"{line}\\\t{format_number(event.low)}\t{format_number(event.high)}\n"
