"""The index of a folder of concept explanations: a row per recording, linked to its page."""

from __future__ import annotations

from collections.abc import Sequence

from zsxai import __version__
from zsxai.show.concepts_time import read_style
from zsxai.show.html import Html, document, per_cent, tag, untrusted
from zsxai.show.page import ALONE
from zsxai.show.parts import table


def index_html(name: str, rows: Sequence[tuple[str, str, float, str]], skipped: Sequence[str] = ()) -> str:
    """The page.

    Args:
        name: Of the folder.
        rows: Recording, address of its page, how much its words say, and its strongest concepts in words.
        skipped: Why other recordings were passed over.
    """
    cells = [
        (tag("a", untrusted(recording), href=href), per_cent(said), tag("td", untrusted(words), class_="text"))
        for recording, href, said, words in rows
    ]
    notes = tag(
        "section",
        tag("h2", "Passed over"),
        tag("ul", *(tag("li", untrusted(reason)) for reason in skipped)),
        class_="warnings",
    )
    caption = f"{len(rows)} recordings: how much of what the model hears the words say, and the strongest concepts"
    main = tag(
        "main",
        tag("header", tag("p", "What does the model hear, in words?", class_="eyebrow"), tag("h1", untrusted(name))),
        notes if skipped else Html(),
        tag("section", table(caption, ("recording", "said", "concepts"), cells)),
        tag("footer", f"Written by zsxai {__version__}. {ALONE}"),
    )
    return document(f"What is heard in {name}, in words", main, style=read_style())
