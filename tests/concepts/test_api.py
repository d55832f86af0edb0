"""``explain_concepts``: known words in known sounds, windows, groups, options, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import zsxai
from zsxai.concepts.centring import Centring
from zsxai.concepts.dictionary import build_dictionary

RATE = 8000
WORDS = ["low", "middle", "high", "top"]
Chord = Callable[..., np.ndarray]


def explain(audio: np.ndarray, model: object, **options: Any) -> zsxai.ConceptExplanation:
    return zsxai.explain_concepts(audio, sample_rate=RATE, model=model, **{"vocabulary": WORDS, **options})


def test_two_chords_are_two_words(chord: Chord, bands: Any) -> None:
    found = explain(chord(0, 2), bands, lam=0.2)
    half = 0.5**0.5
    assert dict(found.weights) == {"low": pytest.approx(half - 0.1), "high": pytest.approx(half - 0.1)}
    assert found.cosine == pytest.approx(1.0)
    assert found.said == pytest.approx(1.0)
    assert found.residual == pytest.approx(2 * 0.1**2)
    assert found.largest_penalty == pytest.approx(2 * half)
    assert found.kkt < 1e-9
    assert [(group.name, group.weight) for group in found.groups] == list(found.weights.items())
    np.testing.assert_allclose(found.embedding, [half, 0, half, 0], atol=1e-5)
    np.testing.assert_allclose(found.reconstruction, [half, 0, half, 0], atol=1e-5)


def test_k_is_the_most_words(chord: Chord, bands: Any) -> None:
    assert list(explain(chord(1, 1, 3), bands, k=1).weights) == ["middle"]
    for many in (4, 10**30):
        assert set(explain(chord(1, 3), bands, k=many).weights) == {"middle", "top"}


def test_a_penalty_at_its_largest_says_nothing(chord: Chord, bands: Any) -> None:
    found = explain(chord(0, 2), bands, lam=1.5)
    assert (found.concepts, dict(found.weights), found.cosine, found.residual) == ((), {}, 0.0, pytest.approx(1.0))
    assert any("not under 1.41" in note for note in found.provenance.warnings)
    assert "nothing" in str(found)
    assert "note: lambda 1.5 is not under 1.41" in str(found)


def test_words_over_time(chord: Chord, bands: Any) -> None:
    audio = np.concatenate([chord(0), chord(3)])
    found = explain(audio, bands, lam=0.2, window=1.0)
    assert [(w.start, w.stop) for w in found.windows] == [
        pytest.approx(span, abs=0.04) for span in ((0.0, 1.0), (0.5, 1.5), (1.0, 2.0))
    ]
    assert [set(w.words) for w in found.windows] == [{"low"}, {"low", "top"}, {"top"}]
    rows, weights = found.over_time()
    assert [row.name for row in rows] == ["low", "top"]
    np.testing.assert_allclose(weights[:, [0, 2]], [[0.9, 0], [0, 0.9]], atol=2e-3)
    assert not explain(audio, bands, window=0).windows


def test_words_that_only_windows_have_pass(chord: Chord, bands: Any) -> None:
    found = explain(np.concatenate([chord(0, seconds=1.8), chord(3, seconds=0.2)]), bands, k=1, window=0.2)
    assert [c.name for c in found.concepts] == ["low"]
    assert [(c.name, c.weight) for c in found.passing] == [("top", 0.0)]


def test_a_long_recording_is_the_mean_of_its_windows(chord: Chord, bands: Any) -> None:
    found = explain(np.concatenate([chord(0, seconds=4), chord(3, seconds=2)]), bands, lam=0.0)
    assert found.weights["low"] == pytest.approx(2 * found.weights["top"], rel=1e-3)


def test_near_synonyms_are_one_concept(chord: Chord, bands: Any) -> None:
    audio = chord(0, 0, 0, 1)
    found = explain(audio, bands, lam=0.01, vocabulary=[*WORDS, "low hum"], grouped=0.9)
    assert [list(c.words) for c in found.concepts] == [["low hum", "low"], ["middle"]] or [
        list(c.words) for c in found.concepts
    ] == [["low hum"], ["middle"]]
    apart = explain(audio, bands, lam=0.01, vocabulary=[*WORDS, "low hum"], grouped=1.0)
    assert all(len(c.words) == 1 for c in apart.concepts)


def test_a_dictionary_is_embedded_once(chord: Chord, bands: Any) -> None:
    words = build_dictionary(bands, WORDS)
    bands.asked.clear()
    assert list(explain(chord(2), bands, vocabulary=words).weights) == ["high"]
    assert not bands.asked
    other = type(bands)("b" * 64)
    with pytest.raises(zsxai.InputError, match="was embedded by bands"):
        explain(chord(2), other, vocabulary=words)


def test_a_template_goes_around_words(chord: Chord, bands: Any) -> None:
    found = explain(chord(2), bands, template="a {}")
    assert set(bands.asked) == {"a low", "a middle", "a high", "a top"}
    assert found.provenance.template == "a {}"


def test_silence_has_no_words_over_time() -> None:
    dog = np.concatenate([np.random.default_rng(0).normal(0, 0.1, 32000), np.zeros(64000)]).astype(np.float32)
    found = zsxai.explain_concepts(dog, sample_rate=32000, vocabulary=["wind", "a dog barking"], window=1.0)
    assert [bool(w.words) for w in found.windows][-2:] == [False, False]


def test_silence_has_no_words() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-8, 32000).astype(np.float32)
    found = zsxai.explain_concepts(noise, sample_rate=32000, vocabulary=["wind", "a dog barking"])
    assert not found.weights
    assert "it hears silence" in found.provenance.warnings[-1]


def test_sounds_of_concepts() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 64000).astype(np.float32)
    vocabulary = ["wind", "a dog barking", "rain", "a siren"]
    found = zsxai.explain_concepts(noise, sample_rate=32000, vocabulary=vocabulary, lam=0.0, listen=2, window=0)
    names = [c.name for c in found.concepts]
    assert [sound.prompt for sound in found.sounds] == names[:2]
    assert [sound.target.others for sound in found.sounds] == [(names[1],), (names[0],)]
    assert found[names[0]] is found.sounds[0]
    assert found.unclaimed.shape == noise.shape
    # What no word claims is what every mask leaves: as loud as the quietest residue at most.
    power = [float(np.square(sound.residue).sum()) for sound in found.sounds]
    assert float(np.square(found.unclaimed).sum()) <= min(power) * 1.01
    if len(names) > 2:
        with pytest.raises(zsxai.InputError, match=r"listen=3"):
            found[names[2]]
    with pytest.raises(zsxai.InputError, match="unknown concept"):
        found["violin"]


def test_a_concept_is_found_by_a_word_of_a_phrase() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    found = zsxai.explain_concepts(noise, sample_rate=32000, vocabulary=["hard wind", "a dog"], lam=0.0, window=0)
    if found.concepts:
        assert found.find(found.concepts[0].name.split()[-1]) is found.concepts[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary": []}, "two words or more, not none"),
        ({"vocabulary": ["low"]}, "two words or more, not 1"),
        ({"vocabulary": ["low", "top", "low"]}, "'low' comes more than once"),
        ({"vocabulary": ["low", "deaf"]}, "bands refuses the word 'deaf': this word is too hard"),
        ({"vocabulary": "clusterd"}, "did you mean 'clustered'"),
        ({"vocabulary": [f"word {n}" for n in range(20_001)]}, "20,001 words: 20,000 at most"),
        ({"lam": -1.0}, "lambda, is a finite number, 0 or more, not -1"),
        ({"lam": "0.1"}, "lambda, is a finite number, 0 or more, not '0.1'"),
        ({"lam": [0.1]}, r"lambda, is a finite number, 0 or more, not \[0.1\]"),
        ({"lam": 0.1, "k": 3}, "not both"),
        ({"k": 0}, "k is 1 or more|k .* 1"),
        ({"window": -1.0}, "window, in seconds, is a finite number, 0 or more"),
        ({"window": "1"}, "window, in seconds, is a finite number"),
        ({"grouped": 2.0}, "grouped, a text cosine, is a number from -1 to 1, not 2"),
        ({"grouped": None}, "grouped, a text cosine, is a number from -1 to 1, not None"),
        ({"centring": "mean"}, "bands brings no centring 'mean'"),
        ({"centring": "middle"}, "unknown centring"),
        ({"centring": ["none"]}, "unknown centring"),
        ({"centring": Centring("mean", "bands", "a" * 64, "", "", {"audio_mean": torch.zeros(7)})}, "of 7 numbers"),
        ({"listen": 100}, "20"),
        ({"listen": 1.5}, "listen is a whole number from 0 to 20, not 1.5"),
        ({"listen": None}, "listen is a whole number"),
    ],
)
def test_what_is_wrong_is_one_line(chord: Chord, bands: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(zsxai.InputError, match=message) as caught:
        explain(chord(0), bands, **options)
    assert "\n" not in str(caught.value)


def test_a_model_without_a_text_side(chord: Chord) -> None:
    class Deaf:
        sample_rate = RATE

        def embed_audio(self, waveforms: Any) -> Any:
            return waveforms[:, :4]

    with pytest.raises(zsxai.InputError, match="embed_text"):
        explain(chord(0), Deaf())
