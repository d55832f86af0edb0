"""Lists of prompts of every kind: taken once, in their own order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import zsxai
from tests.toys import STRICT, BandToy
from zsxai.checks import take_list
from zsxai.errors import InputError

pytestmark = STRICT
WORDS = ["band 2", "band 0", "band 1"]
TONE = np.sin(2 * np.pi * 2500 * np.arange(16000) / 16000).astype(np.float32)
"""In band 2."""
KINDS: dict[str, Callable[[], Any]] = {
    "list": lambda: list(WORDS),
    "tuple": lambda: tuple(WORDS),
    "generator": lambda: (word for word in WORDS),
    "iterator": lambda: iter(WORDS),
    "array": lambda: np.array(WORDS),
    "array of objects": lambda: np.array(WORDS, dtype=object),
    "set": lambda: set(WORDS),
    "keys": lambda: dict.fromkeys(WORDS).keys(),
    "Series": lambda: pd.Series(WORDS),
    "Series, shuffled index": lambda: pd.Series(WORDS, index=[2, 0, 1]),
    "Series, sampled": lambda: pd.DataFrame({"label": WORDS}).sample(frac=1, random_state=1)["label"],
    "Series, index from 5": lambda: pd.Series(WORDS, index=[5, 6, 7]),
    "Index": lambda: pd.Index(WORDS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_label_keeps_its_score(kind: str) -> None:
    """A Series once gave each label the score of the one at its index."""
    asked: dict[str, Any] = {"sample_rate": 16000, "model": BandToy()}
    expected = {row.label: row for row in zsxai.classify(TONE, WORDS, **asked)}
    assert max(expected.values(), key=lambda row: row.score).label == "band 2"
    found = zsxai.classify(TONE, KINDS[kind](), **asked)
    assert {row.label: row for row in found} == expected
    assert all(type(row.label) is str for row in found)


@pytest.mark.parametrize("kind", KINDS)
def test_targets_and_lists_of_prompts(kind: str) -> None:
    asked: dict[str, Any] = {"sample_rate": 16000, "model": BandToy(), "explainer": "gradcam"}
    explained = zsxai.explain(TONE, KINDS[kind](), against=KINDS[kind](), **asked)
    order = sorted(WORDS) if kind == "set" else list(KINDS[kind]())
    assert [e.prompt for e in explained] == order
    for e in explained:  # a generator is used up by the first prompt
        assert e.target == zsxai.Contrast(prompt=e.prompt, against=tuple(order))
    among = zsxai.explain(TONE, "band 2", among=KINDS[kind](), **asked)
    assert among.score == pytest.approx(zsxai.explain(TONE, "band 2", among=WORDS, **asked).score, abs=1e-6)


def test_templates_given_once_hold_for_all_prompts() -> None:
    asked: dict[str, Any] = {"sample_rate": 16000, "model": BandToy(), "explainer": "gradcam"}
    found = zsxai.explain(TONE, ["band 1", "band 2"], template=iter(["{}", "a {}"]), **asked)
    assert [e.provenance.template for e in found] == [("{}", "a {}")] * 2


@pytest.mark.parametrize("none", [None, (), [], np.array([])])
def test_no_other_prompts_is_a_plain_similarity(none: Any) -> None:
    e = zsxai.explain(TONE, "band 2", against=none, among=none, sample_rate=16000, model=BandToy())
    assert e.target == zsxai.Similarity(prompt="band 2")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("rain", r"labels is a list of prompts, not one string: labels=\['rain'\]"),
        (b"rain", "not bytes"),
        (None, "not None"),
        (7, "not int"),
        ({"rain": 1}, "not a dict: give the list of keys or of values"),
        (np.array([["rain"]]), r"one list of prompts, not a table of shape \(1, 1\): give one column"),
        (np.array("rain"), r"not a table of shape \(\)"),
        (pd.DataFrame({"label": ["rain"]}), "give one column"),
    ],
)
def test_what_is_no_list(values: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        take_list(values, "labels")


def test_a_contrast_with_itself_is_refused() -> None:
    with pytest.raises(InputError, match="the contrast is always 0"):
        zsxai.explain(TONE, "band 2", against=["band 2"], sample_rate=16000, model=BandToy())


def test_a_label_given_twice_is_noted() -> None:
    found = zsxai.classify(TONE, ["band 2", "band 2", "band 0"], sample_rate=16000, model=BandToy())
    assert found.notes == ("'band 2' is given 2 times and shares its score",)
    assert not zsxai.classify(TONE, WORDS, sample_rate=16000, model=BandToy()).notes
