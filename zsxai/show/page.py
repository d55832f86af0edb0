"""Explanations as one page that needs no server, no network and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from zsxai.errors import InputError
from zsxai.level import QUIET_DB, under_db
from zsxai.regions import Region, say_regions
from zsxai.scoring import WindowScores
from zsxai.show.parts import (
    SECONDS,
    Axis,
    Bar,
    Card,
    Excerpt,
    Picture,
    excerpt,
    make_card,
    make_picture,
    make_player,
    strip_peak,
)
from zsxai.show.raster import COLUMNS, paint, raster, rgb_png
from zsxai.show.templates import render, render_page
from zsxai.written import as_json, computed_on, data_uri, per_cent, signed

if TYPE_CHECKING:
    from zsxai.concepts.explanation import ConceptExplanation
    from zsxai.explanation import Explanation

WINDOWS = 200
"""Rows of the table of windows at most; of a longer recording those that score highest are shown."""
NOTEBOOK_SECONDS = 15.0
"""Seconds of sound of a player in a notebook at most."""
PLAYED = 150.0
"""Seconds of sound that all players of a page hold together: of many sounds each holds less."""
SAID_DB = 15.0
"""How far what is kept is under the recording is said from here on."""
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
        cards: The players.
        players: What these leave out or change.
        unit: The unit of the scores.
        scores: Bars on ``score_axis``.
        score_axis: The axis of its unit.
        presence: How likely the model hears the prompt, as a bar on ``parts_axis``; empty where it is not known.
        extent: Bars on ``parts_axis``.
        parts_axis: From nothing to everything.
        windows: The table of windows, None where there is only one.
        how: How the mask acts.
        record: Everything, as JSON.
    """

    e: Explanation
    sentence: str
    picture: Picture
    dimmed: str
    regions: Sequence[Region]
    cards: Sequence[Card]
    players: str
    unit: str
    scores: Sequence[Bar]
    score_axis: Axis
    presence: Sequence[Bar]
    extent: Sequence[Bar]
    windows: dict[str, object] | None
    how: str
    record: str
    parts_axis: Axis = PARTS


def write_page(explanation: Explanation | Sequence[Explanation], path: Path, *, beside: bool = False) -> Path:
    """Write :func:`page_html` to a file."""
    path.write_bytes(page_html(explanation, beside=beside).encode())
    return path


def page_html(explanations: Explanation | Sequence[Explanation], *, beside: bool = False) -> str:
    """The page of an explanation, or of several of one recording, which stand under tabs.

    Its size is bounded whatever the recording's length: pictures have at most 1,000 columns, a player holds at most
    30 s around the window that scores highest, all of them 150 s, the table of windows at most 200 rows.

    Args:
        explanations: What to show.
        beside: The page lies in the folder of the explanation: link to the files there.

    Raises:
        InputError: If there is none, or they are not of one recording and one model.
    """
    several = list(explanations) if isinstance(explanations, Sequence) else [explanations]
    if not several:
        raise InputError("there is no explanation to show: give page_html one, or a list")
    if len({(e.provenance.audio_sha256, e.provenance.model) for e in several}) > 1:
        raise InputError("a page shows explanations of one recording by one model: write a page for each")
    first = several[0]
    sounds = [first.original, *(w for e in several for w in (e.audio, e.residue))]
    part = excerpt(sounds, first.sample_rate, best_window(first), min(SECONDS, PLAYED / len(sounds)))
    peak = strip_peak(first.original, first.sample_rate)
    recording = make_card(
        "Recording",
        "What the model heard: mono, at its own rate.",
        first.original,
        part,
        peak=peak,
        figure=f"score {signed(first.score)}" if len(several) == 1 else "",
        href="original.wav" if beside else "",
    )
    shown = [_show(e, part, peak, beside=beside) for e in several]
    prompts = first.prompt if len(several) == 1 else f"{len(several)} prompts"
    return render_page(
        "explanation.html",
        f"{prompts}: explanation of {first.provenance.audio_name}",
        first=first,
        shown=shown,
        facts=_facts(first, alone=len(several) == 1),
        warnings=list(dict.fromkeys(w for e in several for w in e.provenance.warnings)),
        recording=recording,
        model=model_pairs(first),
    )


def _show(e: Explanation, part: Excerpt, peak: float, *, beside: bool) -> Shown:
    kept = make_card(
        "Explanation",
        kept_note(e),
        e.audio,
        part,
        peak=peak,
        kept=True,
        figure=f"score {signed(e.score_heard)}",
        href="explanation.wav" if beside else "",
        recording=e.original,
    )
    left = make_card(
        "Residue",
        "What the mask leaves.",
        e.residue,
        part,
        peak=peak,
        href="residue.wav" if beside else "",
        recording=e.original,
    )
    return Shown(
        e=e,
        sentence=_sentence(e),
        picture=mask_view(e, part),
        dimmed=dimmed(e),
        regions=e.regions(),
        cards=(kept, left),
        players=players_note(e, part),
        unit=_unit(e),
        scores=score_bars(e),
        score_axis=score_axis(e),
        presence=presence_bars(e),
        extent=extent_bars(e),
        windows=_windows(e),
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


def best_window(explanation: Explanation) -> float:
    """Middle of the window that scores highest, seconds."""
    best = max(explanation.windows, key=lambda w: w.score, default=None)
    return explanation.seconds / 2 if best is None else (best.start + best.stop) / 2


def players_note(
    explanation: Explanation | ConceptExplanation, part: Excerpt, around: str = "the window that scores highest"
) -> str:
    """What the players leave out or change, or nothing."""
    said = []
    start, stop = part.seconds
    if stop - start < explanation.seconds - 0.01:
        said.append(
            f"The players hold {start:.1f}-{stop:.1f} s of {explanation.seconds:.1f} s, around {around}: a page holds "
            f"at most {min(SECONDS, stop - start):.0f} s. The WAV files are whole."
        )
    if part.factor != 1.0:
        said.append(
            f"A peak lies beyond full scale, so all are played at {part.factor:.3f} of their level. "
            "The WAV files are as they are."
        )
    return " ".join(said)


def kept_note(explanation: Explanation) -> str:
    """What the explanation's player plays, and how quiet it is where one might think it broken."""
    e = explanation
    if not e.mask.any():
        return "The mask keeps nothing."
    under = under_db(e.audio, e.original, e.sample_rate)
    if under > QUIET_DB:
        how = f"{under:.0f} dB under the recording" if np.isfinite(under) else "silence"
        return f"What the mask keeps: {how}, too quiet to hear."
    return f"What the mask keeps: {under:.0f} dB under the recording." if under > SAID_DB else "What the mask keeps."


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
    if not alone:
        return [(f"{e.seconds:.2f} s", ""), ("model", p.model), ("explainer", p.explainer)]
    others = {"contrast": "compared with", "probability": "among"}.get(e.target.kind, "")
    facts = [
        ("", p.audio_name),
        (f"{e.seconds:.2f} s", ""),
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


def _windows(e: Explanation) -> dict[str, object] | None:
    """The table of windows, or None where there is only one."""
    if len(e.windows) < 2:
        return None
    shown = sorted(sorted(e.windows, key=lambda w: -w.score)[:WINDOWS], key=lambda w: w.start)
    caption = f"Scores of {len(e.windows)} windows, {e.unit}"
    if len(shown) < len(e.windows):
        caption += f"; the {len(shown)} that score highest are shown, explanation.json holds all"
    head = ("window", "recording", "kept", "heard", "removed", "cosine")
    return {"caption": caption, "head": head, "rows": [_window_row(w) for w in shown]}


def _window_row(w: WindowScores) -> tuple[str, ...]:
    scores = (w.score, w.score_in, w.score_heard, w.score_out, w.similarity)
    return (f"{w.start:.2f}-{w.stop:.2f} s", *(signed(s) for s in scores))


def _how(e: Explanation) -> str:
    m = e.masking
    floor = f", toward a floor of {m.floor:.3g} in power." if m.scale == "log" else "."
    cells = f"{e.mask.shape[0]} x {e.mask.shape[1]} cells"
    return f"The mask lies on the {m.domain} grid ({cells}) and acts on the {m.scale} scale{floor}"
