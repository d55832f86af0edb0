"""Prompts, lists, templates and options of every kind: finite scores and a mask, or one line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st

import zsxai
from tests.fuzz.lengths import by_hand, long, quick
from tests.toys import BlackBoxToy, ConvToy
from zsxai.errors import InputError

SOUND = np.random.default_rng(0).normal(size=4000).astype(np.float32)
MODELS = [ConvToy(), BlackBoxToy()]

WORDS = st.text(max_size=30) | st.sampled_from(["a dog", "rain", "\u200b", "caf\udce9", "{}", "a" * 9999, "\x00", "🐕"])
READABLE = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=9) | st.lists(
    st.sampled_from(["a dog", "rain", "a bell", "狗"]), min_size=1, max_size=3
)
THINGS = WORDS | st.none() | st.integers() | st.floats() | st.binary(max_size=5) | st.booleans()
LISTS = st.lists(THINGS, max_size=4)
MANY = (
    LISTS
    | LISTS.map(tuple)
    | LISTS.map(iter)
    | LISTS.map(lambda values: np.array(values, dtype=object))
    | st.dictionaries(WORDS, st.none(), max_size=3)
    | st.sets(WORDS, max_size=3)
)
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "against": st.lists(st.sampled_from(["rain", "a bell", "wind"]), max_size=3),
    "among": st.none() | st.sets(st.sampled_from(["rain", "a bell"]), max_size=2),
    "template": st.sampled_from([None, "the {}", "ensemble", ("a {}", "the {}")]),
    "domain": st.sampled_from(["stft", "mel"]),
    "scale": st.sampled_from(["log", "gain", "log1p"]),
    "seed": st.integers(0, 2**70),
    "batch_size": st.integers(1, 9),
    "device": st.sampled_from([None, "cpu"]),
    "sample_rate": st.sampled_from([16000, 8000, 16000.0]),
    "explainer": st.sampled_from(["gradcam", "occlusion", "random", "saliency"]),
    "options": st.sampled_from([None, {"calibration": "min-max"}]),
}
BAD: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(GOOD, THINGS | MANY),
    "device": THINGS | st.sampled_from(["cuda", "meta", "mps:3"]),
    "sample_rate": THINGS | st.sampled_from([1, 10**9, 2**63]),
    "options": st.dictionaries(st.sampled_from(["calibration", "tap", "seconds", "bands"]), THINGS),
}


@st.composite
def options(draw: Any) -> dict[str, Any]:
    """Some good ones, and in a third of the cases a bad one."""
    names = draw(st.sets(st.sampled_from(sorted(GOOD)), max_size=4))
    made = {name: draw(GOOD[name]) for name in sorted(names)}
    if draw(st.integers(0, 2)) == 0:
        name = draw(st.sampled_from(sorted(BAD)))
        made[name] = draw(BAD[name])
    return made


PROMPTS = st.booleans().flatmap(lambda good: READABLE if good else MANY | THINGS)


def one_line(error: InputError) -> None:
    text = str(error)
    assert text
    assert len(text.splitlines()) == 1


def explain(prompt: Any, asked: dict[str, Any], model: object) -> None:
    try:
        found = zsxai.explain(SOUND, prompt, **{"sample_rate": 16000, **asked}, model=model, progress=False)
    except InputError as error:
        event("refused")
        one_line(error)
        return
    event("explained")
    for e in found if isinstance(found, list) else [found]:
        assert all(map(math.isfinite, (e.score, e.score_in, e.score_out, e.score_heard, e.similarity, e.kept_energy)))
        assert np.isfinite(e.relevance).all()
        assert 0 <= e.mask.min() <= e.mask.max() <= 1
        assert e.target.prompt == e.prompt
        assert e.verify(model).ok


def classify(prompts: Any, given_options: dict[str, Any], model: object) -> None:
    asked = {name: value for name, value in given_options.items() if name in ("template", "device", "sample_rate")}
    once = list(prompts) if hasattr(prompts, "__next__") else prompts
    given_again = iter(once) if once is not prompts else prompts
    try:
        found = zsxai.classify(SOUND, given_again, **{"sample_rate": 16000, **asked}, model=model)
    except InputError as error:
        one_line(error)
        return
    assert sorted(row.label for row in found) == sorted(once)
    assert math.isclose(sum(row.score for row in found), 1.0, abs_tol=1e-4)
    assert all(math.isfinite(row.similarity) for row in found)


@quick(300)
@given(PROMPTS, options(), st.sampled_from(MODELS))
def test_any_arguments_of_explain(prompt: Any, asked: dict[str, Any], model: object) -> None:
    explain(prompt, asked, model)


@quick(300)
@given(PROMPTS, options(), st.sampled_from(MODELS))
def test_any_arguments_of_classify(prompts: Any, asked: dict[str, Any], model: object) -> None:
    classify(prompts, asked, model)


@by_hand
@long(1500)
@given(PROMPTS, options(), st.sampled_from(MODELS))
def test_many_more(prompt: Any, asked: dict[str, Any], model: object) -> None:
    explain(prompt, asked, model)
