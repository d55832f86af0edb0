"""Sets of recordings in words, as a page: averages as bars with intervals, and how sets differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zsxai.concepts.compare import Averages, ConceptAverage, Differences, interval_text
from zsxai.show.html import Html, document, join, tag, untrusted
from zsxai.show.parts import definitions, table

if TYPE_CHECKING:
    from zsxai.concepts.sets import FolderConcepts

CONCEPTS, ROWS, LEVEL = 8, 12, 0.05
"""Bars of a set and rows of a comparison at most; corrected p value up to which a row is marked."""


def page_html(found: FolderConcepts) -> str:
    """The page of a folder: one file that loads nothing."""
    title = f"{found.title}: what {found.model} hears, in words"
    facts = (
        f"{len(found.clips)} recordings",
        f"{len(found.averages)} sets",
        f"vocabulary {found.vocabulary}",
        f"at most {found.k} words a recording" if found.k is not None else f"penalty {found.lam:g}",
        f"centring {found.centring['kind']}",
    )
    head = tag(
        "header",
        tag("p", "Concepts of sets of recordings", class_="eyebrow"),
        tag("h1", untrusted(title)),
        tag("ul", *(tag("li", untrusted(fact)) for fact in facts), class_="facts"),
    )
    left_out = [tag("li", untrusted(f"{clip.name}: {clip.error}")) for clip in found.skipped]
    passed = tag("section", tag("h2", "Passed over"), tag("ul", *left_out), class_="warnings") if left_out else Html()
    record = definitions(
        [
            ("Model", join(untrusted(found.model), f" ({str(found.weights_sha256)[:12]})")),
            ("Vocabulary", join(untrusted(found.vocabulary), f" ({found.vocabulary_sha256[:12]})")),
            ("Centring", untrusted(_centring(found.centring))),
            ("Versions", ", ".join(f"{name} {version}" for name, version in found.versions.items())),
        ]
    )
    footer = tag("footer", f"Written by zsxai {found.versions.get('zsxai', '')}. One file: it loads nothing.")
    made = tag("section", tag("h2", "How it was made"), record)
    body = tag("main", head, passed, sets_html(found.averages, found.differences), made, footer)
    return document(title, body)


def _centring(card: Mapping[str, Any]) -> str:
    if card["kind"] == "none":
        return "none"
    return f"{card['kind']} of {card['data']} ({card['sha256'][:12]})"


def sets_html(averages: Sequence[Averages], differences: Sequence[Differences] = ()) -> Html:
    """Sections of a page: the averages of every set, and the comparisons."""
    top = max((c.mean if c.high is None else c.high for a in averages for c in a.concepts), default=1.0)
    cards = [tag("section", tag("h2", untrusted(a.label)), *_averages(a, top)) for a in averages]
    return join(tag("div", *cards, class_="two"), *map(_differences, differences))


def _averages(found: Averages, top: float) -> tuple[Html, ...]:
    clips = "" if found.clips == found.recordings else f" ({found.clips} clips)"
    said = tag("p", f"Mean weight over {found.recordings} recordings{clips}, 95 % interval.", class_="quiet small")
    rest = len(found.concepts) - CONCEPTS
    more = tag("p", f"and {rest} more", class_="quiet small") if rest > 0 else Html()
    if not found.concepts:
        return (said, tag("p", "No words."))
    return said, tag("dl", *(_bar(c, top) for c in found.concepts[:CONCEPTS]), class_="bars"), more


def _bar(concept: ConceptAverage, top: float) -> Html:
    shapes = [
        tag("rect", class_="track", width="100%", height="100%", rx=3),
        tag("rect", class_="bar kept", width=_percent(concept.mean, top), height="100%"),
    ]
    if concept.low is not None and concept.high is not None:
        low, high = _percent(concept.low, top), _percent(concept.high, top)
        line = {"stroke": "currentColor", "stroke_width": 2}
        shapes.append(tag("line", x1=low, x2=high, y1=8, y2=8, **line))
        shapes += [tag("line", x1=x, x2=x, y1=3, y2=13, **line) for x in (low, high)]
    others = "" if concept.words == (concept.name,) else ", ".join(concept.words)
    where = f"in {concept.recordings}; {interval_text(concept.low, concept.high)}"
    return tag(
        "div",
        tag("dt", untrusted(concept.name), tag("span", untrusted(others)) if others else ""),
        tag("dd", tag("svg", *shapes, role="img", aria_label=f"{concept.mean:.3f} {where}")),
        tag("dd", f"{concept.mean:.3f}", class_="number", title=where),
    )


def _differences(found: Differences) -> Html:
    said = (
        f"{found.recordings[0]} and {found.recordings[1]} recordings{', paired' if found.paired else ''}. "
        f"Two-sided, {found.test}; p values corrected by Holm over the {found.tested} concepts that {found.least} "
        f"recordings or more use, not over several comparisons. Too few use {found.untested} more."
    )
    if found.left_out:
        said += f" Recordings left out: {found.left_out}."
    rows = [
        (
            untrusted(c.name),
            f"{c.first:.3f}",
            f"{c.second:.3f}",
            tag(
                "td",
                f"{c.difference:+.3f}".replace("-", "\N{MINUS SIGN}"),
                class_="here" if c.corrected <= LEVEL else "",
            ),
            interval_text(c.low, c.high).replace("-", "\N{MINUS SIGN}"),
            f"{c.corrected:.2g}",
        )
        for c in found.concepts[:ROWS]
    ]
    head = ("concept", found.first, found.second, "difference", "95 % interval", "p, corrected")
    caption = f"The surest first; coloured up to p = {LEVEL:g}"
    return tag(
        "section",
        tag("h2", untrusted(f"How {found.first} and {found.second} differ")),
        tag("p", said, class_="small"),
        table(caption, head, rows) if rows else tag("p", "No concept is used by so many recordings."),
    )


def _percent(value: float, top: float) -> str:
    return f"{100 * min(max(value / max(top, 1e-9), 0.0), 1.0):.2f}%"
