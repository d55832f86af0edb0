"""One linear layer: it learns what there is to learn, is the same twice, and serves its own model alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.toys import BandToy, ConvToy
from zsxai.concepts.linear import LOSSES, STARTS, fit_linear, load_linear
from zsxai.errors import InputError

SIZE, CLASSES = 8, 4


def turned() -> tuple[torch.Tensor, list[int], torch.Tensor]:
    """Recordings about directions that a rotation takes to the class prompts: without it three classes are wrong."""
    generator = torch.Generator().manual_seed(1)
    text = torch.eye(SIZE)[:CLASSES]
    rotation = torch.roll(torch.eye(SIZE), 1, dims=0)  # the direction of a class is the prompt of its neighbour
    labels = [i % CLASSES for i in range(40)]
    rows = text[labels] @ rotation + 0.05 * torch.randn(40, SIZE, generator=generator)
    return torch.nn.functional.normalize(rows, dim=1), labels, text


def accuracy(rows: torch.Tensor, labels: list[int], text: torch.Tensor) -> float:
    return float(((rows.float() @ text.T).argmax(dim=1) == torch.tensor(labels)).float().mean())


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_rotation_is_learnt(loss: Any, start: Any) -> None:
    rows, labels, text = turned()
    assert accuracy(rows, labels, text) < 0.3
    layer = fit_linear(ConvToy(), rows, labels, text, data="made up", loss=loss, start=start, epochs=120, rate=0.03)
    mapped = layer(rows)
    assert accuracy(mapped, labels, text) == 1.0
    torch.testing.assert_close(mapped.norm(dim=1), torch.ones(40, dtype=torch.float64))
    own = (mapped * text[labels]).sum(dim=1)
    before = 1 - (rows * text[labels]).sum(dim=1).mean() if start == "identity" else None
    if loss == "cosine":
        assert layer.losses[1] == pytest.approx(float(1 - own.mean()), abs=1e-5)
        assert before is None or layer.losses[0] == pytest.approx(float(before), abs=1e-5)
    else:
        scores = 10.0 * mapped @ text.double().T  # the toy's logit_scale
        expected = torch.nn.functional.cross_entropy(scores, torch.tensor(labels))
        assert layer.losses[1] == pytest.approx(float(expected), abs=1e-5)


def test_seeds_reproduce_and_leave_the_global_generator_alone() -> None:
    rows, labels, text = turned()
    state = torch.random.get_rng_state()
    made = [
        fit_linear(ConvToy(), rows, labels, text, data="made up", start="random", seed=seed, epochs=2)
        for seed in (3, 3, 4)
    ]
    assert made[0].sha256 == made[1].sha256 != made[2].sha256
    assert torch.equal(state, torch.random.get_rng_state())


def test_saved_and_loaded(tmp_path: Path) -> None:
    rows, labels, text = turned()
    layer = fit_linear(ConvToy(), rows, labels, text, data="40 made up", epochs=2)
    found = load_linear(layer.save(tmp_path / "h.safetensors"), ConvToy())
    assert found.card == layer.card
    assert found.data == "40 made up"
    assert torch.equal(found(rows), layer(rows))
    other = BandToy()
    other.card = other.card.model_copy(update={"weights_sha256": "1" * 64})
    with pytest.raises(InputError, match=r"trained for ConvToy \(000000000000\), not for BandToy \(111111111111\)"):
        load_linear(tmp_path / "h.safetensors", other)
    (tmp_path / "h.safetensors").write_bytes(b"no layer")
    with pytest.raises(InputError, match="holds no linear layer"):
        load_linear(tmp_path / "h.safetensors", ConvToy())
    with pytest.raises(InputError, match="no such file"):
        load_linear(tmp_path / "none", ConvToy())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"loss": "hinge"}, "loss is 'cross-entropy' or 'cosine'"),
        ({"start": "zeros"}, "start is 'identity' or 'random'"),
        ({"labels": [CLASSES] * 40}, "whole numbers from 0 to 3"),
        ({"labels": [0.5] * 40}, "whole numbers from 0 to 3"),
        ({"labels": [0]}, r"not \(40, 8\), \(1,\) and \(4, 8\)"),
        ({"class_text": torch.eye(3)}, r"and \(3, 3\)"),
        ({"epochs": 0}, "epochs is a whole number, 1 or more"),
        ({"rate": 0.0}, "rate is a number above 0"),
    ],
)
def test_errors(changed: dict[str, Any], said: str) -> None:
    rows, labels, text = turned()
    given = {"embeddings": rows, "labels": labels, "class_text": text, "data": "made up", **changed}
    with pytest.raises(InputError, match=said):
        fit_linear(ConvToy(), **given)
