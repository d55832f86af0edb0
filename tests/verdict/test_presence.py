"""Whether a model hears a prompt: the bank, reference figures, the level of one window and of many."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import zsxai
from tests.toys import BandToy, ConvToy
from zsxai.errors import InputError
from zsxai.verdict import bank as banks
from zsxai.verdict.bank import Bank, Strongest, bank_of, embed_once
from zsxai.verdict.presence import CONSTANT, SPREADS, Listener
from zsxai.verdict.reference import MISTAKEN, TAIL, Figures, Reference, load_reference, place_of, reference_of

GOOD = Figures(auc=0.98, present_heard=0.8, first_heard=0.99, absent_refused=0.99, similar_refused=0.85)


def make_reference(model=None, **given):
    """Evidence 10 s + 10 m - 2; absent prompts exceed 0 in 1 % of all pairs, and twice as rarely with each .7."""
    tail = tuple(float(-np.log((1 - q) / 0.01)) for q in TAIL)
    fields = {
        "model": "toy" if model is None else model.card.name,
        "weights_sha256": None if model is None else model.card.weights_sha256,
        "bank_sha256": banks.hash_bank(),
        "data": "tones",
        "clips": 100,
        "recordings": 100,
        "labels": 4,
        "cosine": 10.0,
        "margin": 10.0,
        "constant": -2.0,
        "tail": tail,
        "figures": GOOD,
    }
    return Reference(**{**fields, **given})


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZSXAI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_near_synonyms_of_the_prompt_do_not_compete():
    rows = np.eye(40, dtype=np.float32)
    rows[1] = 0.9 * rows[0] + np.sqrt(1 - 0.81) * rows[1]
    bank = Bank(tuple(f"word {i}" for i in range(40)), rows)
    assert bank.others(rows[0]).tolist() == [False, False, *[True] * 38]
    (strongest,) = bank.strongest(rows[[0]] * 0.8 + rows[[5]] * 0.6, rows[0])
    assert (strongest.word, strongest.cosine) == ("word 5", pytest.approx(0.6))


def test_evidence_is_what_the_figures_say_and_its_level_is_where_it_is_zero():
    reference = make_reference()
    other = Strongest("rain", 0.2, 0.1, "bell")
    assert reference.evidence(0.25, other) == pytest.approx(10 * 0.25 + 10 * 0.05 - 2)
    for bar in (0.0, 1.5):
        level = reference.level(other, bar)
        assert reference.evidence(level, other) == pytest.approx(bar)


def test_one_window_among_many_needs_more_evidence():
    reference = make_reference()
    assert reference.bar(1) == pytest.approx(0.0, abs=1e-9)
    assert reference.bar(4) == pytest.approx(0.0, abs=1e-9), "four windows at 1 % are under 5 % of files"
    for windows in (10, 36, 720):
        assert 0.01 * np.exp(-reference.bar(windows)) * windows == pytest.approx(MISTAKEN, rel=0.05)


def test_without_figures_the_margin_in_spreads_decides():
    model = ConvToy()
    listener = Listener(model)
    assert listener.reference is None
    prompt = model.embed_text(["dog"])[0].numpy()
    word, row = listener.bank.words[0], listener.bank.rows[0]
    heard, unheard = (listener.ask(window[None], prompt) for window in (prompt, row))
    assert heard.evidence > 0 > unheard.evidence
    (window,) = unheard.windows
    assert window.strongest.word == word
    expected = SPREADS * (window.similarity - window.strongest.cosine) / window.strongest.spread + CONSTANT
    assert unheard.evidence == pytest.approx(expected)
    for asked in (heard, unheard):
        at = asked.windows[0]
        again = SPREADS * (asked.level - at.strongest.cosine) / at.strongest.spread + CONSTANT
        assert again == pytest.approx(0.0, abs=1e-5)


def test_windows_that_do_not_hear_it_count_nothing():
    model = ConvToy()
    listener = Listener(model, make_reference(model, constant=-9.0))
    prompt = model.embed_text(["dog"])[0].numpy()
    asked = listener.ask(np.stack([prompt, listener.bank.rows[0]]), prompt)
    assert asked.best == 0
    heard, unheard = asked.weights()
    assert 0.0 == unheard < heard <= 1.0
    assert not listener.ask(prompt[None], prompt).weights(), "one window counts in full"
    assert not listener.ask(listener.bank.rows[:2], prompt).weights(), "none hears it: all count alike"


def test_the_bank_is_embedded_once_and_kept_by_the_weights(own_cache, monkeypatch):
    calls = []
    embed = banks.embed_words
    monkeypatch.setattr(banks, "embed_words", lambda m, words, **o: calls.append(len(words)) or embed(m, words, **o))
    first = bank_of(ConvToy())
    again = bank_of(ConvToy())
    np.testing.assert_array_equal(first.rows, again.rows)
    assert calls == [1, len(first.words), 1], "the second model reads the file, and tries one word"

    class Other(ConvToy):  # says the hash of another
        def encode_text(self, prompts):
            found = super().encode_text(prompts)
            return type(found)(found.embedding.flip(-1))

    other = Other()
    other.card = ConvToy().card
    assert not np.allclose(bank_of(other).rows, first.rows)
    (file,) = own_cache.rglob("*.safetensors")
    file.write_bytes(b"damaged")
    np.testing.assert_allclose(bank_of(ConvToy()).rows, first.rows)


def test_nothing_is_kept_where_the_variable_is_empty(monkeypatch):
    monkeypatch.setenv("ZSXAI_CACHE", "")
    assert banks._file(ConvToy(), ("a", "b"), 8) is None
    assert embed_once(ConvToy(), ["a", "b"]).shape == (2, 8)


def test_figures_of_the_user_come_before_the_models_own(own_cache, tmp_path):
    model = ConvToy()
    assert reference_of(model) is None
    make_reference(model, data="brought").save(tmp_path / "own.json")
    model.references = (tmp_path / "own.json",)
    assert reference_of(model).data == "brought"
    make_reference(model, data="measured").save(place_of(model))
    assert reference_of(model).data == "measured"
    make_reference(model, weights_sha256="f" * 64).save(place_of(model))
    assert reference_of(model).data == "brought", "figures of other weights are passed over"


@pytest.mark.parametrize(
    ("change", "word"),
    [({"tail": [1.0]}, "tail"), ({"cosine": -20.0}, "falls where the cosine rises"), ({"clips": 0}, "clips")],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, change, word):
    path = make_reference().save(tmp_path / "r.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=word):
        load_reference(path)
    path.write_text('{"x":')
    with pytest.raises(InputError, match=r"no JSON.*delete it"):
        load_reference(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_reference(tmp_path / "none.json")


def test_the_bundled_model_brings_figures_and_knows_what_it_was_trained_on():
    model = zsxai.load_model("tiny")
    found = reference_of(model)
    assert (found.clips, found.labels) == (1024, 50)
    assert found.figures.first_heard > 0.99
    assert found.figures.absent_refused > 0.97
    assert len(model.card.knows) == 50
    listener = Listener(model)
    with torch.no_grad():
        prompts = model.embed_text(["a dog barks", "a violin concerto"]).numpy()
    known, unknown = (listener.ask(prompts[:1], prompt) for prompt in prompts)
    assert known.is_known
    assert known.nearest[0] == "dog"
    assert not unknown.is_known


def test_a_model_of_its_own_prompts_cannot_be_asked():
    listener = Listener(BandToy())
    assert listener.bank is None
    with pytest.raises(InputError, match="cannot embed the bank"):
        listener.ask(np.eye(4, dtype=np.float32)[:1], np.eye(4, dtype=np.float32)[0])


def test_figures_of_another_model_or_bank_are_refused(tmp_path):
    for change, words in (({"weights_sha256": "f" * 64}, "not of ConvToy"), ({"bank_sha256": "0"}, "another bank")):
        path = make_reference(ConvToy(), **change).save(tmp_path / "r.json")
        with pytest.raises(InputError, match=words):
            zsxai.explain(np.ones(8000), "dog", sample_rate=16000, model=ConvToy(), reference=path)
