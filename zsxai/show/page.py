"""Explanations as one page that needs no server, no network and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from zsxai.errors import InputError
from zsxai.regions import Region, say_regions
from zsxai.saved import Sounds
from zsxai.show.chart import Chart
from zsxai.show.minutes import LISTED, MINUTES, Minute, Place, is_long, make_chart, make_minutes, name_place
from zsxai.show.parts import Axis, Bar, Card, Excerpt, Picture, excerpt, make_picture, make_player
from zsxai.show.raster import COLUMNS, paint, raster, rgb_png
from zsxai.show.sounds import Heard, best_window, hear
from zsxai.show.templates import read, render, render_page
from zsxai.written import as_json, clock, computed_on, data_uri, per_cent, signed

if TYPE_CHECKING:
    from zsxai.concepts.explanation import ConceptExplanation
    from zsxai.explanation import Explanation

NOTEBOOK_SECONDS = 15.0
"""Seconds of sound of a player in a notebook at most."""
AXES = {
    "cosine": Axis(-0.25, 1.0, (-0.25, 0.0, 0.25, 0.5, 0.75, 1.0)),
    "cosine difference": Axis(-0.5, 0.5, (-0.5, -0.25, 0.0, 0.25, 0.5)),
    "probability": Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0)),
}
"""The axis of every unit, the same on all pages; the few values beyond an end have an arrow there."""
PARTS = AXES["probability"]
"""The axis of parts of a whole."""
UNITS = {
    "cosine": "cosine of recording and prompt, from -1 to 1; unrelated sounds lie near 0",
    "cosine difference": "cosine with the prompt less the mean cosine with the others",
    "probability": "softmax among the prompts, from 0 to 1",
}
"""What every unit of scores is."""
_CARD = (
    ("Name", "name"),
    ("What it is", "summary"),
    ("Limits", "limits"),
    ("Licence", "licence"),
    ("Source", "source"),
    ("Trained on", "training_data"),
    ("Weights (sha256)", "weights_sha256"),
)


@dataclass(frozen=True)
class Shown:
    """What a page shows of one explanation.

    Attributes:
        e: The explanation.
        sentence: Its scores in words.
        picture: Where.
        dimmed: Why the picture's colours are pale, empty where they are not.
        regions: Where, in words.
        minutes: The strongest minutes of a long recording, which the page shows instead.
        cards: The players.
        players: What these leave out or change.
        unit: The unit of the scores.
        scores: Bars on ``score_axis``.
        score_axis: The axis of its unit.
        presence: How likely the model hears the prompt, as a bar on ``parts_axis``; empty where it is not known.
        extent: Bars on ``parts_axis``.
        parts_axis: From nothing to everything.
        chart: Scores over time, None where there is only one window.
        parts: Where in the whole of a long recording, in words.
        how: How the mask acts.
        record: Everything, as JSON.
    """

    e: Explanation
    sentence: str
    picture: Picture | None
    dimmed: str
    regions: Sequence[Region]
    minutes: Sequence[Minute]
    cards: Sequence[Card]
    players: str
    unit: str
    scores: Sequence[Bar]
    score_axis: Axis
    presence: Sequence[Bar]
    extent: Sequence[Bar]
    chart: Chart | None
    parts: Sequence[Place]
    how: str
    record: str
    parts_axis: Axis = PARTS


def page_html(explanations: Explanation | Sequence[Explanation], *, beside: bool | Sounds = False) -> str:
    """The page of an explanation, or of several of one recording, which stand under tabs.

    Its size is bounded whatever the recording's length, but for 2 bytes a window and line: pictures have at most 1,000
    columns, of a recording over a minute those of five minutes; a player holds at most 30 s around the window that
    scores highest, 15 s of a recording over a minute, all of them 150 s.

    Args:
        explanations: What to show.
        beside: The page lies in the folder of the explanation: play the files there, and link to them. As what they
            were written; True is ``wav``.

    Raises:
        InputError: If there is none, or they are not of one recording and one model.
    """
    several = list(explanations) if isinstance(explanations, Sequence) else [explanations]
    if not several:
        raise InputError("there is no explanation to show: give page_html one, or a list")
    if len({(e.provenance.audio_sha256, e.provenance.model) for e in several}) > 1:
        raise InputError("a page shows explanations of one recording by one model: write a page for each")
    first = several[0]
    kind: Sounds | None = "wav" if beside is True else beside or None
    heard = hear(several, beside=kind)
    shown = [_show(e, h, among=len(several)) for e, h in zip(several, heard, strict=True)]
    prompts = first.prompt if len(several) == 1 else f"{len(several)} prompts"
    return render_page(
        "explanation.html",
        f"{prompts}: explanation of {first.provenance.audio_name}",
        style=read("chart.css"),
        script=read("chart.js"),
        beside=any(h.recording.player.file for h in heard),
        first=first,
        shown=shown,
        facts=_facts(first, alone=len(several) == 1),
        warnings=list(dict.fromkeys(w for e in several for w in e.provenance.warnings)),
        recording=heard[0].recording,
        model=model_pairs(first),
    )


def _show(e: Explanation, heard: Heard, *, among: int) -> Shown:
    long, pale = is_long(e), dimmed(e)
    axis = score_axis(e)
    regions = e.regions(LISTED) if long else e.regions()
    chart = None
    if len(e.windows) > 1:
        chart = make_chart(e, heard.overview or raster(e), axis, regions, dimmed=bool(pale))
    return Shown(
        e=e,
        sentence=_sentence(e),
        picture=None if long else mask_view(e, heard.part),
        dimmed=pale,
        regions=[] if long else regions,
        minutes=make_minutes(e, count=max(1, MINUTES // among), dimmed=bool(pale)) if long else [],
        cards=heard.cards,
        players=heard.note,
        unit=_unit(e),
        scores=score_bars(e),
        score_axis=axis,
        presence=presence_bars(e),
        extent=extent_bars(e),
        chart=chart,
        parts=[name_place(region) for region in regions] if long else [],
        how=_how(e),
        record=as_json(e.model_dump(mode="json", exclude={"windows"})),
    )


def notebook_html(explanation: Explanation) -> str:
    """A small view for notebooks: picture, figures, three players; no script, nothing outside it."""
    e = explanation
    part = excerpt([e.original, e.audio, e.residue], e.sample_rate, best_window(e), NOTEBOOK_SECONDS)
    start, stop = part.seconds
    sounds = (("explanation", e.audio), ("residue", e.residue), ("recording", e.original))
    pixels = raster(e, columns=600)
    view = mask_view(e, part, columns=600)
    written = render(
        "notebook.html",
        e=e,
        view=view,
        image=data_uri("image/png", rgb_png(paint(pixels.level(), pixels.worn(dimmed=bool(dimmed(e)))))),
        words=say_regions(e.regions()),
        dimmed=dimmed(e),
        cut="" if stop - start > e.seconds - 0.01 else f" ({start:.1f}-{stop:.1f} s)",
        players=[make_player(w, part, name) for name, w in sounds],
    )
    return str(written)


def notebook_grid(explanations: Sequence[Explanation]) -> str:
    """Several of :func:`notebook_html`, side by side where there is room."""
    return str(render("notebook_grid.html", views=[Markup(notebook_html(e)) for e in explanations]))  # noqa: S704


def dimmed(explanation: Explanation) -> str:
    """Why the picture of an explanation has pale colours: its verdict, or nothing."""
    verdict = explanation.verdict
    return "" if verdict is None or verdict.believable else verdict.level


def score_bars(explanation: Explanation) -> list[Bar]:
    """The four scores, each with its meaning."""
    e = explanation
    rows = (
        ("The recording", "as the model hears it", e.score, "whole"),
        ("Kept", "only what the mask keeps, inside the model", e.score_in, "kept"),
        ("Heard", "the explanation as sound, heard by the model again", e.score_heard, "kept"),
        ("Removed", "what is left once the mask's part is taken out", e.score_out, "left"),
    )
    return [Bar(name, meaning, value, signed(value), kind) for name, meaning, value, kind in rows]


def score_axis(explanation: Explanation) -> Axis:
    """The axis of :func:`score_bars`: the same on every page, so that bars of two pages compare."""
    e = explanation
    axis = AXES.get(e.unit, AXES["cosine difference"])
    absence = e.verdict.figures.get("absence") if e.verdict and e.unit == "cosine" else None
    return replace(axis, absence=absence)


def presence_bars(explanation: Explanation) -> list[Bar]:
    """How likely the model hears the prompt, where the verdict knows."""
    verdict = explanation.verdict
    if verdict is None or "presence" not in verdict.figures:
        return []
    value = verdict.figures["presence"]
    return [Bar("Presence", "how likely it is that the model hears the prompt", value, per_cent(value), "whole")]


def extent_bars(explanation: Explanation) -> list[Bar]:
    """Mask mean and energy kept, on :data:`PARTS`."""
    e = explanation
    energy = "part of the sound's power in the explanation"
    return [
        Bar("Mask mean", "how much of seconds x hertz the mask covers", e.mask_mean, f"{e.mask_mean:.2f}", "left"),
        Bar("Energy kept", energy, e.kept_energy, per_cent(e.kept_energy), "left"),
    ]


def mask_view(explanation: Explanation, part: Excerpt, peak: float | None = None, columns: int = COLUMNS) -> Picture:
    """The spectrogram, in colour where it is kept, its largest parts numbered."""
    regions = explanation.regions()
    return make_picture(
        raster(explanation, columns),
        _alt(explanation, regions),
        regions=regions,
        part=part,
        peak=peak,
        dimmed=bool(dimmed(explanation)),
    )


def model_pairs(explanation: Explanation | ConceptExplanation) -> list[tuple[str, object]]:
    """Names and values of the model's card."""
    return model_facts(explanation.provenance.model_card)


def model_facts(card: Mapping[str, object]) -> list[tuple[str, object]]:
    """Names and values of a model's card."""
    return [(words, card[name]) for words, name in _CARD if card.get(name)]


def _alt(e: Explanation, regions: Sequence[Region]) -> str:
    where = say_regions(regions)
    return f"Spectrogram of {e.seconds:.1f} seconds, in colour where the explanation keeps it: {where}."


def _facts(e: Explanation, *, alone: bool) -> list[tuple[str, str]]:
    """Words of ours, and text that comes from elsewhere; of several, what they share."""
    p = e.provenance
    length = clock(e.seconds) if is_long(e) else f"{e.seconds:.2f} s"
    if not alone:
        return [(length, ""), ("model", p.model), ("explainer", p.explainer)]
    others = {"contrast": "compared with", "probability": "among"}.get(e.target.kind, "")
    facts = [
        ("", p.audio_name),
        (length, ""),
        ("model", p.model),
        ("explainer", p.explainer),
        ("computed on", computed_on(p.device, p.dtype)),
        (others, ", ".join(f"“{o}”" for o in e.target.others) if others else ""),
        ("template", f"{p.template}") if p.template else ("", ""),
    ]
    return [fact for fact in facts if any(fact)]


def _sentence(e: Explanation) -> str:
    change = e.score_out - e.score
    return (
        f"The model gives this recording {signed(e.score)} ({e.unit}) for the prompt. Without what the mask marks the "
        f"score {'falls' if change < 0 else 'rises'} by {abs(change):.3f} to {signed(e.score_out)}; with only that "
        f"part it is {signed(e.score_in)}."
    )


def _unit(e: Explanation) -> str:
    meaning = UNITS.get(e.unit, "")
    pooled = ""
    if len(e.windows) > 1:
        pooled = f" Scores are of the {e.provenance.pooling} cosine over {len(e.windows)} windows."
    return f"Unit: {e.unit}{f' ({meaning})' if meaning else ''}.{pooled}"


def _how(e: Explanation) -> str:
    m = e.masking
    floor = f", toward a floor of {m.floor:.3g} in power." if m.scale == "log" else "."
    cells = f"{e.mask.shape[0]} x {e.mask.shape[1]} cells"
    return f"The mask lies on the {m.domain} grid ({cells}) and acts on the {m.scale} scale{floor}"
