"""The command that judges a linear layer: what it pools, and that no recording is on both sides."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.toys import ConvToy
from zsxai import register_model
from zsxai.benchmarks.measure import concept_linear as module
from zsxai.benchmarks.measure.concept_linear import PLAIN, Judged, summarise
from zsxai.benchmarks.measure.frame import app
from zsxai.benchmarks.run.suite import ModelSpec
from zsxai.concepts.dictionary import build_dictionary
from zsxai.data import load_dataset
from zsxai.registry import MODELS


def judged(dense: list[int], layer: list[list[int]], words: list[list[int]]) -> Judged:
    right = {
        PLAIN: np.array([dense]),
        ("cosine, random", "Hz"): np.array(layer),
        ("cosine, random", "k"): np.array(words),
    }
    return Judged([f"r{i}" for i in range(len(dense))], right, 2, {("cosine, random", "k"): 4.0})


def test_models_are_pooled_clips_are_paired_and_seeds_stand_apart() -> None:
    one = judged([1, 0, 1], [[1, 1, 1], [1, 1, 0]], [[1, 1, 0], [0, 1, 0]])
    other = judged([0, 0, 1], [[1, 0, 1], [1, 0, 1]], [[0, 0, 1], [0, 0, 1]])
    dense, layer, words = summarise([one, other])
    assert (dense.accuracy.mean, dense.seeds, dense.over_dense, dense.words) == (0.5, (0.5,), None, None)
    assert (layer.seeds, layer.over_layer) == (pytest.approx((5 / 6, 4 / 6)), None)
    assert words.seeds == pytest.approx((3 / 6, 2 / 6))
    assert words.words == 4.0
    assert words.over_dense is not None
    assert words.over_layer is not None
    found = words.accuracy.mean, words.over_dense.mean, words.over_layer.mean
    assert found == pytest.approx((2.5 / 6, 2.5 / 6 - 0.5, 2.5 / 6 - 4.5 / 6))
    assert words.accuracy.n == 6


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    clips = load_dataset("synthetic", None, clips_per_class=2, seconds=1.0, sample_rate=16000)
    words = ["rain", "a dog", "the sea", "a bell"]
    monkeypatch.setattr(module, "load_models", lambda _: [ModelSpec(name="toy")])
    monkeypatch.setattr(module, "load_dataset", lambda *_, **__: clips)
    monkeypatch.setattr(module, "build_dictionary", lambda model, *_, **__: build_dictionary(model, words, "none"))
    register_model("toy", ConvToy())
    yield
    MODELS.unregister("toy")


@pytest.mark.usefixtures("toy")
def test_a_model_is_judged_on_recordings_that_its_layer_has_not_seen() -> None:
    words = ["--data", "synthetic", "--seeds", "2", "--epochs", "2", "--counts", "1,3"]
    done = CliRunner().invoke(app(module.concept_linear), [*words, "--halves", "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["recordings"] == 8
    assert record["layers"] == "toy on 8 clips, for 8"
    assert [row["of"] for row in record["rows"]] == ["dense", *["Hz", "words of Hz, k = 1", "words of Hz, k = 3"] * 3]
    assert [len(row["seeds"]) for row in record["rows"]] == [1, *[1] * 3, *[2] * 6]
    shared = CliRunner().invoke(app(module.concept_linear), words)
    assert shared.exit_code == 2
    assert "shares recordings with fold 4" in shared.output
    wrong = CliRunner().invoke(app(module.concept_linear), ["--data", "synthetic", "--counts", "ten"])
    assert wrong.output == "--counts takes whole numbers, such as 10,30, not 'ten'\n"
