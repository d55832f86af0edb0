"""An audit as a page: cues in words, a row for every class, clips that differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.auditing.rule import PREVALENT, RARE, SHARE, SHARED, STANDS_DB, TIMES
from zsxai.show.parts import Player
from zsxai.show.templates import read, render_page
from zsxai.spectral.front_end import hz_to_mel
from zsxai.written import data_uri, per_cent, signed

if TYPE_CHECKING:
    from zsxai.auditing.audit import Audit, ClassAudit, Cue, Curves, Mean, Outlier

WIDTH, HEIGHT = 240.0, 56.0
"""Units of a small picture."""


@dataclass(frozen=True)
class Small:
    """A small picture: a band of the interval, three lines, places of cues, its height, both ends, and it in words."""

    band: str
    evidence: str
    power: str
    level: str
    shaded: tuple[tuple[float, float], ...]
    top: float
    ends: tuple[str, str]
    alt: str


@dataclass(frozen=True)
class Figure:
    """A cell: as it is written, what it is sorted by where it has a figure, its interval in words."""

    text: str
    sort: float | None
    title: str = ""


@dataclass(frozen=True)
class Row:
    """A class."""

    label: str
    clips: int
    recordings: int
    hertz: Small | None
    time: Small | None
    figures: tuple[Figure, ...]
    named: tuple[str, ...]


def page_html(found: Audit, excerpts: Mapping[str, bytes]) -> str:
    """The page of an audit: one file that loads nothing.

    Args:
        found: The audit.
        excerpts: WAVs of clips by their names.
    """
    heads = ["score", "first 5 %", "last 5 %", "near-silence", "narrow band"]
    annotated = any(one.outside is not None for one in found.classes)
    heads += ["outside"] if annotated else []
    clips = sum(one.clips for one in found.classes)
    return render_page(
        "audit.html",
        f"Audit of {found.title}",
        style=read("sort.css") + read("audit.css"),
        script=read("sort.js"),
        name=found.title,
        facts=[
            ("", f"{len(found.classes)} classes"),
            ("", f"{clips} clips"),
            ("model", found.model),
            ("explainer", found.explainer),
            ("score:", found.unit),
        ],
        cues=[(str(cue), cue.drives) for cue in found.cues],
        skipped=[f"{clip.name}: {clip.error}" for clip in found.skipped],
        heads=heads,
        rows=[_row(one, found, annotated) for one in found.classes],
        outliers=[_outlier(outlier, excerpts) for one in found.classes for outlier in one.outliers],
        rule=_rule(),
        made=[
            ("Model", f"{found.model} ({str(found.weights_sha256)[:12]})"),
            ("Explainer", f"{found.explainer} {found.options}"),
            ("Template", ", ".join(found.template) or "none"),
            ("Annotations", found.annotations or "none"),
            ("Seed", str(found.seed)),
            ("Versions", ", ".join(f"{name} {version}" for name, version in found.versions.items())),
        ],
        version=found.versions.get("zsxai", ""),
    )


def _rule() -> str:
    return (
        f"Of the model a cue is named where a part of the sound holds {SHARE:.0%} of the evidence or more; that is "
        f"{TIMES:g} times what the part holds of the recordings' power, level and size, and {TIMES:g} times what it "
        f"holds in other classes; in {PREVALENT:.0%} of the recordings it is so; and the score falls without it, by "
        f"more than in other classes. Of the data it is named where {SHARED['tone']:.0%} of the recordings share a "
        f"steady narrow sound, or {SHARED['click']:.0%} a short one at the same moment, {STANDS_DB:g} dB above what is "
        f"beside it, and {RARE:.0%} at most of any other class have it. P values are corrected by Holm. Whether a cue "
        "is part of the sound that the class is named after, nobody but a listener can say."
    )


def _row(one: ClassAudit, found: Audit, annotated: bool) -> Row:
    band = one.cue("band")
    figures = [Figure(signed(one.score.mean), one.score.mean, _interval(one.score))]
    figures += [_part(one.start), _part(one.end), _part(one.silence)]
    figures.append(Figure("-", None) if band is None else Figure(f"{per_cent(band.share)} {band.place}", band.share))
    figures += [_part(one.outside)] if annotated else []
    edges = np.array(found.band_edges)
    places = hz_to_mel(edges)
    across = tuple(100.0 * (places - places[0]) / (places[-1] - places[0]))
    named = [cue for cue in one.cues if cue.named]
    low, high = edges[0], edges[-1]
    return Row(
        label=one.label,
        clips=one.clips,
        recordings=one.recordings,
        hertz=_small(
            one.hertz, across, [_on_hertz(c, edges, across) for c in named], (f"{low:.0f} Hz", f"{high:.0f} Hz")
        ),
        time=_small(
            one.time,
            tuple(np.linspace(0.0, 100.0, len(one.time.power.mean) + 1)),
            [_on_time(cue, one.seconds) for cue in named],
            ("0 s", f"{one.seconds:.1f} s"),
        ),
        figures=tuple(figures),
        named=tuple(str(cue.place) for cue in named),
    )


def _on_hertz(cue: Cue, edges: NDArray[Any], across: Sequence[float]) -> tuple[float, float] | None:
    if cue.place.kind not in ("band", "tone"):
        return None
    low, high = (float(np.interp(hertz, edges, across)) for hertz in (cue.place.low, cue.place.high))
    return low, high


def _on_time(cue: Cue, seconds: float) -> tuple[float, float] | None:
    place = cue.place
    if place.kind in ("start", "end"):
        return (0.0, 5.0) if place.kind == "start" else (95.0, 100.0)
    if place.kind != "click":
        return None
    first = place.start if place.start >= 0 else seconds + place.start
    return max(0.0, 100 * first / seconds - 0.5), 100 * (first + place.stop - place.start) / seconds + 0.5


def _small(
    curves: Curves, across: Sequence[float], shaded: Sequence[tuple[float, float] | None], ends: tuple[str, str]
) -> Small | None:
    if not curves.evidence.mean:
        return None
    # Power lies in few places, and leaves the picture at the top: it shall not flatten all else.
    top = 1.1 * max(*curves.evidence.mean, *curves.evidence.high, *curves.level.mean)
    middles = [(a + b) / 200 * WIDTH for a, b in pairwise(across)]

    def line(values: Sequence[float]) -> str:
        heights = [HEIGHT * (1 - min(value / top, 1.0)) for value in values]
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(middles, heights, strict=True))

    evidence = curves.evidence
    around = f"{line(evidence.high)} {' '.join(reversed(line(evidence.low).split()))}" if evidence.high else ""
    places = tuple((place[0] * WIDTH / 100, (place[1] - place[0]) * WIDTH / 100) for place in shaded if place)
    peak = int(np.argmax(evidence.mean))
    return Small(
        band=around,
        evidence=line(evidence.mean),
        power=line(curves.power.mean),
        level=line(curves.level.mean),
        shaded=places,
        top=top,
        ends=ends,
        alt=f"Share of the evidence, {ends[0]} to {ends[1]}: most, {per_cent(evidence.mean[peak])}, in part {peak + 1}",
    )


def _part(figure: Mean | None) -> Figure:
    return Figure("-", None) if figure is None else Figure(per_cent(figure.mean), figure.mean, _interval(figure))


def _interval(figure: Mean) -> str:
    return "" if figure.low is None else f"95 % interval {figure.low:.3f} to {figure.high:.3f}"


def _outlier(one: Outlier, excerpts: Mapping[str, bytes]) -> dict[str, object]:
    """A clip that differs, with its player where there is one."""
    sound = excerpts.get(one.name)
    player = None if sound is None else Player(data_uri("audio/wav", sound), 0.0, f"{one.label}: {one.name}")
    why = {"profile": "its evidence lies elsewhere", "score": "its score is low"}
    return {
        "name": one.name,
        "label": one.label,
        "score": one.score,
        "distance": one.distance,
        "why": " and ".join(why[reason] for reason in one.why),
        "player": player,
    }
