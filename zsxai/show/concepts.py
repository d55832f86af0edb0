"""One concept explanation as one page: words with their bars, their maps and their sounds, and words over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from zsxai.regions import Region
from zsxai.show.concepts_time import NAMED, view_time
from zsxai.show.page import NOTEBOOK_SECONDS, dimmed, mask_view, model_pairs
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
from zsxai.show.raster import spectrogram
from zsxai.show.sounds import PLAYED, kept_note, players_note
from zsxai.show.templates import read, render, render_page
from zsxai.written import as_json, per_cent, signed

if TYPE_CHECKING:
    from zsxai.concepts.explanation import Concept, ConceptExplanation
    from zsxai.explanation import Explanation

BARS = 40
"""Concepts with a bar, before the others are counted."""
_MAP_COLUMNS = 600


@dataclass(frozen=True)
class Heard:
    """A concept that was listened to.

    Attributes:
        number: From 1.
        concept: The concept.
        members: Its other words.
        picture: Where it is heard.
        regions: The same in words.
        cards: Its sound, and what remains.
        scores: Its figures in a sentence.
    """

    number: int
    concept: Concept
    members: str
    picture: Picture
    regions: Sequence[Region]
    cards: Sequence[Card]
    scores: str


def page_html(explanation: ConceptExplanation, *, beside: bool = False) -> str:
    """The page.

    Its size is bounded whatever the recording's length: pictures have at most 1,000 columns, all players together hold
    at most 150 s, words over time have at most 16 rows, the table of windows at most 200.

    Args:
        explanation: What to show.
        beside: The page lies in the folder of the explanation: link to the files there.
    """
    e = explanation
    part = _excerpt(e)
    peak = strip_peak(e.original, e.sample_rate)
    pairs = zip(e.concepts, e.sounds, strict=False)
    heard = [_heard(n, c, s, part, peak, beside=beside) for n, (c, s) in enumerate(pairs, 1)]
    alt = f"Spectrogram of {e.seconds:.1f} seconds."
    return render_page(
        "concepts.html",
        f"What is heard in {e.provenance.audio_name}, in words",
        style=read("concepts.css"),
        e=e,
        facts=_facts(e),
        sentence=_sentence(e),
        words=_bars(e),
        axis=_axis(e),
        some_heard=0 < len(heard) < min(len(e.concepts), BARS),
        rest=_rest(e),
        nothing=_nothing(e),
        concepts=heard,
        dimmed=dimmed(e.sounds[0]) if e.sounds else "",
        whole=None if heard else make_picture(spectrogram(e.original, e.sample_rate), alt, part=part),
        cards=_recording(e, part, peak, beside=beside),
        players=players_note(e, part, "where the strongest concept is strongest"),
        time=view_time(e),
        vocabulary=_vocabulary(e),
        model=model_pairs(e),
        how=(
            "Minimised is ||C'w - z||² + lambda sum(w) over weights w of 0 or more: z is the unit embedding of the "
            f"recording, C has a unit row for every word. ||C'w - z||² is {e.residual:.3f}; the weights are within "
            f"{e.kkt:.1e} of the conditions of a minimum."
        ),
        record=as_json({k: v for k, v in short_record(e).items() if k not in ("windows", "passing")}),
    )


def notebook_html(explanation: ConceptExplanation) -> str:
    """A small view for notebooks: bars, what the words say, a player; no script, nothing outside it."""
    e = explanation
    part = excerpt([e.original], e.sample_rate, _middle(e), NOTEBOOK_SECONDS)
    start, stop = part.seconds
    written = render(
        "concepts_notebook.html",
        e=e,
        said=_said(e),
        words=_bars(e),
        axis=_axis(e),
        nothing=_nothing(e),
        cut="" if stop - start > e.seconds - 0.01 else f" ({start:.1f}-{stop:.1f} s)",
        player=make_player(e.original, part, "recording"),
    )
    return str(written)


def short_record(explanation: ConceptExplanation) -> dict[str, Any]:
    """The explanation for JSON, the vocabulary by its card and hash: without its words."""
    e = explanation
    record = e.model_dump(mode="json", exclude={"vocabulary": {"words"}})
    record["vocabulary"] |= {"size": len(e.vocabulary), "sha256": e.vocabulary.sha256}
    sounds = [
        {
            "target": s.target.model_dump(mode="json"),
            "masking": s.masking.model_dump(mode="json"),
            **s.provenance.model_dump(
                mode="json", include={"explainer", "options", "explainer_weights", "calibration", "seed", "batch_size"}
            ),
        }
        for s in e.sounds
    ]
    return {**record, "sounds": sounds, "said": e.said}


def _middle(e: ConceptExplanation) -> float:
    """Where the strongest concept is strongest, seconds; the middle where no window has it."""
    if not e.concepts or not e.windows:
        return e.seconds / 2
    first = e.concepts[0].words
    best = max(e.windows, key=lambda w: sum(w.words.get(word, 0.0) for word in first))
    return (best.start + best.stop) / 2


def _excerpt(e: ConceptExplanation) -> Excerpt:
    sounds: list[NDArray[Any]] = [e.original]
    if e.sounds:
        sounds += [e.unclaimed, *(w for s in e.sounds for w in (s.audio, s.residue))]
    return excerpt(sounds, e.sample_rate, _middle(e), min(SECONDS, PLAYED / len(sounds)))


def _said(e: ConceptExplanation) -> str:
    count = len(e.weights)
    whose = f"1 word says {per_cent(e.said)}" if count == 1 else f"{count} words say {per_cent(e.said)}"
    return f"{whose} of what {e.provenance.model} hears"


def _nothing(e: ConceptExplanation) -> str:
    return (
        f"No word is left: the penalty (lambda) {e.penalty:.3g} is not under {e.largest_penalty:.3g}, from which on "
        "every weight is 0. Explain again with a smaller one, or say how many words (k)."
    )


def _members(concept: Concept) -> str:
    """The other words of a concept."""
    others = [(word, weight) for word, weight in concept.words.items() if weight and word != concept.name]
    named = ", ".join(f"{word} {signed(weight)}" for word, weight in others[:NAMED])
    return named + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")


def _facts(e: ConceptExplanation) -> list[tuple[str, str]]:
    """Words of ours, and text that comes from elsewhere."""
    p = e.provenance
    facts = [
        (f"{e.seconds:.2f} s", ""),
        ("model", p.model),
        ("vocabulary", f"{e.vocabulary.name} ({len(e.vocabulary):,} words)"),
        (f"centring {p.centring['kind']}", ""),
        ("template", f"{p.template}") if p.template else ("", ""),
        (f"k {p.k}, lambda {e.penalty:.3g}" if p.k else f"lambda {e.penalty:.3g}", ""),
    ]
    return [fact for fact in facts if any(fact)]


def _sentence(e: ConceptExplanation) -> str:
    if not e.concepts:
        return ""
    centred = "" if e.provenance.centring["kind"] == "none" else "centred "
    return (
        f"{_said(e)}: the {centred}embedding and its mix of words have the cosine {signed(e.cosine)}, of which this is "
        f"the square. The rest, {per_cent(1 - e.said)}, is in no mix of these words."
    )


def _bars(e: ConceptExplanation) -> list[Bar]:
    heard = len(e.sounds)
    return [
        Bar(
            name=c.name,
            meaning=_members(c),
            value=c.weight,
            written=signed(c.weight),
            kind="kept" if n <= heard or not heard else "left",
            href=f"#concept-{n}" if n <= heard else "",
        )
        for n, c in enumerate(e.concepts[:BARS], 1)
    ]


def _axis(e: ConceptExplanation) -> Axis:
    return Axis(0.0, max((c.weight for c in e.concepts), default=1.0))


def _rest(e: ConceptExplanation) -> str:
    """What has no bar."""
    more = e.concepts[BARS:]
    if not more:
        return ""
    together = sum(c.weight for c in more)
    return f"{len(more)} more concepts weigh {signed(more[0].weight)} or less, {together:.3f} together."


def _heard(number: int, concept: Concept, sound: Explanation, part: Excerpt, peak: float, *, beside: bool) -> Heard:
    name = f"“{concept.name}”"
    own = make_card(
        "Its sound",
        kept_note(sound),
        sound.audio,
        part,
        peak=peak,
        kept=True,
        href=f"{sound_folder(number)}/index.html" if beside else "",
        link="Its own page" if beside else "",
        label=f"Sound of {name}",
    )
    rest = make_card(
        "What remains",
        "What the mask leaves.",
        sound.residue,
        part,
        peak=peak,
        label=f"What remains without {name}",
    )
    return Heard(
        number=number,
        concept=concept,
        members=_members(concept),
        picture=mask_view(sound, part, columns=_MAP_COLUMNS),
        regions=sound.regions(),
        cards=(own, rest),
        scores=(
            f"{sound.unit}: {signed(sound.score)} as it is, {signed(sound.score_in)} with only this part, "
            f"{signed(sound.score_out)} without it; the mask covers {per_cent(sound.mask_mean)}, and keeps "
            f"{per_cent(sound.kept_energy)} of the energy."
        ),
    )


def sound_folder(number: int) -> str:
    """Folder of a sound beside the page, numbered from 1: words may hold what no file name may."""
    return f"sounds/{number}"


def _recording(e: ConceptExplanation, part: Excerpt, peak: float, *, beside: bool) -> list[Card]:
    heard = "What the model heard: mono, at its own rate."
    cards = [make_card("Recording", heard, e.original, part, peak=peak, href="original.wav" if beside else "")]
    if e.sounds:
        left = "What every mask above leaves: the part that none of these concepts claims."
        href = "unclaimed.wav" if beside else ""
        cards.append(make_card("What no word claims", left, e.unclaimed, part, peak=peak, href=href))
    return cards


def _vocabulary(e: ConceptExplanation) -> list[tuple[str, object]]:
    v, c = e.vocabulary, e.provenance.centring
    pairs: list[tuple[str, object]] = [
        ("Name", v.name),
        ("Words", f"{len(v):,}"),
        ("Licence", v.licence),
        ("Source", v.source),
        ("Construction", v.construction),
        ("Words (sha256)", v.sha256),
        ("Centring", c["kind"]),
    ]
    if c["kind"] != "none":
        pairs += [("Made from", c["data"]), ("Centring (sha256)", c["sha256"])]
    return pairs
