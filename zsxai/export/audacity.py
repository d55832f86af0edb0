"""Label tracks of Audacity: https://manual.audacityteam.org/man/importing_and_exporting_labels.html."""

from __future__ import annotations

from collections.abc import Sequence

from zsxai.export.event import Event, number, one_line


def audacity(events: Sequence[Event]) -> str:
    """A label track; bands stand in second lines, as its spectral selections do.

    Labels have no escapes: tabs and breaks of lines are spaces.
    """
    return "".join(map(_label, events))


def _label(event: Event) -> str:
    line = f"{number(event.start)}\t{number(event.stop)}\t{one_line(event.label)}\n"
    if event.low is None or event.high is None:
        return line
    return f"{line}\\\t{number(event.low)}\t{number(event.high)}\n"
