"""WebVTT, which players show over a recording or a film: https://www.w3.org/TR/webvtt1/."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from zsxai.export.event import Event, format_number, one_line


def format_vtt(events: Sequence[Event]) -> str:
    """Captions in the order of time; they count in milliseconds."""
    cues = [f"\n{_cue(event)}\n" for event in sorted(events, key=lambda e: (e.start, e.stop))]
    return "WEBVTT\n" + "".join(cues)


def _cue(event: Event) -> str:
    start = round(1000 * event.start)
    stop = max(round(1000 * event.stop), start + 1)  # what has no length is not shown
    band = ""
    if event.low is not None and event.high is not None:
        band = f" ({format_number(event.low)}-{format_number(event.high)} Hz)"
    label = escape(one_line(event.label), quote=False)
    return f"{_clock(start)} --> {_clock(stop)}\n{label}{band}"


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{rest:03}"
