"""Words over time on the page of a concept explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsxai.show.over_time import OverTime, choose_rows
from zsxai.show.parts import Tick, time_ticks
from zsxai.show.raster import colours, plain_png
from zsxai.written import data_uri, per_cent, signed

if TYPE_CHECKING:
    from zsxai.concepts.explanation import ConceptExplanation, ConceptWindow

WINDOWS = 200
"""Rows of the table of windows at most; of a longer recording those of which words say most are shown."""
NAMED = 8
"""Words that a line names, before it counts the others."""
_COLUMNS = 600


@dataclass(frozen=True)
class TimeStrip:
    """A word and its weights over time: name, picture as a data URI, the picture in words."""

    name: str
    source: str
    alt: str


@dataclass(frozen=True)
class TimeView:
    """Words over time.

    Attributes:
        said: How they were found.
        seconds: Length of the recording.
        strips: At most 16 rows: concepts of the whole, then passing ones.
        passing: Place of the first passing one; -1 where all are of one kind.
        ticks: Seconds under them.
        windows: Caption and rows of a table of at most 200 windows.
    """

    said: str
    seconds: float
    strips: Sequence[TimeStrip]
    passing: int
    ticks: Sequence[Tick]
    windows: dict[str, object]


def view_time(e: ConceptExplanation) -> TimeView | None:
    """What the page shows of the windows; None where there are none."""
    if not e.windows:
        return None
    shown = choose_rows(e)
    length = max(w.stop - w.start for w in e.windows)
    return TimeView(
        said=(
            f"The same decomposition in {len(e.windows)} windows of {length:.2f} s, which overlap. Black: not said. "
            f"Brightest: {signed(shown.peak)}."
        ),
        seconds=e.seconds,
        strips=[_strip(shown, row, e) for row in range(len(shown.rows))],
        passing=shown.whole if 0 < shown.whole < len(shown.rows) else -1,
        ticks=time_ticks(e.seconds),
        windows=_windows(e),
    )


def _strip(shown: OverTime, row: int, e: ConceptExplanation) -> TimeStrip:
    weights, name = shown.weights[row], shown.rows[row].name
    starts = np.linspace(0.0, e.seconds, _COLUMNS, endpoint=False)
    first = np.clip(np.searchsorted(shown.edges, starts, side="right") - 1, 0, len(weights) - 1)
    pixels = np.maximum.reduceat(weights, first) / (shown.peak or 1.0)
    # However little is said, it does not look like nothing.
    level = np.where(pixels > 0, np.maximum(pixels, 1 / 255), 0.0)
    palette = colours().copy()
    palette[0] = 0
    best = int(weights.argmax())
    window = e.windows[best]
    where = (
        f"up to {signed(weights[best])}, at {window.start:.1f}-{window.stop:.1f} s" if weights[best] else "in no window"
    )
    return TimeStrip(name, data_uri("image/png", plain_png(level[None], palette)), f"{name}: {where}")


def _windows(e: ConceptExplanation) -> dict[str, object]:
    shown = sorted(sorted(e.windows, key=lambda w: -w.cosine)[:WINDOWS], key=lambda w: w.start)
    caption = f"{len(e.windows)} windows: how much the words say of each, and which"
    if len(shown) < len(e.windows):
        caption += f"; the {len(shown)} of which they say most are shown"
    return {"caption": caption, "rows": [_window_row(w) for w in shown]}


def _window_row(window: ConceptWindow) -> tuple[object, ...]:
    words = [f"{word} {signed(weight)}" for word, weight in list(window.words.items())[:NAMED]]
    more = f" and {len(window.words) - NAMED} more" if len(window.words) > NAMED else ""
    text = {"text": (", ".join(words) or "nothing") + more, "class": "text"}
    return f"{window.start:.2f}-{window.stop:.2f} s", per_cent(window.cosine**2), text
