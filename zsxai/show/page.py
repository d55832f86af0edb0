"""One explanation as one page that needs no server, no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zsxai.regions import Region
from zsxai.show.html import Html, as_json, data_uri, document, join, per_cent, signed, tag, untrusted
from zsxai.show.parts import (
    SECONDS,
    Excerpt,
    bars,
    definitions,
    excerpt,
    flac,
    key,
    picture,
    player_card,
    shades,
    strip_peak,
    table,
)
from zsxai.show.raster import COLUMNS, paint, raster, rgb_png

if TYPE_CHECKING:
    from zsxai.concepts.explanation import ConceptExplanation
    from zsxai.explanation import Explanation
from zsxai.scoring import WindowScores

WINDOWS = 200
"""Rows of the table of windows at most; of a longer recording those that score highest are shown."""
NOTEBOOK_SECONDS = 15.0
ALONE = "One file: it loads nothing and asks no server."
UNITS = {
    "cosine": "cosine of recording and prompt, from -1 to 1; unrelated sounds lie near 0",
    "cosine difference": "cosine with the prompt less the mean cosine with the others",
    "probability": "softmax among the prompts, from 0 to 1",
}


def write_page(explanation: Explanation, path: Path, *, beside: bool = False) -> Path:
    """Write :func:`page_html` to a file."""
    path.write_bytes(page_html(explanation, beside=beside).encode())
    return path


def page_html(explanation: Explanation, *, beside: bool = False) -> str:
    """The page.

    Its size is bounded whatever the recording's length: pictures have at most 1,000 columns, players hold at most 30 s
    around the window that scores highest, the table of windows at most 200 rows.

    Args:
        explanation: What to show.
        beside: The page lies in the folder of the explanation: link to the files there.
    """
    e = explanation
    part = excerpt([e.original, e.audio, e.residue], e.sample_rate, best_window(e))
    where = tag("section", tag("h2", "Where"), mask_picture(e, part), mask_key(e), mask_regions(e))
    sections = (
        _head(e),
        warnings_section(e),
        where,
        _listen(e, part, beside=beside),
        _figures(e),
        _windows(e),
        model_section(e),
        _provenance(e),
        footer(e),
    )
    return document(f"{e.prompt}: explanation of {e.provenance.audio_name}", join(shades(), tag("main", *sections)))


def notebook_html(explanation: Explanation) -> str:
    """A small view for notebooks: picture, figures, two players; no script, nothing outside it."""
    e = explanation
    pixels = raster(e, columns=600)
    image = rgb_png(paint(pixels.level(), pixels.mask))
    part = excerpt([e.original, e.audio], e.sample_rate, best_window(e), NOTEBOOK_SECONDS)
    start, stop = part.seconds
    cut = "" if stop - start > e.seconds - 0.01 else f" ({start:.1f}-{stop:.1f} s)"
    sounds = (("explanation", e.audio), ("recording", e.original))
    players = [
        tag(
            "label",
            tag("span", name + cut, style="display:block;font-size:12px;opacity:.75"),
            tag(
                "audio",
                controls=True,
                preload="metadata",
                src=data_uri("audio/flac", flac(sound, part)),
                aria_label=name,
                style="width:280px;max-width:100%;height:34px",
            ),
        )
        for name, sound in sounds
    ]
    regions = e.regions()
    words = "; ".join(map(str, regions)) or "nowhere above one half"
    numbers = (
        f"kept {signed(e.score_in)} · removed {signed(e.score_out)} · heard {signed(e.score_heard)} · "
        f"mask mean {e.mask_mean:.2f} · energy kept {per_cent(e.kept_energy)}"
    )
    return str(
        tag(
            "div",
            tag(
                "div",
                tag("strong", "“", untrusted(e.prompt), "”"),
                f" {signed(e.score)} {e.unit}",
                style="font-size:15px",
            ),
            tag("div", numbers, style="font-size:13px;opacity:.8"),
            tag(
                "img",
                src=data_uri("image/png", image),
                alt=_alt(e, regions),
                style="display:block;width:100%;max-width:680px;height:200px;border-radius:4px;margin:6px 0 2px",
            ),
            tag(
                "div",
                f"0-{e.seconds:.1f} s, 0-{e.sample_rate / 2000:g} kHz (mel axis); colour: kept, grey: left. {words}",
                style="font-size:12px;opacity:.75;max-width:680px",
            ),
            tag("div", *players, style="display:flex;flex-wrap:wrap;gap:12px;margin-top:6px"),
            style="font-family:system-ui,sans-serif;line-height:1.5;max-width:720px",
        )
    )


def best_window(explanation: Explanation) -> float:
    """Middle of the window that scores highest, seconds."""
    best = max(explanation.windows, key=lambda w: w.score, default=None)
    return explanation.seconds / 2 if best is None else (best.start + best.stop) / 2


def players_rule(
    explanation: Explanation | ConceptExplanation, part: Excerpt, around: str = "the window that scores highest"
) -> Html:
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
    return tag("p", " ".join(said), class_="quiet small gap") if said else Html()


def kept_note(explanation: Explanation) -> str:
    """What the explanation's player plays, and how quiet it is where one might think it broken."""
    e = explanation
    loudness = [float(np.sqrt(np.mean(np.square(w, dtype=np.float64)))) for w in (e.audio, e.original)]
    under = 20 * np.log10(max(loudness[0], 1e-9) / max(loudness[1], 1e-9))
    if not e.mask.any():
        return "The mask keeps nothing."
    return "What the mask keeps." if under > -15 else f"What the mask keeps: {-under:.0f} dB under the recording."


def score_bars(explanation: Explanation) -> Html:
    """The four scores as bars, each with its meaning."""
    e = explanation
    rows = (
        ("The recording", "as the model hears it", e.score, "whole"),
        ("Kept", "only what the mask keeps, inside the model", e.score_in, "kept"),
        ("Heard", "the explanation as sound, heard by the model again", e.score_heard, "kept"),
        ("Removed", "what is left once the mask's part is taken out", e.score_out, "left"),
    )
    values = [value for _, _, value, _ in rows]
    high = 1.0 if e.unit == "probability" else 1.1 * max(*values, 0.01)
    return bars([(n, m, v, signed(v), k) for n, m, v, k in rows], 1.1 * min(0.0, *values), high)


def extent_bars(explanation: Explanation) -> Html:
    """Mask mean and energy kept as bars."""
    e = explanation
    rows = (
        ("Mask mean", "how much of seconds x hertz the mask covers", e.mask_mean, f"{e.mask_mean:.2f}", "left"),
        (
            "Energy kept",
            "part of the sound's power in the explanation",
            e.kept_energy,
            per_cent(e.kept_energy),
            "left",
        ),
    )
    return bars(rows, 0.0, 1.0)


def mask_picture(explanation: Explanation, part: Excerpt, peak: float | None = None, columns: int = COLUMNS) -> Html:
    """The spectrogram under the mask, its largest parts numbered."""
    e = explanation
    regions = e.regions()
    return picture(raster(e, columns), _alt(e, regions), regions=regions, part=part, peak=peak)


def mask_key(explanation: Explanation) -> Html:
    """How to read :func:`mask_picture`, and a switch for the mask of the section that it stands in."""
    box = tag("input", type="checkbox", checked=True, autocomplete="off")
    return tag(
        "div", tag("label", box, "Show the mask", class_="toggle"), key(band=explanation.grid.band), class_="read"
    )


def mask_regions(explanation: Explanation) -> Html:
    """The largest parts of the mask in words."""
    regions = explanation.regions()
    if not regions:
        return tag("p", "Nowhere does the mask reach one half.", class_="quiet small")
    return join(
        tag("p", "Largest connected parts of the mask above one half, numbered on the picture:", class_="quiet small"),
        tag("ol", *(tag("li", str(r)) for r in regions), class_="regions number small"),
    )


def _alt(e: Explanation, regions: Sequence[Region]) -> str:
    where = "; ".join(map(str, regions)) or "nowhere above one half"
    return f"Spectrogram of {e.seconds:.1f} seconds with the mask over it. The mask lies at: {where}."


def _head(e: Explanation) -> Html:
    p = e.provenance
    others = {"contrast": "compared with", "probability": "among"}.get(e.target.kind, "")
    facts = [
        untrusted(p.audio_name),
        f"{e.seconds:.2f} s",
        join("model ", untrusted(p.model)),
        join("explainer ", untrusted(p.explainer)),
        join(f"{others} ", untrusted(", ".join(f"“{o}”" for o in e.target.others))) if others else "",
        join("template ", untrusted(p.template)) if p.template else "",
    ]
    change = e.score_out - e.score
    sentence = (
        f"The model gives this recording {signed(e.score)} ({e.unit}) for the prompt. Without what the mask marks the "
        f"score {'falls' if change < 0 else 'rises'} by {abs(change):.3f} to {signed(e.score_out)}; with only that "
        f"part it is {signed(e.score_in)}."
    )
    return tag(
        "header",
        tag("p", "Which sounds made the score?", class_="eyebrow"),
        tag("h1", "“", untrusted(e.prompt), "”"),
        tag("ul", *(tag("li", f) for f in facts if f), class_="facts"),
        tag("p", sentence, class_="lead number"),
    )


def warnings_section(e: Explanation | ConceptExplanation) -> Html:
    """What a reader should know first, or nothing."""
    if not e.provenance.warnings:
        return Html()
    items = (tag("li", untrusted(w)) for w in e.provenance.warnings)
    return tag("section", tag("h2", "Before you trust the figures"), tag("ul", *items), class_="warnings", role="note")


def _listen(e: Explanation, part: Excerpt, *, beside: bool) -> Html:
    peak = strip_peak(e.original, e.sample_rate)

    def link(name: str) -> Html:
        return tag("a", f"{name}.wav", href=f"{name}.wav") if beside else Html()

    cards = (
        player_card(
            "Explanation",
            kept_note(e),
            e.audio,
            part,
            peak=peak,
            kept=True,
            figure=f"score {signed(e.score_heard)}",
            link=link("explanation"),
        ),
        player_card("Residue", "What the mask leaves.", e.residue, part, peak=peak, link=link("residue")),
        player_card(
            "Recording",
            "What the model heard: mono, at its own rate.",
            e.original,
            part,
            peak=peak,
            figure=f"score {signed(e.score)}",
            link=link("original"),
        ),
    )
    return tag(
        "section",
        tag("h2", "Listen"),
        tag("p", "Start one while another plays and it takes over at the same moment.", class_="quiet small"),
        tag("div", *cards, class_="players"),
        players_rule(e, part),
    )


def _figures(e: Explanation) -> Html:
    meaning = UNITS.get(e.unit, "")
    caution = (
        "A high score of the kept part proves little alone: a mask that keeps everything keeps the score. Read it "
        "beside the mask mean, the energy kept and the score of what remains once the part is removed."
    )
    pooled = ""
    if len(e.windows) > 1:
        pooled = f" Scores are of the {e.provenance.pooling} cosine over {len(e.windows)} windows."
    return tag(
        "div",
        tag(
            "section",
            tag("h2", "The scores"),
            tag("p", f"Unit: {e.unit}{f' ({meaning})' if meaning else ''}.{pooled}", class_="quiet small"),
            score_bars(e),
        ),
        tag(
            "section",
            tag("h2", "The size of the explanation"),
            tag("p", "Over the frequencies that the model hears.", class_="quiet small"),
            extent_bars(e),
            tag("p", caution, class_="small quiet"),
            class_="stack",
        ),
        class_="two",
    )


def _windows(e: Explanation) -> Html:
    if len(e.windows) < 2:
        return Html()
    shown = sorted(sorted(e.windows, key=lambda w: -w.score)[:WINDOWS], key=lambda w: w.start)
    caption = f"Scores of {len(e.windows)} windows, {e.unit}"
    if len(shown) < len(e.windows):
        caption += f"; the {len(shown)} that score highest are shown, explanation.json holds all"
    rows = [_window_row(w) for w in shown]
    head = ("window", "recording", "kept", "heard", "removed", "cosine")
    return tag("section", tag("h2", "Window by window"), table(caption, head, rows))


def _window_row(w: WindowScores) -> tuple[str, ...]:
    scores = (w.score, w.score_in, w.score_heard, w.score_out, w.similarity)
    return (f"{w.start:.2f}-{w.stop:.2f} s", *(signed(s) for s in scores))


def model_section(e: Explanation | ConceptExplanation) -> Html:
    """The model's card."""
    card = e.provenance.model_card
    named = (
        ("Name", "name"),
        ("What it is", "summary"),
        ("Limits", "limits"),
        ("Licence", "licence"),
        ("Source", "source"),
        ("Trained on", "training_data"),
        ("Weights (sha256)", "weights_sha256"),
    )
    pairs = [(words, untrusted(card[name])) for words, name in named if card.get(name)]
    return tag("section", tag("h2", "The model and its limits"), definitions(pairs))


def footer(e: Explanation | ConceptExplanation) -> Html:
    """Who wrote the page."""
    version = e.provenance.versions.get("zsxai", "")
    return tag("footer", f"Written by zsxai {version}. {ALONE}")


def _provenance(e: Explanation) -> Html:
    m = e.masking
    how = (
        f"The mask lies on the {m.domain} grid ({e.mask.shape[0]} x {e.mask.shape[1]} cells) and acts on the "
        f"{m.scale} scale" + (f", toward a floor of {m.floor:.3g} in power." if m.scale == "log" else ".")
    )
    record = e.model_dump(mode="json", exclude={"windows"})
    return tag(
        "section",
        tag(
            "details",
            tag("summary", "Everything that can change a number"),
            tag("p", how, class_="small"),
            tag("pre", as_json(record), tabindex=0, aria_label="The record as JSON"),
        ),
    )
