"""What a prompt is, templates and their ensembles, and prompts that a model cannot read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

import zsxai
from tests.toys import STRICT, BlackBoxToy, ConvToy
from zsxai.black_box import as_model
from zsxai.errors import InputError
from zsxai.prompt import ENSEMBLE, check_prompt, embed_prompts, find_template

pytestmark = STRICT
NOISE = np.random.default_rng(0).normal(size=16000).astype(np.float32)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("\u200b", "empty"),
        ("\u00a0 \t\ufeff", "empty"),
        ("caf\udce9", r"the prompt 'caf\\xe9' is no text in this terminal"),
        (b"dog", "a prompt is a string, not bytes"),
        (["dog"], "a prompt is a string, not list"),
    ],
)
def test_what_is_no_prompt(prompt: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_prompt(prompt)


def test_a_string_of_numpy_is_a_string() -> None:
    assert type(check_prompt(np.str_("dog"))) is str


@pytest.mark.parametrize("model", [ConvToy(), as_model(BlackBoxToy())])
def test_an_ensemble_is_the_mean_of_its_sentences(model: Any) -> None:
    templates, prompts = ("a {} here", "the {}"), ["dog", "rain bell"]
    found = embed_prompts(model, prompts, templates)
    parts = [model.embed_text([t.replace("{}", p) for p in prompts]) for t in templates]
    torch.testing.assert_close(found.embedding, normalize(torch.stack(parts).mean(dim=0), dim=-1))
    if isinstance(model, ConvToy):  # token states of all sentences, those of the first first
        one = model.encode_text(["a rain bell here"])
        assert found.tokens is not None
        assert one.tokens is not None
        assert found.token_mask is not None
        torch.testing.assert_close(found.tokens[1, : one.tokens.shape[1]], one.tokens[0])
        assert found.token_mask.sum(dim=1).tolist() == [3 + 2, 4 + 3]


@pytest.mark.parametrize("explainer", ["lmac-zs", "gradcam", "occlusion"])
def test_an_ensemble_is_explained_stored_and_verified(explainer: str, tmp_path: Any) -> None:
    asked: dict[str, Any] = {"sample_rate": 16000, "explainer": explainer, "against": ["rain"]}
    e = zsxai.explain(NOISE, "a dog", template=iter(["the sound of {}", "a recording of {}"]), **asked)
    assert e.provenance.template == ("the sound of {}", "a recording of {}")
    one, other = (zsxai.explain(NOISE, "a dog", template=t, **asked).score for t in e.provenance.template)
    assert e.score not in (one, other)
    loaded = zsxai.Explanation.load(e.save(tmp_path / "out"))
    assert loaded.provenance.template == e.provenance.template
    assert loaded.verify().ok
    labels = ["a dog", "rain"]
    cosines = {
        row.label: row.similarity
        for row in zsxai.classify(NOISE, labels, sample_rate=16000, template=e.provenance.template)
    }
    assert cosines["a dog"] - cosines["rain"] == pytest.approx(e.score, abs=1e-5)


def test_templates_by_name() -> None:
    tiny = zsxai.load_model("tiny")
    assert find_template("ensemble", tiny) == ENSEMBLE
    assert find_template("published", tiny) == "the sound of {}"
    assert find_template(["one {}"], tiny) == "one {}"
    assert find_template(None, tiny) is None
    with pytest.raises(InputError, match="not 'clap'; by name there are: ensemble, published"):
        find_template("clap", tiny)


@pytest.mark.parametrize("template", [[], ["no place"], ["{} {}"], [3], {"a {}": 1}, 3])
def test_what_is_no_list_of_templates(template: object) -> None:
    with pytest.raises(InputError, match="template"):
        find_template(template, ConvToy())


def test_unknown_words_are_noted() -> None:
    said = "tiny does not know 2 of the 2 tokens of '狗叫': it reads something else"
    assert zsxai.classify(NOISE, ["狗叫", "a dog"], sample_rate=16000).notes == (said,)
    e = zsxai.explain(NOISE, "a dog", against=["狗叫"], sample_rate=16000, explainer="gradcam")
    assert said in e.provenance.warnings
