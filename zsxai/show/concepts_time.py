"""Words over time on the page of a concept explanation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zsxai.show.html import Html, data_uri, per_cent, signed, tag, untrusted
from zsxai.show.over_time import OverTime, choose_rows
from zsxai.show.page import WINDOWS
from zsxai.show.parts import table, time_axis
from zsxai.show.raster import colours, plain_png

if TYPE_CHECKING:
    from zsxai.concepts.explanation import ConceptExplanation, ConceptWindow

NAMED = 8
"""Words that a line names, before it counts the others."""
_COLUMNS = 600


def read_style() -> str:
    """Rules of pages of concepts, beside those that all pages share."""
    return (Path(__file__).parent / "concepts.css").read_text(encoding="utf-8")


def time_section(e: ConceptExplanation) -> Html:
    """Strips of at most 16 concepts, and a table of at most 200 windows; nothing where there are no windows."""
    if not e.windows:
        return Html()
    shown = choose_rows(e)
    length = max(w.stop - w.start for w in e.windows)
    said = (
        f"The same decomposition in {len(e.windows)} windows of {length:.2f} s, which overlap. Black: not said. "
        f"Brightest: {signed(shown.peak)}."
    )
    strips = [_strip(shown, row, e) for row in range(len(shown.rows))]
    if 0 < shown.whole < len(strips):
        strips.insert(shown.whole, tag("p", "Only for a while, and not in the whole:", class_="quiet small"))
    strips.append(tag("div", tag("span"), tag("div", time_axis(e.seconds), class_="picture-x"), class_="strip axis"))
    picture_of_words = tag("div", *strips, class_="strips") if shown.rows else tag("p", "No window says a word.")
    return tag(
        "section",
        tag("h2", "Words over time"),
        tag("p", said, class_="quiet small"),
        picture_of_words,
        tag("details", tag("summary", "Window by window"), _windows(e), class_="gap"),
    )


def _strip(shown: OverTime, row: int, e: ConceptExplanation) -> Html:
    """A row of the picture: a word and its weights, with a cursor that moves with the players."""
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
    return tag(
        "div",
        tag("span", untrusted(name), class_="small"),
        tag(
            "div",
            tag("img", src=data_uri("image/png", plain_png(level[None], palette)), alt=f"{name}: {where}"),
            tag("div", class_="cursor", data_cursor=True, hidden=True),
            class_="plane",
            data_seconds=f"{e.seconds:.6f}",
        ),
        class_="strip",
    )


def _windows(e: ConceptExplanation) -> Html:
    shown = sorted(sorted(e.windows, key=lambda w: -w.cosine)[:WINDOWS], key=lambda w: w.start)
    caption = f"{len(e.windows)} windows: how much the words say of each, and which"
    if len(shown) < len(e.windows):
        caption += f"; the {len(shown)} of which they say most are shown"
    return table(caption, ("window", "said", "words"), [_window_row(w) for w in shown])


def _window_row(window: ConceptWindow) -> tuple[object, ...]:
    words = [f"{word} {signed(weight)}" for word, weight in list(window.words.items())[:NAMED]]
    more = f" and {len(window.words) - NAMED} more" if len(window.words) > NAMED else ""
    text = untrusted((", ".join(words) or "nothing") + more)
    return f"{window.start:.2f}-{window.stop:.2f} s", per_cent(window.cosine**2), tag("td", text, class_="text")
