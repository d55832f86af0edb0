"""One concept explanation as one page: words with their bars, their maps and their sounds, and words over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from zsxai.show.concepts_time import NAMED, read_style, time_section
from zsxai.show.html import Html, as_json, data_uri, document, join, per_cent, signed, tag, untrusted
from zsxai.show.page import (
    NOTEBOOK_SECONDS,
    footer,
    kept_note,
    mask_key,
    mask_picture,
    mask_regions,
    model_section,
    players_rule,
    warnings_section,
)
from zsxai.show.parts import (
    SECONDS,
    Excerpt,
    bars,
    definitions,
    excerpt,
    flac,
    picture,
    player_card,
    shades,
    strip_peak,
)
from zsxai.show.raster import spectrogram

if TYPE_CHECKING:
    from zsxai.concepts.explanation import Concept, ConceptExplanation
    from zsxai.explanation import Explanation

PLAYED = 150.0
"""Seconds of sound that all players of a page hold together: with many concepts each holds less."""
BARS = 40
"""Concepts with a bar, before the others are counted."""
_MAP_COLUMNS = 600


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
    sections = (
        _head(e),
        warnings_section(e),
        _words(e),
        _maps(e, part, beside=beside),
        _recording(e, part, beside=beside),
        time_section(e),
        tag("div", _vocabulary(e), model_section(e), class_="two"),
        _provenance(e),
        footer(e),
    )
    return document(
        f"What is heard in {e.provenance.audio_name}, in words",
        join(shades(), tag("main", *sections)),
        style=read_style(),
    )


def notebook_html(explanation: ConceptExplanation) -> str:
    """A small view for notebooks: bars, what the words say, a player; no script, nothing outside it."""
    e = explanation
    part = excerpt([e.original], e.sample_rate, _middle(e), NOTEBOOK_SECONDS)
    start, stop = part.seconds
    cut = "" if stop - start > e.seconds - 0.01 else f" ({start:.1f}-{stop:.1f} s)"
    largest = max((c.weight for c in e.concepts), default=1.0)
    rows = [
        tag(
            "tr",
            tag("td", untrusted(c.name), tag("span", " ", _members(c), style="opacity:.65"), style="text-align:left"),
            tag(
                "td",
                tag("div", style=f"background:#1f7f6d;height:11px;width:{160 * c.weight / largest:.0f}px"),
                style="text-align:left",
            ),
            tag("td", signed(c.weight)),
        )
        for c in e.concepts[:BARS]
    ]
    player = tag(
        "audio",
        controls=True,
        preload="metadata",
        src=data_uri("audio/flac", flac(e.original, part)),
        aria_label="recording",
        style="width:280px;max-width:100%;height:34px",
    )
    return str(
        tag(
            "div",
            tag("div", tag("strong", untrusted(e.provenance.audio_name)), ": ", _said(e), style="font-size:15px"),
            tag("table", tag("tbody", *rows), style="margin:6px 0;font-size:13px") if rows else _nothing(e),
            tag(
                "label",
                tag("span", "recording" + cut, style="display:block;font-size:12px;opacity:.75"),
                player,
            ),
            style="font-family:system-ui,sans-serif;line-height:1.5;max-width:720px",
        )
    )


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


def _nothing(e: ConceptExplanation) -> Html:
    return tag(
        "p",
        f"No word is left: the penalty (lambda) {e.penalty:.3g} is not under {e.largest_penalty:.3g}, from which on "
        "every weight is 0. Explain again with a smaller one, or say how many words (k).",
        class_="lead",
    )


def _members(concept: Concept) -> str:
    """The other words of a concept."""
    others = [(word, weight) for word, weight in concept.words.items() if weight and word != concept.name]
    named = ", ".join(f"{word} {signed(weight)}" for word, weight in others[:NAMED])
    return named + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")


def _head(e: ConceptExplanation) -> Html:
    p = e.provenance
    asked = f"k {p.k}, lambda {e.penalty:.3g}" if p.k else f"lambda {e.penalty:.3g}"
    facts = [
        f"{e.seconds:.2f} s",
        join("model ", untrusted(p.model)),
        join("vocabulary ", untrusted(e.vocabulary.name), f" ({len(e.vocabulary):,} words)"),
        f"centring {p.centring['kind']}",
        join("template ", untrusted(p.template)) if p.template else "",
        asked,
    ]
    centred = "" if p.centring["kind"] == "none" else "centred "
    sentence = ""
    if e.concepts:
        sentence = (
            f"{_said(e)}: the {centred}embedding and its mix of words have the cosine {signed(e.cosine)}, of which "
            f"this is the square. The rest, {per_cent(1 - e.said)}, is in no mix of these words."
        )
    return tag(
        "header",
        tag("p", "What does the model hear, in words?", class_="eyebrow"),
        tag("h1", untrusted(p.audio_name)),
        tag("ul", *(tag("li", f) for f in facts if f), class_="facts"),
        tag("p", sentence, class_="lead number") if sentence else Html(),
    )


def _words(e: ConceptExplanation) -> Html:
    if not e.concepts:
        return tag("section", tag("h2", "No words"), _nothing(e))
    shown, heard = e.concepts[:BARS], len(e.sounds)
    rows = [
        (
            tag("a", untrusted(c.name), href=f"#concept-{n}") if n <= heard else untrusted(c.name),
            untrusted(_members(c)),
            c.weight,
            signed(c.weight),
            "kept" if n <= heard or not heard else "left",
        )
        for n, c in enumerate(shown, 1)
    ]
    more = e.concepts[BARS:]
    rest = (
        f"{len(more)} more concepts weigh {signed(more[0].weight)} or less, {sum(c.weight for c in more):.3f} together."
        if more
        else ""
    )
    rule = (
        "Each bar is a weight of the mix; words of one meaning stand together under the strongest of them, their "
        "weights added. A weight says what the model's embedding resembles, and is no probability that the sound is "
        "there."
    )
    listened = " Green ones were listened to: their maps and sounds are below." if 0 < heard < len(shown) else ""
    return tag(
        "section",
        tag("h2", "Words and weights"),
        tag("p", rule + listened, class_="quiet small"),
        bars(rows, 0.0, shown[0].weight),
        tag("p", rest, class_="quiet small gap") if rest else Html(),
        class_="words",
    )


def _maps(e: ConceptExplanation, part: Excerpt, *, beside: bool) -> Html:
    if not e.sounds:
        return Html()
    peak = strip_peak(e.original, e.sample_rate)
    first = e.sounds[0]
    told = (
        "Each concept was given to the explainer as a prompt, against the others"
        if len(e.sounds) > 1
        else "The concept was given to the explainer as a prompt"
    )
    pairs = zip(e.concepts, e.sounds, strict=False)
    return tag(
        "section",
        tag("h2", "Where each is heard"),
        tag("p", f"{told} (", untrusted(first.provenance.explainer), ").", class_="quiet small"),
        mask_key(first),
        *(_map(n, c, s, part, peak, beside=beside) for n, (c, s) in enumerate(pairs, 1)),
    )


def _map(number: int, concept: Concept, sound: Explanation, part: Excerpt, peak: float, *, beside: bool) -> Html:
    name = f"“{concept.name}”"
    link = tag("a", "Its own page", href=f"{sound_folder(number)}/index.html") if beside else Html()
    scores = (
        f"{sound.unit}: {signed(sound.score)} as it is, {signed(sound.score_in)} with only this part, "
        f"{signed(sound.score_out)} without it; the mask covers {per_cent(sound.mask_mean)}, and keeps "
        f"{per_cent(sound.kept_energy)} of the energy."
    )
    players = tag(
        "div",
        player_card(
            "Its sound",
            kept_note(sound),
            sound.audio,
            part,
            peak=peak,
            kept=True,
            link=link,
            label=f"Sound of {name}",
        ),
        player_card(
            "What remains",
            "What the mask leaves.",
            sound.residue,
            part,
            peak=peak,
            label=f"What remains without {name}",
        ),
        class_="players",
    )
    return tag(
        "article",
        tag("h3", untrusted(concept.name), " ", tag("span", signed(concept.weight), class_="number quiet")),
        tag("p", "with ", untrusted(_members(concept)), class_="quiet small") if _members(concept) else Html(),
        tag(
            "div",
            tag("div", mask_picture(sound, part, columns=_MAP_COLUMNS)),
            tag("div", players, tag("p", scores, class_="quiet small number"), mask_regions(sound), class_="stack"),
            class_="two",
        ),
        class_="concept",
        id=f"concept-{number}",
    )


def sound_folder(number: int) -> str:
    """Folder of a sound beside the page, numbered from 1: words may hold what no file name may."""
    return f"sounds/{number}"


def _recording(e: ConceptExplanation, part: Excerpt, *, beside: bool) -> Html:
    peak = strip_peak(e.original, e.sample_rate)
    link = tag("a", "original.wav", href="original.wav") if beside else Html()
    cards = [
        player_card("Recording", "What the model heard: mono, at its own rate.", e.original, part, peak=peak, link=link)
    ]
    whole: Html = Html()
    if e.sounds:
        left = "What every mask above leaves: the part that none of these concepts claims."
        file = tag("a", "unclaimed.wav", href="unclaimed.wav") if beside else Html()
        cards.append(player_card("What no word claims", left, e.unclaimed, part, peak=peak, link=file))
    else:
        alt = f"Spectrogram of {e.seconds:.1f} seconds."
        whole = picture(spectrogram(e.original, e.sample_rate), alt, part=part)
    return tag(
        "section",
        tag("h2", "The recording"),
        whole,
        tag("p", "Start one player while another plays and it takes over at the same moment.", class_="quiet small")
        if e.sounds
        else Html(),
        tag("div", *cards, class_="players" if e.sounds else "players gap"),
        players_rule(e, part, "where the strongest concept is strongest"),
    )


def _vocabulary(e: ConceptExplanation) -> Html:
    v, c = e.vocabulary, e.provenance.centring
    pairs: list[tuple[str, object]] = [
        ("Name", untrusted(v.name)),
        ("Words", f"{len(v):,}"),
        ("Licence", untrusted(v.licence)),
        ("Source", untrusted(v.source)),
        ("Construction", untrusted(v.construction)),
        ("Words (sha256)", v.sha256),
        ("Centring", c["kind"]),
    ]
    if c["kind"] != "none":
        pairs += [("Made from", untrusted(c["data"])), ("Centring (sha256)", c["sha256"])]
    return tag("section", tag("h2", "The words that could be said"), definitions(pairs))


def _provenance(e: ConceptExplanation) -> Html:
    how = (
        "Minimised is ||C'w - z||² + lambda sum(w) over weights w of 0 or more: z is the unit embedding of the "
        f"recording, C has a unit row for every word. ||C'w - z||² is {e.residual:.3f}; the weights are within "
        f"{e.kkt:.1e} of the conditions of a minimum."
    )
    record = short_record(e)
    for name in ("windows", "passing"):
        del record[name]
    return tag(
        "section",
        tag(
            "details",
            tag("summary", "Everything that can change a number"),
            tag("p", how, class_="small"),
            tag("pre", as_json(record), tabindex=0, aria_label="The record as JSON"),
        ),
    )
