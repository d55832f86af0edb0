"""The page of a concept explanation: right figures, bounded, and every text is text."""

from __future__ import annotations

import base64
import hashlib
import io
import re

import numpy as np
import pytest
import soundfile

import zsxai
from tests.pages import Reader
from zsxai.concepts.explanation import Concept, ConceptWindow
from zsxai.show.concepts import notebook_html, page_html, short_record, sound_folder
from zsxai.show.concepts_index import index_html
from zsxai.show.concepts_time import WINDOWS
from zsxai.show.over_time import ROWS, choose_rows

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>$body{}&amp;\u202e"
WORDS = ("a rising tone", "rain", "a dog barking", "a siren", "hiss", "a bell")
RATE = 32000


def siren(seconds: float = 2.0) -> np.ndarray:
    times = np.arange(int(seconds * RATE)) / RATE
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(times))
    return (noise + 0.3 * np.sin(2 * np.pi * 700 * times + 60 * np.sin(2 * np.pi * times))).astype(np.float32)


@pytest.fixture(scope="module")
def made():
    return zsxai.explain_concepts(siren(), sample_rate=RATE, vocabulary=WORDS, k=4, listen=2, grouped=0.99)


@pytest.fixture(scope="module")
def bare(made):
    return made.model_copy(update={"sounds": ()})


@pytest.fixture(scope="module")
def page(made):
    return page_html(made)


def remade(e, **fields):
    """An explanation of other fields, checked as a new one is."""
    kept = {name: getattr(e, name) for name in type(e).model_fields}
    return type(e)(**{**kept, **fields})


def nasty(e):
    """With hostile text in every place that a caller or a file can fill."""
    words = tuple(c.model_copy(update={"name": NASTY, "words": {NASTY: 0.2, f"{NASTY}!": 0.1}}) for c in e.concepts)
    windows = tuple(w.model_copy(update={"words": {NASTY: 0.3}}) for w in e.windows)
    card = {**e.provenance.model_card, "limits": NASTY, "summary": NASTY}
    changed = {"model": NASTY, "model_card": card, "audio_name": NASTY, "warnings": (NASTY,), "template": NASTY}
    vocabulary = e.vocabulary.model_copy(update=dict.fromkeys(("name", "source", "licence", "construction"), NASTY))
    provenance = e.provenance.model_copy(update=changed)
    fields = {"concepts": words, "windows": windows, "provenance": provenance, "vocabulary": vocabulary}
    return e.model_copy(update=fields)


def test_page_says_the_figures(page, made):
    text = Reader(page).text
    for concept in made.concepts:
        assert concept.name in text
        assert f"{concept.weight:.3f}" in text
    assert f"{made.said:.0%}" in text
    assert f"{made.cosine:.3f}" in text
    for said in ("array", "tiny", "given", f"({len(WORDS)} words)", "centring mean", f"k 4, lambda {made.penalty:.3g}"):
        assert said in text
    for window in made.windows:
        assert f"{window.start:.2f}-{window.stop:.2f} s" in text


def test_bars_lie_on_one_axis(page, made):
    drawn = [a["width"] for a in Reader(page).all("rect") if (a.get("class") or "").startswith("bar ")]
    largest = made.concepts[0].weight
    assert drawn == [f"{100 * c.weight / largest:.2f}%" for c in made.concepts]


def test_every_sound_has_its_map_and_players(page, made):
    read = Reader(page)
    first, second = (f"“{c.name}”" for c in made.concepts[:2])
    expected = {
        f"Sound of {first}": made.sounds[0].audio,
        f"What remains without {first}": made.sounds[0].residue,
        f"Sound of {second}": made.sounds[1].audio,
        f"What remains without {second}": made.sounds[1].residue,
        "Recording": made.original,
        "What no word claims": made.unclaimed,
    }
    assert [a["aria-label"] for a in read.all("audio")] == list(expected)
    for attributes, wave in zip(read.all("audio"), expected.values(), strict=True):
        content = base64.b64decode(attributes["src"].removeprefix("data:audio/wav;base64,"))
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        assert rate == made.sample_rate
        np.testing.assert_allclose(samples, wave, atol=2**-15)
    assert sum("in colour where the explanation keeps it" in (a["alt"] or "") for a in read.all("img")) == 2
    assert {a["href"] for a in read.all("a")} == {"#concept-1", "#concept-2"}
    links = {a["href"] for a in Reader(page_html(made, beside=True)).all("a")}
    assert links - {"#concept-1", "#concept-2"} == {
        "original.wav",
        "unclaimed.wav",
        *(f"{sound_folder(n)}/index.html" for n in (1, 2)),
    }


def test_without_listening_there_are_bars_strips_and_the_recording(bare):
    read = Reader(page_html(bare))
    assert [a["aria-label"] for a in read.all("audio")] == ["Recording"]
    assert not any("mask" in (a["alt"] or "") for a in read.all("img"))
    assert "Words over time" in read.text
    assert not read.all("a")


def test_the_page_is_alone_under_its_policy(page):
    read = Reader(page)
    for name, attributes in read.elements:
        for key in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:", "#")), (name, key, value[:60])
    policy = next(a["content"] for a in read.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    for name in ("style", "script"):
        (inside,) = re.findall(f"<{name}>(.*?)</{name}>", page, flags=re.S)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not any("style" in attributes for _, attributes in read.elements), "the policy would drop it"
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all("alt" in attributes for attributes in read.all("img"))


@pytest.mark.parametrize("render", [page_html, notebook_html, lambda e: index_html(NASTY, [(NASTY, "1", 1, NASTY)])])
def test_untrusted_text_stays_text(made, render):
    written = render(nasty(made))
    read = Reader(written)
    assert NASTY in read.text
    assert "alert(1)</script>" not in written
    assert not any("onerror" in attributes for _, attributes in read.elements)
    assert len(read.all("script")) == written.count("<script") == (0 if render is notebook_html else 1)


def test_an_empty_explanation_says_why():
    silent = zsxai.explain_concepts(siren(), sample_rate=RATE, vocabulary=WORDS, lam=2.0)
    for render in (page_html, notebook_html):
        read = Reader(render(silent))
        assert f"No word is left: the penalty (lambda) 2 is not under {silent.largest_penalty:.3g}" in read.text
        assert len(read.all("audio")) == 1
    assert not silent.concepts


def test_page_of_a_long_recording_is_bounded(bare):
    seconds, count = 600, 2000
    noise = 0.1 * np.random.default_rng(0).standard_normal(seconds * 8000).astype(np.float32)
    names = [f"word {n}" for n in range(400)]
    vocabulary = bare.vocabulary.model_copy(update={"words": tuple(names)})
    concepts = tuple(Concept(name=n, words={n: 1.0 - i / 1000}) for i, n in enumerate(names[:100]))
    passing = tuple(Concept(name=n, words={n: 0.0}) for n in names[100:])
    windows = [
        ConceptWindow(start=i * 0.3, stop=i * 0.3 + 0.6, words={names[i % 400]: 0.5}, cosine=i / count)
        for i in range(count)
    ]
    fields = {"original": noise, "sample_rate": 8000, "vocabulary": vocabulary, "concepts": concepts}
    long = remade(bare, **fields, passing=passing, windows=tuple(windows))
    written = page_html(long)
    assert len(written) < 3_000_000
    read = Reader(written)
    assert "The players hold" in read.text
    assert len(read.all("tr")) == WINDOWS + 1
    assert "599.70-600.30 s" in read.text
    assert "60 more concepts weigh 0.960 or less" in read.text
    assert sum("data-cursor" in a for a in read.all("div")) == ROWS + 2, "strips, the picture and the player"


def test_strips_are_the_strongest_concepts_then_passing_ones(bare):
    words = ("a", "b", "c", "d")
    windows = (
        ConceptWindow(start=0, stop=1, words={"a": 0.4, "d": 0.03}, cosine=0.5),
        ConceptWindow(start=0.5, stop=1.5, words={"b": 0.1, "c": 0.2}, cosine=0.5),
        ConceptWindow(start=1, stop=2, words={}, cosine=0.0),
    )
    concepts = (Concept(name="a", words={"a": 0.3}),)
    passing = tuple(Concept(name=n, words={n: 0.0}) for n in words[1:])
    vocabulary = bare.vocabulary.model_copy(update={"words": words})
    shown = choose_rows(remade(bare, concepts=concepts, passing=passing, windows=windows, vocabulary=vocabulary))
    assert [c.name for c in shown.rows] == ["a", "c", "b"], "d is under a tenth of the largest weight"
    np.testing.assert_allclose(shown.weights, [[0.4, 0, 0], [0, 0.2, 0], [0, 0.1, 0]])
    np.testing.assert_allclose(shown.edges, [0.0, 0.75, 1.25, 2.0])
    assert (shown.whole, shown.peak) == (1, 0.4)


def test_the_record_names_the_vocabulary_by_its_hash(made):
    record = short_record(made)
    assert record["vocabulary"]["sha256"] == made.vocabulary.sha256
    assert record["vocabulary"]["size"] == len(WORDS)
    assert "words" not in record["vocabulary"]
    assert [s["target"]["prompt"] for s in record["sounds"]] == [c.name for c in made.concepts[:2]]


def test_plot_draws_words_over_time_or_bars(made):
    axes = made.plot()
    names = [label.get_text() for label in axes.get_yticklabels()]
    shown = choose_rows(made)
    assert names == [c.name for c in shown.rows]
    mesh = axes.collections[0].get_array()
    np.testing.assert_allclose(mesh.filled(0.0), shown.weights)
    assert axes.get_xlim() == (0.0, made.seconds)
    bars = made.model_copy(update={"windows": (), "passing": ()}).plot()
    assert [round(p.get_width(), 9) for p in bars.patches] == [round(c.weight, 9) for c in made.concepts]
    empty = made.model_copy(update={"concepts": (), "passing": (), "sounds": ()}).plot()
    assert "no word" in empty.texts[0].get_text()


def test_a_page_has_names_as_they_are(bare):
    named = bare.model_copy(update={"provenance": bare.provenance.model_copy(update={"audio_name": "鐘の音 🔔"})})
    assert "鐘の音 🔔" in page_html(named)
