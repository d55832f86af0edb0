"""Sets of recordings in words, as a page: averages as bars with intervals, and how sets differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsxai.concepts.compare import Averages, ConceptAverage, Differences, interval_text
from zsxai.show.parts import Axis
from zsxai.show.templates import render_page

if TYPE_CHECKING:
    from zsxai.concepts.sets import FolderConcepts

CONCEPTS, ROWS, LEVEL = 8, 12, 0.05
"""Bars of a set and rows of a comparison at most; corrected p value up to which a row is marked."""


@dataclass(frozen=True)
class AverageBar:
    """The average weight of a concept: its name, its other words, mean, ends of the interval, and all that in words."""

    name: str
    others: str
    mean: float
    low: float | None
    high: float | None
    where: str


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
    tops = [c.mean if c.high is None else c.high for a in found.averages for c in a.concepts]
    return render_page(
        "concept_sets.html",
        title,
        facts=[("", fact) for fact in facts],
        skipped=[f"{clip.name}: {clip.error}" for clip in found.skipped],
        sets=[_set(averages) for averages in found.averages],
        axis=Axis(0.0, max(tops, default=1.0)),
        differences=[_differences(differences) for differences in found.differences],
        made=[
            ("Model", f"{found.model} ({str(found.weights_sha256)[:12]})"),
            ("Vocabulary", f"{found.vocabulary} ({found.vocabulary_sha256[:12]})"),
            ("Centring", _centring(found.centring)),
            ("Versions", ", ".join(f"{name} {version}" for name, version in found.versions.items())),
        ],
        version=found.versions.get("zsxai", ""),
    )


def _centring(card: Mapping[str, Any]) -> str:
    if card["kind"] == "none":
        return "none"
    return f"{card['kind']} of {card['data']} ({card['sha256'][:12]})"


def _set(found: Averages) -> dict[str, object]:
    clips = "" if found.clips == found.recordings else f" ({found.clips} clips)"
    return {
        "label": found.label,
        "said": f"Mean weight over {found.recordings} recordings{clips}, 95 % interval.",
        "bars": [_bar(c) for c in found.concepts[:CONCEPTS]],
        "more": max(0, len(found.concepts) - CONCEPTS),
    }


def _bar(concept: ConceptAverage) -> AverageBar:
    others = "" if concept.words == (concept.name,) else ", ".join(concept.words)
    where = f"in {concept.recordings}; {interval_text(concept.low, concept.high)}"
    return AverageBar(concept.name, others, concept.mean, concept.low, concept.high, where)


def _differences(found: Differences) -> dict[str, object]:
    said = (
        f"{found.recordings[0]} and {found.recordings[1]} recordings{', paired' if found.paired else ''}. "
        f"Two-sided, {found.test}; p values corrected by Holm over the {found.tested} concepts that {found.least} "
        f"recordings or more use, not over several comparisons. Too few use {found.untested} more."
    )
    if found.left_out:
        said += f" Recordings left out: {found.left_out}."
    rows = [
        (
            c.name,
            f"{c.first:.3f}",
            f"{c.second:.3f}",
            {"text": _minus(f"{c.difference:+.3f}"), "class": "here" if c.corrected <= LEVEL else None},
            _minus(interval_text(c.low, c.high)),
            f"{c.corrected:.2g}",
        )
        for c in found.concepts[:ROWS]
    ]
    return {
        "title": f"How {found.first} and {found.second} differ",
        "said": said,
        "caption": f"The surest first; coloured up to p = {LEVEL:g}",
        "head": ("concept", found.first, found.second, "difference", "95 % interval", "p, corrected"),
        "rows": rows,
    }


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
