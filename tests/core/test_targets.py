"""Targets against hand computation."""

from __future__ import annotations

import math

import pytest
import torch

from tests.toys import STRICT, ConvToy
from zsxai.errors import InputError
from zsxai.prompt import fill_template
from zsxai.target import Contrast, Probability, Similarity, as_target, parse_target

pytestmark = STRICT
COSINES = torch.tensor([[0.5, 0.1, -0.3], [0.0, 0.2, 0.4]])


def test_values_by_hand() -> None:
    assert Similarity(prompt="a").value(COSINES, None).tolist() == [0.5, 0.0]
    contrast = Contrast(prompt="a", against=("b", "c")).value(COSINES, None)
    assert contrast.tolist() == pytest.approx([0.6, -0.3])
    probability = Probability(prompt="a", among=("b", "c"))
    by_hand = math.exp(5) / (math.exp(5) + math.exp(1) + math.exp(-3))
    assert float(probability.value(COSINES, 10.0)[0]) == pytest.approx(by_hand)
    plain = Probability(prompt="a", among=("b", "c"), logit_scale=1.0)
    by_hand = math.exp(0.5) / (math.exp(0.5) + math.exp(0.1) + math.exp(-0.3))
    assert float(plain.value(COSINES, 10.0)[0]) == pytest.approx(by_hand)


@pytest.mark.parametrize("template", [None, "the sound of {}"])
def test_bound_to_a_model(template: str | None) -> None:
    model = ConvToy()
    embedding = torch.nn.functional.normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    texts = [fill_template(template, p) for p in ("dog", "rain", "bell")]
    cosines = embedding @ model.embed_text(texts).T
    among = Probability(prompt="dog", among=("rain", "dog", "bell", "rain"))
    for target, expected in (
        (Similarity(prompt="dog"), cosines[:, 0]),
        (Contrast(prompt="dog", against=("rain", "bell")), cosines[:, 0] - (cosines[:, 1] + cosines[:, 2]) / 2),
        (among, torch.softmax(10 * cosines, dim=1)[:, 0]),
    ):
        bound = target.bind(model, template)
        torch.testing.assert_close(bound(embedding), expected)
        torch.testing.assert_close(bound.similarity(embedding), cosines[:, 0])
    assert among.others == ("rain", "bell")


def test_probabilities_of_a_set_make_one() -> None:
    model, among = ConvToy(), ("dog", "rain", "bell")
    embedding = torch.nn.functional.normalize(torch.ones(1, 8), dim=1)
    total = sum(float(Probability(prompt=p, among=among).bind(model)(embedding)) for p in among)
    assert total == pytest.approx(1.0)


def test_without_a_logit_scale() -> None:
    model = ConvToy()
    model.logit_scale = None
    bound = Probability(prompt="dog", among=("rain",)).bind(model)
    with pytest.raises(InputError, match=r"no logit scale: say Probability\(..., logit_scale=...\)"):
        bound(torch.ones(1, 8))
    Probability(prompt="dog", among=("rain",), logit_scale=3).bind(model)(torch.ones(1, 8))


def test_what_a_prompt_means() -> None:
    assert as_target("dog") == Similarity(prompt="dog")
    assert as_target("dog", against=["rain"]) == Contrast(prompt="dog", against=("rain",))
    assert as_target("dog", among=["rain"]) == Probability(prompt="dog", among=("rain",))
    assert as_target(Similarity(prompt="dog")) == Similarity(prompt="dog")
    for target in (as_target("dog"), as_target("dog", ["a"]), as_target("dog", (), ["a"])):
        assert parse_target(target.model_dump(mode="json")) == target
    assert [as_target("d").unit, as_target("d", ["a"]).unit, as_target("d", (), ["a"]).unit] == [
        "cosine",
        "cosine difference",
        "probability",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("",), "empty"),
        ((" \n",), "empty"),
        ((None,), "a prompt is a string, not NoneType"),
        ((3,), "a prompt is a string, not int"),
        (("dog", "rain"), r"against is a list of prompts.*against=\['rain'\]"),
        (("dog", (), "rain"), "among is a list"),
        (("dog", ["rain"], ["bell"]), "not both"),
        (("dog", [""]), "empty"),
        (("dog", (), [None]), "NoneType"),
        ((Similarity(prompt="dog"), ["rain"]), "not both"),
    ],
)
def test_what_is_no_prompt(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_target(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("template", ["no place", "{} and {}", "", 3])
def test_what_is_no_template(template: object) -> None:
    with pytest.raises(InputError, match=r"a template holds one \{\}"):
        fill_template(template, "dog")  # type: ignore[arg-type]
    assert fill_template("{} {x}", "a {} dog") == "a {} dog {x}"
