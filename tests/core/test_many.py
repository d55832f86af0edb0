"""Many recordings: one prompt or pairs, what cannot be explained skipped and listed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import zsxai
from tests.toys import STRICT, ConvToy
from zsxai.errors import InputError
from zsxai.testing.explainer import apart

pytestmark = STRICT
MODEL = ConvToy()


def noise(seed: int) -> dict[str, Any]:
    return {"array": np.random.default_rng(seed).normal(size=8000).astype(np.float32) / 10, "sampling_rate": 16000}


def alike(found: list[zsxai.Explanation], wanted: list[zsxai.Explanation]) -> bool:
    """Whether these are the same up to the rounding of batches."""
    return [apart(one, other) for one, other in zip(wanted, found, strict=True)] == [""] * len(wanted)


SILENT = {"array": np.zeros(8000, np.float32), "sampling_rate": 16000}


def test_one_prompt_for_all() -> None:
    found = list(zsxai.explain_many([noise(0), noise(1)], "a siren", model=MODEL))
    alone = [zsxai.explain(noise(seed), "a siren", model=MODEL) for seed in (0, 1)]
    assert alike(found, alone)
    assert list(zsxai.explain_many([noise(0), noise(1)], "a siren", model=MODEL, batch_size=1)) == [
        zsxai.explain(noise(seed), "a siren", model=MODEL, batch_size=1) for seed in (0, 1)
    ]
    two = list(zsxai.explain_many([noise(0), noise(1)], (p for p in ("a siren", "rain")), model=MODEL))
    assert [[e.prompt for e in of_one] for of_one in two] == [["a siren", "rain"]] * 2  # type: ignore[attr-defined]


def test_what_cannot_be_explained_is_skipped_and_listed() -> None:
    recordings = [noise(0), SILENT, noise(1)]
    many = zsxai.explain_many(recordings, "a siren", on_error="skip", model=MODEL)
    with pytest.warns(UserWarning, match="recordings skipped: 1; the first: array is silent"):
        made = list(many)
    assert alike(made, [zsxai.explain(noise(seed), "a siren", model=MODEL) for seed in (0, 1)])
    [skipped] = many.skipped
    assert skipped.audio is SILENT
    assert skipped.prompt == "a siren"
    assert "is silent" in str(skipped.error)


def test_by_default_it_ends_at_the_first() -> None:
    many = zsxai.explain_many([noise(0), SILENT, noise(1)], "a siren", model=MODEL)
    assert next(many).prompt == "a siren"
    with pytest.raises(InputError, match="is silent"):
        next(many)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("a.wav", "a siren"), {}, "takes a list of recordings, not one str: use explain"),
        (([noise(0)],), {}, "pairs"),
        (([(noise(0), "dog", "x")],), {}, "pairs"),
        (([], "dog"), {"explaner": "gradcam"}, "unknown option 'explaner': did you mean 'explainer'"),
        (([noise(0)], "dog"), {"explainer": "nope", "on_error": "skip"}, "unknown explainer 'nope'"),
        (([noise(0)], "dog"), {"domain": "x", "on_error": "skip"}, "domain is 'stft' or 'mel', not 'x'"),
        (([noise(0)], ""), {"on_error": "skip"}, "the prompt is empty"),
        ((noise(0), "dog"), {}, "not one dict: use explain"),
        ((np.zeros(9), "dog"), {}, "not one ndarray: use explain"),
        (([], "dog"), {"on_error": "stop"}, "on_error is 'raise' or 'skip', not 'stop'"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(zsxai.explain_many(*arguments, **options))


@pytest.mark.parametrize(
    ("name", "values"), [("against", ["rain"]), ("among", ["rain"]), ("template", ["a {}", "the {}"])]
)
def test_what_is_given_once_holds_for_all(name: str, values: list[str]) -> None:
    """A generator is used up by the first recording."""
    found = list(zsxai.explain_many([noise(0), noise(1)], "a siren", model=MODEL, **{name: iter(values)}))  # type: ignore[arg-type]
    alone = [zsxai.explain(noise(seed), "a siren", model=MODEL, **{name: values}) for seed in (0, 1)]  # type: ignore[call-overload]
    assert alike(found, alone)
