"""The page of a timeline: score over time, peaks, and the sound around the strongest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zsxai.errors import InputError
from zsxai.show.chart import COLOURS, Chart, Scale, Series, make_scale, make_series, make_span
from zsxai.show.page import AXES, model_facts
from zsxai.show.parts import Card, Excerpt, make_card, strip_peak, time_ticks
from zsxai.show.raster import greys, level_of, plain_png
from zsxai.show.templates import read, render_page
from zsxai.timelines.measures import HEARD, Measure
from zsxai.timelines.pieces import read_pieces
from zsxai.verdict.presence import logistic
from zsxai.written import as_json, clock, computed_on, data_uri, per_cent, signed

if TYPE_CHECKING:
    from zsxai.timelines.peaks import ExplainedPeak, Peak
    from zsxai.timelines.timeline import Timeline

LISTED = 100
"""Peaks on the page; the record holds all."""
PLAYERS, PLAYED_BYTES = 12, 5_000_000
"""Players on the page, and bytes of sound that they hold together."""


@dataclass(frozen=True)
class PeakRow:
    """A peak as the page lists it.

    Attributes:
        peak: The peak.
        colour: Of its prompt.
        when: Its times.
        figures: Its numbers.
        href: Page of its explanation, empty where there is none.
    """

    peak: Peak
    colour: int
    when: str
    figures: str
    href: str


def page_html(
    timeline: Timeline,
    peaks: Sequence[Peak],
    *,
    threshold: float | None = None,
    measure: Measure | None = None,
    explained: Mapping[str, ExplainedPeak] | None = None,
) -> str:
    """The page of a timeline.

    Its size is bounded whatever the recording's length, but for 2 bytes of numbers a window, prompt and line.

    Args:
        timeline: What to show.
        peaks: Its peaks, strongest first.
        threshold: The threshold that they are above.
        measure: What it is a threshold of.
        explained: Explanations of peaks, by their folders beside the page.
    """
    t, made = timeline, timeline.provenance
    colours = {prompt: 1 + n % COLOURS for n, prompt in enumerate(t.prompts)}
    links = {one.peak: f"{folder}/index.html" for folder, one in (explained or {}).items()}
    listed = peaks[:LISTED]
    rows = [
        PeakRow(p, colours[p.prompt], f"{clock(p.start)}-{clock(p.stop)}", _figures(p), links.get(p, ""))
        for p in listed
    ]
    names = ", ".join(t.prompts[:3]) + (" …" if len(t.prompts) > 3 else "")
    return render_page(
        "timeline.html",
        f"{names}: timeline of {made.audio_name}",
        style=read("chart.css"),
        script=read("chart.js"),
        t=t,
        facts=_facts(t),
        warnings=made.warnings,
        chart=make_chart(t, listed, colours, threshold, t.measure(measure)),
        rows=rows,
        said=_said(t, peaks, threshold, measure),
        players=_players(t, listed),
        played=_played(t, listed),
        how=_how(t),
        model=model_facts(made.model_card),
        record=as_json({**t.model_dump(mode="json"), "windows": len(t.starts)}),
    )


def make_chart(
    t: Timeline, peaks: Sequence[Peak], colours: Mapping[str, int], threshold: float | None, measure: Measure
) -> Chart:
    """Every prompt's presence, where it is known, and cosine over time."""
    scales, series = [], []

    def line(value: float | None, on: Measure) -> list[tuple[float, str]]:
        return [] if value is None or on != measure else [(value, "threshold")]

    if t.knows_presence:
        lines = line(threshold, "presence") or [(HEARD, "level")]
        scale = make_scale("presence", _presence_words(t, threshold if measure == "presence" else None), 0, 1,
                           (0, 0.25, 0.5, 0.75, 1), lines, per_cent=True)  # fmt: skip
        scales.append(scale)
        series += _lines(t, scale, t.values("presence"), colours)
    axis = AXES["cosine"]
    low, high = _range(t.cosines, t.levels)
    marks = [m for m in (*axis.marks, -0.5, -1.0) if low <= m <= high]
    words = "Cosine of window and prompt, from \N{MINUS SIGN}1 to 1; unrelated sounds lie near 0."
    if t.knows_presence:
        words += " Dashed: each window's own level, under which the prompt counts as not heard there."
    scale = make_scale("cosine", words, low, high, marks, line(threshold, "cosine"))
    scales.append(scale)
    series += _lines(t, scale, t.cosines, colours)
    series += _lines(t, scale, t.levels, colours, faint=True) if t.knows_presence else []
    if measure == "probability":
        words = "Probability among the prompts; they add up to 100% in every window, whatever sounds."
        scale = make_scale("probability", words, 0, 1, (0, 0.25, 0.5, 0.75, 1), line(threshold, measure), per_cent=True)
        scales.insert(0, scale)
        series += _lines(t, scale, t.values("probability"), colours)
    scales.sort(key=lambda one: one.name != measure)
    return Chart(
        alt=f"{', '.join(t.prompts)} over {t.seconds:.0f} seconds",
        seconds=t.seconds,
        window=t.window_seconds,
        step=t.step / t.sample_rate,
        last=float(t.start_times[-1]),
        count=len(t.starts),
        scales=tuple(scales),
        series=tuple(series),
        spans=tuple(make_span(p.start, p.stop, t.seconds, colours[p.prompt], p.prompt) for p in peaks),
        time_ticks=time_ticks(t.seconds, clocked=True),
        strip=data_uri("image/png", plain_png(level_of(t.overview, float(t.overview.max())), greys())),
        top=t.sample_rate / 2,
    )


def _lines(
    t: Timeline, scale: Scale, values: NDArray[Any], colours: Mapping[str, int], *, faint: bool = False
) -> list[Series]:
    edges = t.edges
    return [
        make_series(prompt, colours[prompt], scale, values[:, p], edges, faint=faint)
        for p, prompt in enumerate(t.prompts)
    ]


def _range(*values: NDArray[Any]) -> tuple[float, float]:
    """Ends of a scale of cosines: what there is, at least from -.25 to .75, in quarters."""
    joined = np.concatenate([v.ravel() for v in values])
    low, high = min(float(joined.min()), -0.25), max(float(joined.max()), 0.75)
    return float(np.floor(low * 4) / 4), float(np.ceil(high * 4) / 4)


def _presence_words(t: Timeline, threshold: float | None) -> str:
    words = "How likely it is that the model hears the prompt in a window. "
    if threshold is None:
        words += "Dashed: 50%, under which it counts as not heard."
    else:
        words += f"Dashed: the threshold, {per_cent(threshold)}; under 50% a prompt counts as not heard."
    if t.bar:
        chance = float(logistic(np.array(t.bar)))
        words += (
            f" Among {len(t.starts)} windows chance alone takes an absent sound further: over {chance:.1%} "
            "in one recording of twenty."
        )
    return words


def _figures(peak: Peak) -> str:
    heard = "" if peak.presence is None else f"presence {peak.presence:.0%}, "
    return f"{heard}cosine {signed(peak.cosine)}"


def _facts(t: Timeline) -> list[tuple[str, str]]:
    made = t.provenance
    facts = [
        (clock(t.seconds), ""),
        ("model", made.model),
        (f"{len(t.starts):,} windows of {t.window_seconds:g} s, {t.step / t.sample_rate:g} s apart", ""),
        ("template", f"{made.template}") if made.template else ("", ""),
    ]
    return [fact for fact in facts if any(fact)]


def _said(t: Timeline, peaks: Sequence[Peak], threshold: float | None, measure: Measure | None) -> str:
    chosen = t.measure(measure)
    least = HEARD if threshold is None and chosen == "presence" else threshold
    if least is None:
        return "Without a threshold no peaks are listed but those that were explained."
    level = f"a {chosen} over {per_cent(least) if chosen != 'cosine' else signed(least)}"
    if not peaks:
        return f"No window has {level} for any prompt."
    count = f"{len(peaks)} {'stretch' if len(peaks) == 1 else 'stretches'}"
    more = f" The strongest {LISTED} are listed, timeline.json holds all." if len(peaks) > LISTED else ""
    clear = sum(bool(p.clear) for p in peaks)
    chance = ""
    if t.knows_presence:
        verb = "goes" if clear < 2 else "go"
        chance = f" {clear or 'None'} of them {verb} beyond what chance does in a recording this long."
    return (
        f"{count} with {level}, the strongest first.{chance} Windows that share sound make one stretch. A window is "
        f"{t.window_seconds:g} s long, so edges are coarse: the sound lies somewhere between them.{more}"
    )


def _count_players(t: Timeline) -> int:
    return min(PLAYERS, int(PLAYED_BYTES // (2 * min(t.window, t.samples))) or 1)


def _players(t: Timeline, peaks: Sequence[Peak]) -> list[Card]:
    """Players of the strongest windows, in the order of the list; none where the recording is not at hand."""
    given = t._given
    if given is None or given.audio is None or not peaks:
        return []
    shown = peaks[: _count_players(t)]
    spans = [(round(p.window[0] * t.sample_rate), round(p.window[1] * t.sample_rate)) for p in shown]
    try:
        pieces = read_pieces(given.audio, given.sample_rate, t.sample_rate, spans)
    except InputError:  # it was there when the timeline was made
        return []
    loudest = max(strip_peak(piece, t.sample_rate) for piece in pieces)
    factor = 1.0 / max(1.0, *(float(np.abs(piece).max()) for piece in pieces))
    cards = []
    for number, (p, piece) in enumerate(zip(shown, pieces, strict=True), 1):
        start, stop = p.window
        cards.append(
            make_card(
                f"{number} · {p.prompt}",
                f"{clock(start)}-{clock(stop)}, its strongest window.",
                piece,
                Excerpt(0, len(piece), t.sample_rate, factor),
                peak=loudest,
                figure=_figures(p).partition(",")[0],
                label=f"{p.prompt} at {clock(start)}",
                at=start,
            )
        )
    return cards


def _played(t: Timeline, peaks: Sequence[Peak]) -> str:
    if not peaks:
        return ""
    if t._given is None or t._given.audio is None:
        return "The recording was not at hand when this page was written, so it holds no sound."
    if len(peaks) > _count_players(t):
        return f"The page holds the strongest window of the first {_count_players(t)}."
    return ""


def _how(t: Timeline) -> str:
    made = t.provenance
    known = f"Presence is by {made.reference}." if made.reference else ""
    return (
        f"One forward a window: no explanation. A new window starts every {t.step / t.sample_rate:g} s; a step of a "
        f"line is a window's value, drawn at its middle. Computed on {computed_on(made.device, made.dtype)}. {known}"
    )
