"""The floors encode what their explainers encode, no more, and ratios say what was measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zsxai
from tests.toys import ConvToy
from zsxai.benchmarks.measure.costs import Row, noise
from zsxai.benchmarks.measure.floors import FLOORS, Bare
from zsxai.benchmarks.measure.timing import Pairs, interleave
from zsxai.model import Encoding, Features
from zsxai.recording import Recording
from zsxai.target import Similarity


class Counting(ConvToy):
    """Notes the size of every batch it encodes."""

    encoded: list[int]

    def encode(self, features: Features) -> Encoding:
        self.encoded.append(len(features.input))
        return super().encode(features)


@pytest.mark.parametrize("name", FLOORS)
def test_a_floor_encodes_what_its_explainer_encodes(name: str) -> None:
    model = Counting()
    waveform = noise(16000, 1.0)
    explainer = zsxai.load_explainer(name)
    target = Similarity(prompt="a dog").bind(model)
    clip = Recording(model, waveform).clips[0]
    model.encoded = []
    explainer.relevance(clip, [target])
    ours, model.encoded = model.encoded, []
    FLOORS[name](Bare(model, torch.from_numpy(waveform), "a dog"), explainer)
    assert sorted(model.encoded) == sorted(ours)


def test_every_explainer_that_runs_the_model_has_a_floor() -> None:
    costly = {n for n in zsxai.list_explainers() if zsxai.load_explainer(n).card.forwards != "0"}
    assert costly - {"lmac-zs", "lmac-zs+", "mask-optimisation"} == set(FLOORS)


def test_pairs_alternate_and_their_order_does_not_mix_the_sides() -> None:
    asked: list[str] = []

    def ours() -> float:
        asked.append("a")
        return 3.0

    def floor() -> float:
        asked.append("b")
        return 2.0

    pairs = interleave(ours, floor, 3)
    assert "".join(asked) == "abbaab"
    assert (pairs.ratio, pairs.interval) == (1.5, (1.5, 1.5))


@pytest.mark.parametrize(
    ("costs", "limit", "verdict"),
    [((1.0, 1.05, 1.02), 1.1, "met"), ((1.2, 1.3, 1.4), 1.1, "over"), ((1.0, 1.09, 1.3), 1.1, "undecided"),
     ((9.0, 9.0, 9.0), None, "")],
)  # fmt: skip
def test_a_verdict_goes_by_the_interval(costs: tuple[float, ...], limit: float | None, verdict: str) -> None:
    row = Row("case", "floor", limit, "ms", Pairs(costs, (1.0, 1.0, 1.0)))
    assert row.verdict == verdict
    assert row.costs == (1e3 * np.median(costs), 1e3)
