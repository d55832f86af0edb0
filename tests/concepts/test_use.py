"""Classification from words, with and without some of them, and retrieval, where the answers are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.concepts.made_up import ANIMALS, dictionary, weights
from tests.toys import BandToy
from zsxai import InputError, explain_concepts
from zsxai.concepts.use import (
    caption_scores,
    class_scores,
    classify_concepts,
    probabilities,
    remove_concepts,
    retrieve_both,
)

BANDS = [f"band {i}" for i in range(4)]
CLASSES = [f"sound in {band}" for band in BANDS]


@pytest.fixture
def sound(tone: Callable[..., Any], noise: Callable[..., Any]) -> dict[str, Any]:
    return {"array": tone(hertz=1500.0) + 0.1 * noise(), "sampling_rate": 16000}


def test_words_that_span_the_space_classify_as_the_embedding_does(sound: dict[str, Any]) -> None:
    model = BandToy()
    z = explain_concepts(sound, model=model, vocabulary=BANDS, lam=0, window=0).embedding
    found = classify_concepts(sound, CLASSES, model=model, vocabulary=BANDS, lam=0)
    assert found.said == pytest.approx(1.0)
    for i, label in enumerate(CLASSES):
        assert found[label].cosines == pytest.approx([z[i], z[i]])
        assert found[label].dense == pytest.approx(np.exp(10 * z[i]) / np.exp(10 * z).sum())
        assert found[label].without is None
    assert found.classes[0].label == CLASSES[z.argmax()]


def test_a_class_falls_without_its_word(sound: dict[str, Any]) -> None:
    model = BandToy()
    made = explain_concepts(sound, model=model, vocabulary=BANDS, lam=0, window=0)
    best = int(made.embedding.argmax())
    found = classify_concepts(sound, CLASSES, model=model, vocabulary=BANDS, lam=0, without=BANDS[best])
    left = np.where(np.arange(4) == best, 0.0, made.embedding)
    left /= np.linalg.norm(left)
    assert [found[label].cosines[2] for label in CLASSES] == pytest.approx(left.tolist())
    assert found[CLASSES[best]].without == min(c.without for c in found.classes if c.without is not None)
    assert found.removed == pytest.approx({BANDS[best]: made.embedding[best]})
    assert classify_concepts(made, CLASSES, model=model, without=[BANDS[best]]) == found
    assert f"taken out: {BANDS[best]}" in str(found)
    assert "without" in str(found)


def test_nothing_is_left(sound: dict[str, Any]) -> None:
    found = classify_concepts(sound, CLASSES, model=BandToy(), vocabulary=BANDS, lam=0, without=BANDS)
    assert [c.without for c in found.classes] == pytest.approx([0.25] * 4)
    assert "no word is left: all classes are alike" in found.notes


def test_class_scores_are_cosines_with_the_mix() -> None:
    rows = weights([3, 0, 4, 0], [0, 0, 0, 0])
    text = torch.eye(4, dtype=torch.float64)
    np.testing.assert_allclose(class_scores(ANIMALS, rows, text), [[0.6, 0, 0.8, 0], [0, 0, 0, 0]], atol=1e-12)
    model = BandToy()
    np.testing.assert_allclose(probabilities(torch.zeros(1, 4), model), [[0.25] * 4])


def test_a_concept_goes_with_its_group() -> None:
    rows = weights([0.5, 0.3, 0.2, 0], [0, 0, 0.4, 0.1])
    for name in ("barks", "hound"):
        assert remove_concepts(ANIMALS, rows, [name]).tolist() == [[0, 0, 0.2, 0], [0, 0, 0.4, 0.1]]
    assert remove_concepts(ANIMALS, rows, ["dog"], grouped=1).tolist()[0] == [0, 0.3, 0.2, 0]
    assert remove_concepts(ANIMALS, rows, []).tolist() == rows.tolist()


def test_retrieval_both_ways() -> None:
    """Two recordings, the first with two captions, of which one is about the second."""
    words = dictionary({"dog": [1, 0], "rain": [0, 1]})
    sounds, captions = weights([1, 0], [0, 1]), weights([2, 0], [0.1, 0.9], [0, 3])
    table = caption_scores(words, sounds, captions)
    off = 0.1 / np.hypot(0.1, 0.9)
    np.testing.assert_allclose(table, [[1, off, 0], [0, np.sqrt(1 - off**2), 1]])
    np.testing.assert_allclose(class_scores(words, sounds, words.text), np.eye(2))
    found = retrieve_both(table, [2, 1])
    assert found.text_to_audio.recall_at_1.tolist() == [1, 0, 1]
    np.testing.assert_allclose(found.text_to_audio.average_precision_at_10, [1, 0.5, 1])
    assert found.audio_to_text.recall_at_1.tolist() == [1, 1]
    np.testing.assert_allclose(found.audio_to_text.average_precision_at_10, [1, 1])


@pytest.mark.parametrize(
    ("prompts", "options", "said"),
    [
        ([], {}, "takes a list of classes"),
        (["band 0", "band 0"], {}, "a class is given twice: 'band 0'"),
        (CLASSES, {"without": "band 7"}, "unknown concept 'band 7'"),
        (CLASSES, {"without": 3}, "without is a list of words"),
        (CLASSES, {"vocabulary": ANIMALS}, "embedded by made up, not by BandToy"),
    ],
)
def test_errors(sound: dict[str, Any], prompts: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        classify_concepts(sound, prompts, **{"model": BandToy(), "vocabulary": BANDS, **options})


def test_errors_about_an_explanation(sound: dict[str, Any]) -> None:
    made = explain_concepts(sound, model=BandToy(), vocabulary=BANDS, window=0)
    for options, said in (
        ({"k": 3}, "brings its own words"),
        ({"vocabulary": ANIMALS}, "the dictionary is not the one"),
        ({"model": "tiny"}, "made with BandToy, not with"),
    ):
        with pytest.raises(InputError, match=said):
            classify_concepts(made, CLASSES, **{"model": BandToy(), **options})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"unknown word 'brain'.*rain"):
        remove_concepts(ANIMALS, weights([1, 0, 0, 0]), ["brain"])
