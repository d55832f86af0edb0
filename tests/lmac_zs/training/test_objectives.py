"""Every term of the objectives beside a plain loop over its formula, and which captions are asked about what."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from tests.toys import STRICT
from zsxai.lmac_zs.bank import log_of_rest, log_probability
from zsxai.lmac_zs.training.draw import Draw
from zsxai.lmac_zs.training.objectives import (
    AnyObjective,
    Contrastive,
    Objective,
    Pairs,
    Paper,
    Situation,
)

pytestmark = STRICT

D = 5


def units(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, D, generator=generator), dim=-1)


class Heard:
    """Stands for the masked recordings: what is heard turns from one vector to another with the mask's mean."""

    def __init__(self, count: int) -> None:
        self.loud, self.soft = units(count, seed=11), units(count, seed=12)
        self.encoded = 0

    def embed(self, masks: Tensor, of: Tensor) -> Tensor:
        self.encoded += len(masks)
        part = masks.mean(dim=(1, 2))[:, None]
        return torch.nn.functional.normalize(part * self.loud[of] + (1 - part) * self.soft[of], dim=1)

    def one(self, mask: Tensor, index: int) -> Tensor:
        return self.embed(mask[None], torch.tensor([index]))[0]


def draw_of(mixed: list[bool], heard: list[bool] | None = None) -> Draw:
    """Captions 0, 1, ... of the recordings, their neighbours' and foreign ones from 100."""
    count = len(mixed)
    own = torch.arange(count)
    silence = torch.zeros(count, 4)
    return Draw(
        sounds=silence,
        others=silence,
        own=own,
        heard=torch.tensor(heard or [True] * count),
        partner=own.roll(-1),
        mixed=torch.tensor(mixed),
        third=torch.full((count,), -1),
        foreign=100 + own,
        bank=torch.arange(7),
    )


def situation(pairs: Pairs, recordings: int, done: float = 0.5, masks: Tensor | None = None) -> Situation:
    n = len(pairs.of)
    generator = torch.Generator().manual_seed(1)
    if masks is None:
        masks = torch.rand(n, 3, 4, generator=generator)
    return Situation(
        sounds=Heard(recordings),  # type: ignore[arg-type]
        embedding=units(recordings, seed=2),
        pairs=pairs,
        masks=masks,
        evidence=[torch.randn(recordings, 7, generator=generator) for _ in range(2)],
        text=units(n, seed=3),
        beside=units(n, seed=4),
        bank=units(7, seed=5),
        same=torch.rand(n, 7, generator=generator) < 0.3,
        same_beside=torch.rand(n, 7, generator=generator) < 0.3,
        scale=3.0,
        done=done,
    )


def log_p(heard: Tensor, text: Tensor, bank: Tensor, same: Tensor, scale: float) -> float:
    """The logarithm of a softmax, one exponential after the other."""
    own = math.exp(scale * float(heard @ text))
    others = sum(math.exp(scale * float(heard @ b)) for b, alike in zip(bank, same.tolist(), strict=True) if not alike)
    return math.log(own / (own + others))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_log_probability_is_torchs_softmax() -> None:
    heard, text, bank = units(3), units(3, seed=1), units(6, seed=2)
    same = torch.tensor([[False] * 6, [True, False, True, False, False, False], [False] * 5 + [True]])
    found = log_probability(heard, text, bank, same, 4.0)
    for row in range(3):
        logits = 4.0 * heard[row] @ torch.stack([text[row], *bank[~same[row]]]).T
        torch.testing.assert_close(found[row], torch.log_softmax(logits, dim=0)[0], atol=1e-5, rtol=1e-5)
    assert (found < 0).all()


def test_alone_a_caption_is_certain() -> None:
    found = log_probability(units(2), units(2, seed=1), units(3, seed=2), torch.ones(2, 3, dtype=torch.bool), 5.0)
    assert found.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    nobody = log_probability(units(2), units(2, seed=1), torch.empty(0, D), torch.ones(2, 0, dtype=torch.bool), 5.0)
    assert nobody.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_log_of_rest() -> None:
    log_p = torch.tensor([-20.0, -3.0, -0.5, -0.01], dtype=torch.float64)
    torch.testing.assert_close(log_of_rest(log_p), torch.log(1 - torch.exp(log_p)), atol=1e-9, rtol=1e-6)
    certain = torch.tensor([0.0, -1e-9], requires_grad=True)
    found = log_of_rest(certain)
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(certain.grad).all()
    assert (found < -10).all()


def test_pairs_of_the_contrastive_objective() -> None:
    pairs = Contrastive().pairs(draw_of([True, False, True]))
    assert pairs.of.tolist() == [0, 1, 2] * 3
    assert pairs.caption.tolist() == [0, 1, 2, 1, 2, 0, 100, 101, 102]
    # Of a mixture both captions are true; of a single clip the partner's is not; a foreign one never is.
    assert pairs.matched.tolist() == [True, True, True, True, False, True, False, False, False]
    # Of noise alone, its own caption is not true either.
    nothing = Contrastive().pairs(draw_of([True, False], heard=[True, False]))
    assert nothing.matched.tolist() == [True, False, True, False, False, False]
    # What is left of a mixture is the other sound, whichever was asked for.
    assert pairs.beside.tolist() == [1, -1, 0, 0, -1, 2, -1, -1, -1]


def contrastive_by_hand(at: Situation, weights: Contrastive, ramp: float) -> dict[str, float]:
    heard = Heard(len(at.embedding))
    right = [r for r, yes in enumerate(at.pairs.matched.tolist()) if yes]
    wrong = [r for r, yes in enumerate(at.pairs.matched.tolist()) if not yes]

    def inside(r: int) -> Tensor:
        return heard.one(at.masks[r], int(at.pairs.of[r]))

    def outside(r: int) -> Tensor:
        return heard.one(1 - at.masks[r], int(at.pairs.of[r]))

    def rise(r: int) -> float:
        return max(0.0, float(inside(r) @ at.text[r]) - float(at.embedding[int(at.pairs.of[r])] @ at.text[r]))

    left = [log_p(outside(r), at.text[r], at.bank, at.same[r], at.scale) for r in right]
    beside = [
        -log_p(outside(r), at.beside[r], at.bank, at.same_beside[r], at.scale)
        for r in right
        if int(at.pairs.beside[r]) >= 0
    ]
    divergences = []
    for evidence in at.evidence:
        for b in range(len(at.embedding)):
            wanted = torch.softmax(at.scale * at.bank @ at.embedding[b], dim=0)
            found = torch.softmax(evidence[b], dim=0)
            divergences.append(float((wanted * (wanted / found).log()).sum()))
    return {
        "kept": mean([-log_p(inside(r), at.text[r], at.bank, at.same[r], at.scale) for r in right]),
        "removed": weights.removed * mean([-math.log(1 - math.exp(v)) for v in left]),
        "beside": weights.beside * mean(beside) if beside else 0.0,
        "size": ramp * weights.size * mean([float(at.masks[r].mean()) for r in right]),
        "foreign": ramp * weights.foreign * mean([float(at.masks[r].mean()) for r in wrong]),
        "evidence": weights.evidence * mean(divergences),
        "rise": weights.rise * mean([rise(r) for r in wrong]),
    }


UNLIKE = Contrastive(removed=0.7, beside=0.3, size=0.9, foreign=1.1, evidence=1.3, rise=1.7, warm_up=0.2)


@pytest.mark.parametrize("mixed", [[True, False, True], [False, False], [True, True, True, True]])
def test_contrastive_terms_by_hand(mixed: list[bool]) -> None:
    at = situation(UNLIKE.pairs(draw_of(mixed)), len(mixed))
    found = {name: float(value) for name, value in UNLIKE.terms(at).items()}
    wanted = contrastive_by_hand(at, UNLIKE, ramp=1.0)
    assert found == pytest.approx(wanted, rel=1e-4, abs=1e-6)
    assert wanted["rise"] > 0
    assert (wanted["beside"] > 0) == any(mixed)


@pytest.mark.parametrize(
    ("warm_up", "done", "ramp"), [(0.2, 0.0, 0.0), (0.2, 0.05, 0.25), (0.2, 0.2, 1.0), (0.2, 0.9, 1.0), (0.0, 0.0, 1.0)]
)
def test_masks_start_open(warm_up: float, done: float, ramp: float) -> None:
    objective = UNLIKE.model_copy(update={"warm_up": warm_up})
    at = situation(objective.pairs(draw_of([True, False])), 2, done=done)
    found = {name: float(value) for name, value in objective.terms(at).items()}
    assert found == pytest.approx(contrastive_by_hand(at, objective, ramp), rel=1e-4, abs=1e-6)


def test_a_step_encodes_what_the_docs_say() -> None:
    """With B recordings, b of them mixed, 2 (B + b) masked sounds go through the model, and 2 B - b more to rise."""
    for mixed in ([True, False, True, False], [False] * 4, [True] * 4):
        b, count = sum(mixed), len(mixed)
        for rise, wanted in ((2.0, 4 * count + b), (0.0, 2 * (count + b))):
            objective = Contrastive(rise=rise)
            at = situation(objective.pairs(draw_of(mixed)), count)
            objective.terms(at)
            assert at.sounds.encoded == wanted


def test_weights_of_0_leave_terms_out_and_the_log_its_columns() -> None:
    """A training's CSV file has one header: the names of the terms may not change from step to step."""
    for weights in ({}, {"rise": 1.0}, {"beside": 0.0}, {"removed": 0.0, "size": 0.0, "foreign": 0.0}):
        objective = Contrastive(**weights)
        names = [
            list(objective.terms(situation(objective.pairs(draw_of(mixed)), 2, done)))
            for mixed, done in (([True, True], 0.0), ([False, False], 0.0), ([True, False], 0.9))
        ]
        assert names[0] == names[1] == names[2]
    at = situation(Contrastive().pairs(draw_of([True, False])), 2)
    quiet = Contrastive(removed=0, beside=0, size=0, foreign=0, evidence=0, rise=0).terms(at)
    assert sum(float(v) for v in quiet.values()) == pytest.approx(float(quiet["kept"]))


def test_evidence_that_says_what_the_model_says_costs_nothing() -> None:
    at = situation(Contrastive().pairs(draw_of([True, False])), 2)
    right = at.scale * at.embedding @ at.bank.T + 3.0
    told = Situation(**{**vars(at), "evidence": [right, right]})
    assert float(Contrastive().terms(told)["evidence"]) == pytest.approx(0.0, abs=1e-5)
    assert float(Contrastive().terms(at)["evidence"]) > 0.1


def test_pairs_of_the_paper() -> None:
    draw = draw_of([False, False, False])
    pairs = Paper().pairs(draw)
    assert list(zip(pairs.caption.tolist(), pairs.of.tolist(), strict=True)) == [
        (i, j) for i in range(3) for j in range(3)
    ]
    assert pairs.matched.tolist() == [i == j for i in range(3) for j in range(3)]
    assert pairs.beside.tolist() == [-1] * 9
    assert not Paper.mixing


def paper_by_hand(at: Situation, weights: Paper, count: int) -> dict[str, float]:
    """The double loops of eqs. 5 to 7, over captions i and recordings j, with means."""
    heard = Heard(count)
    captions = [at.text[i * count] for i in range(count)]

    def masked(caption: int, recording: int) -> Tensor:
        return heard.one(at.masks[caption * count + recording], recording)

    fidelity, size, diversity = [], [], []
    for i in range(count):
        for j in range(count):
            before = float(captions[i] @ at.embedding[j])
            fidelity.append(abs(before - float(captions[i] @ masked(i, j))))
            size.append(float(at.masks[i * count + j].abs().mean()))
            if j != i:
                diversity.append(abs(float(captions[i] @ captions[j]) - float(masked(i, i) @ masked(j, i))))
    return {
        "fidelity": mean(fidelity),
        "size": weights.size * mean(size),
        "diversity": weights.diversity * mean(diversity),
    }


@pytest.mark.parametrize("count", [2, 4])
def test_paper_terms_by_hand(count: int) -> None:
    weights = Paper(size=0.3, diversity=0.7)
    pairs = weights.pairs(draw_of([False] * count))
    at = situation(pairs, count)
    at = Situation(**{**vars(at), "text": units(count, seed=3)[pairs.caption]})
    found = {name: float(value) for name, value in weights.terms(at).items()}
    assert found == pytest.approx(paper_by_hand(at, weights, count), rel=1e-4)
    assert at.sounds.encoded == count * count


def test_the_paper_without_diversity() -> None:
    pairs = Paper().pairs(draw_of([False, False]))
    assert sorted(Paper(diversity=0).terms(situation(pairs, 2))) == ["fidelity", "size"]


def test_open_masks_are_a_perfect_answer_to_the_papers_first_part() -> None:
    pairs = Paper().pairs(draw_of([False, False]))
    at = situation(pairs, 2, masks=torch.ones(4, 3, 4))
    kept = Situation(**{**vars(at), "embedding": at.sounds.loud})
    assert float(Paper().terms(kept)["fidelity"]) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("objective", [UNLIKE, Paper()], ids=["contrastive", "paper"])
def test_every_term_reaches_the_masks(objective: Objective) -> None:
    at = situation(objective.pairs(draw_of([True, False, True])), 3)
    at.masks.requires_grad_()
    for name, term in objective.terms(at).items():
        if name == "evidence":
            continue
        (gradient,) = torch.autograd.grad(term, [at.masks], retain_graph=True)
        assert gradient.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"name": "paper", "removed": 1.0}, "removed"),
        ({"name": "contrastive", "size": -0.1}, "size"),
        ({"name": "contrastive", "warm_up": 1.0}, "warm_up"),
        ({"name": "hinge"}, "hinge"),
    ],
)
def test_objectives_by_name(values: dict[str, Any], says: str) -> None:
    adapter: TypeAdapter[Objective] = TypeAdapter(AnyObjective)
    assert adapter.validate_python({"name": "paper", "size": 0.4}) == Paper(size=0.4)
    assert adapter.validate_python({"name": "contrastive"}) == Contrastive()
    with pytest.raises(ValueError, match=says):
        adapter.validate_python(values)
