"""One explanation as one page that needs no server, no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zsxai.regions import Region
from zsxai.scoring import WindowScores
from zsxai.show.html import Html, as_json, data_uri, per_cent, signed
from zsxai.show.parts import (
    SECONDS,
    Axis,
    Bar,
    Excerpt,
    Picture,
    excerpt,
    make_card,
    make_picture,
    make_player,
    strip_peak,
    write,
)
from zsxai.show.raster import COLUMNS, paint, raster, rgb_png
from zsxai.show.templates import render, render_page

if TYPE_CHECKING:
    from zsxai.concepts.explanation import ConceptExplanation
    from zsxai.explanation import Explanation

WINDOWS = 200
"""Rows of the table of windows at most; of a longer recording those that score highest are shown."""
NOTEBOOK_SECONDS = 15.0
ALONE = "One file: it loads nothing and asks no server."
UNITS = {
    "cosine": "cosine of recording and prompt, from -1 to 1; unrelated sounds lie near 0",
    "cosine difference": "cosine with the prompt less the mean cosine with the others",
    "probability": "softmax among the prompts, from 0 to 1",
}
_CARD = (
    ("Name", "name"),
    ("What it is", "summary"),
    ("Limits", "limits"),
    ("Licence", "licence"),
    ("Source", "source"),
    ("Trained on", "training_data"),
    ("Weights (sha256)", "weights_sha256"),
)


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
    peak = strip_peak(e.original, e.sample_rate)
    link = "{}.wav" if beside else ""
    kept, left = f"score {signed(e.score_heard)}", "What the mask leaves."
    heard = "What the model heard: mono, at its own rate."
    cards = (
        make_card(
            "Explanation",
            kept_note(e),
            e.audio,
            part,
            peak=peak,
            kept=True,
            figure=kept,
            href=link.format("explanation"),
        ),
        make_card("Residue", left, e.residue, part, peak=peak, href=link.format("residue")),
        make_card(
            "Recording",
            heard,
            e.original,
            part,
            peak=peak,
            figure=f"score {signed(e.score)}",
            href=link.format("original"),
        ),
    )
    return render_page(
        "explanation.html",
        f"{e.prompt}: explanation of {e.provenance.audio_name}",
        e=e,
        facts=_facts(e),
        sentence=_sentence(e),
        picture=mask_view(e, part),
        regions=e.regions(),
        cards=cards,
        players=players_note(e, part),
        unit=_unit(e),
        score_bars=score_bars(e),
        score_axis=score_axis(e),
        extent_bars=extent_bars(e),
        extent_axis=EXTENT,
        windows=_windows(e),
        model=model_pairs(e),
        how=_how(e),
        record=as_json(e.model_dump(mode="json", exclude={"windows"})),
    )


def notebook_html(explanation: Explanation) -> str:
    """A small view for notebooks: picture, figures, two players; no script, nothing outside it."""
    e = explanation
    pixels = raster(e, columns=600)
    part = excerpt([e.original, e.audio], e.sample_rate, best_window(e), NOTEBOOK_SECONDS)
    start, stop = part.seconds
    written = render(
        "notebook.html",
        e=e,
        image=data_uri("image/png", rgb_png(paint(pixels.level(), pixels.mask))),
        alt=_alt(e, e.regions()),
        words=say_regions(e.regions()),
        cut="" if stop - start > e.seconds - 0.01 else f" ({start:.1f}-{stop:.1f} s)",
        players=[make_player(w, part, name) for name, w in (("explanation", e.audio), ("recording", e.original))],
    )

    return str(written)


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
    loudness = [float(np.sqrt(np.mean(np.square(w, dtype=np.float64)))) for w in (e.audio, e.original)]
    under = 20 * np.log10(max(loudness[0], 1e-9) / max(loudness[1], 1e-9))
    if not e.mask.any():
        return "The mask keeps nothing."
    return "What the mask keeps." if under > -15 else f"What the mask keeps: {-under:.0f} dB under the recording."


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
    """The axis of :func:`score_bars`."""
    e = explanation
    values = (e.score, e.score_in, e.score_heard, e.score_out)
    high = 1.0 if e.unit == "probability" else 1.1 * max(*values, 0.01)
    return Axis(1.1 * min(0.0, *values), high)


EXTENT = Axis(0.0, 1.0)
"""The axis of :func:`extent_bars`."""


def extent_bars(explanation: Explanation) -> list[Bar]:
    """Mask mean and energy kept."""
    e = explanation
    energy = "part of the sound's power in the explanation"
    return [
        Bar("Mask mean", "how much of seconds x hertz the mask covers", e.mask_mean, f"{e.mask_mean:.2f}", "left"),
        Bar("Energy kept", energy, e.kept_energy, per_cent(e.kept_energy), "left"),
    ]


def mask_view(explanation: Explanation, part: Excerpt, peak: float | None = None, columns: int = COLUMNS) -> Picture:
    """The spectrogram under the mask, its largest parts numbered."""
    regions = explanation.regions()
    return make_picture(raster(explanation, columns), _alt(explanation, regions), regions=regions, part=part, peak=peak)


def say_regions(regions: Sequence[Region]) -> str:
    """Regions in a line."""
    return "; ".join(map(str, regions)) or "nowhere above one half"


def model_pairs(explanation: Explanation | ConceptExplanation) -> list[tuple[str, object]]:
    """Names and values of the model's card."""
    card = explanation.provenance.model_card
    return [(words, card[name]) for words, name in _CARD if card.get(name)]


def _alt(e: Explanation, regions: Sequence[Region]) -> str:
    where = say_regions(regions)
    return f"Spectrogram of {e.seconds:.1f} seconds with the mask over it. The mask lies at: {where}."


def _facts(e: Explanation) -> list[tuple[str, str]]:
    """Words of ours, and text that comes from elsewhere."""
    p = e.provenance
    others = {"contrast": "compared with", "probability": "among"}.get(e.target.kind, "")
    facts = [
        ("", p.audio_name),
        (f"{e.seconds:.2f} s", ""),
        ("model", p.model),
        ("explainer", p.explainer),
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


# The same as markup, for pages that are built by `tag`.


def players_rule(*given: Explanation | ConceptExplanation | Excerpt | str) -> Html:
    """:func:`players_note` as markup."""
    return write("players_note", players_note(*given))  # type: ignore[arg-type]


def mask_picture(explanation: Explanation, part: Excerpt, peak: float | None = None, columns: int = COLUMNS) -> Html:
    """:func:`mask_view` as markup."""
    return write("picture", mask_view(explanation, part, peak, columns))


def mask_key(explanation: Explanation) -> Html:
    """How to read :func:`mask_picture`."""
    return write("mask_key", explanation.grid.band)


def mask_regions(explanation: Explanation) -> Html:
    """The largest parts of the mask in words."""
    return write("regions", explanation.regions())


def warnings_section(e: Explanation | ConceptExplanation) -> Html:
    """What a reader should know first, or nothing."""
    return write("warnings", e.provenance.warnings)


def model_section(e: Explanation | ConceptExplanation) -> Html:
    """The model's card."""
    return write("model", model_pairs(e))


def footer(e: Explanation | ConceptExplanation) -> Html:
    """Who wrote the page."""
    return write("footer", e.provenance.versions.get("zsxai", ""))
