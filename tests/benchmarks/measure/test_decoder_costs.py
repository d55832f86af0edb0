"""The floor of a training step encodes what the step encodes, no more, and every row says what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import zsxai
from tests.toys import ConvToy
from zsxai.benchmarks.measure import decoder_costs
from zsxai.benchmarks.measure.decoder_costs import DecoderBench, StepFloor
from zsxai.benchmarks.measure.decoder_training import make_trainer
from zsxai.benchmarks.measure.frame import app
from zsxai.conditions import evaluating
from zsxai.errors import InputError
from zsxai.lmac_zs.explainer import LMACZS
from zsxai.lmac_zs.training.trainer import frozen
from zsxai.model import Encoding, Features, ModelCard


class Counting(ConvToy):
    """Notes the size of every batch it encodes, and whether a gradient is wanted of it."""

    encoded: list[tuple[int, bool]]

    def encode(self, features: Features) -> Encoding:
        if hasattr(self, "encoded"):
            self.encoded.append((len(features.input), features.input.requires_grad))
        return super().encode(features)


class Unnamed(ConvToy):
    """Gives no hash of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.card = ModelCard(name="unnamed")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each measurement lasts as long as one call."""
    monkeypatch.setattr(decoder_costs, "compare", lambda ours, floor, n: quickest(ours, floor, n, least=1e-9))


quickest = decoder_costs.compare


def test_the_floor_of_a_step_encodes_what_the_step_encodes() -> None:
    model = Counting()
    trainer = make_trainer(model, {"batch": 4})
    with evaluating(model), frozen(model):
        floor = StepFloor(trainer)
        model.encoded = []
        trainer._update()
        ours, model.encoded = model.encoded, []
        floor()
        assert model.encoded == ours
    assert ours[0] == (4, False)
    assert all(graph for _, graph in ours[1:])
    masked = " + ".join(str(count) for count, _ in ours[1:])
    assert floor.description.startswith(
        f"4 recordings forward, 3 x back to second; {masked} masked ones forward and back"
    )


def test_every_row_on_an_untrained_decoder(quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_costs, "REFINED", (1, 2))
    bench = DecoderBench(ConvToy(), 1.0, 3, None, tmp_path, limit=1.5, limit_ten=3.0, batch=2)
    assert bench.context["decoder"].startswith("untrained, ")
    assert bench.context["decoder"].endswith("reads first second")
    rows = {name: case() for name, case in bench.cases().items()}
    kinds = ("mask", "mask-in-model", "ten-prompts", "explain", "four-forwards", "step")
    of_domains = [f"{kind}:{domain}" for domain in ("stft", "mel") for kind in kinds]
    assert list(rows) == [*of_domains, "ten-prompts:gradcam", "refine:1", "refine:2"]
    assert {name: row.limit for name, row in rows.items() if row.limit} == {
        "mask:stft": 1.5,
        "mask:mel": 1.5,
        "ten-prompts:stft": 3.0,
        "ten-prompts:mel": 3.0,
        "ten-prompts:gradcam": 2.0,
        **{f"{kind}:{domain}": 1.15 for kind in ("explain", "four-forwards") for domain in ("stft", "mel")},
    }
    for name, row in rows.items():
        assert row.case == name
        assert min(row.costs) > 0
        assert len(row.pairs.ours) == 3


def test_masks_are_those_of_the_explainer(tmp_path: Path) -> None:
    bench = DecoderBench(ConvToy(), 1.0, 3, None, tmp_path)
    masks = bench._masks("mel", 10)()
    assert len(masks) == 10
    assert masks[0].shape == bench._clips("mel")().grid.shape
    assert 0.99 < masks[0].mean() < 1  # four times log-odds of 2, all but untrained
    assert (masks[0] != masks[1]).any()


def test_a_decoder_that_is_named_is_measured(tmp_path: Path) -> None:
    first = DecoderBench(ConvToy(), 1.0, 3, None, tmp_path)
    named = DecoderBench(ConvToy(), 1.0, 3, str(tmp_path / "decoder"), tmp_path / "unused")
    assert named.context["decoder"].startswith("as named, ")
    assert named.explainer == LMACZS(decoder=first.decoder)
    assert not (tmp_path / "unused").exists()


def test_a_model_without_a_hash_gets_no_decoder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unnamed gives no hash of its weights"):
        DecoderBench(Unnamed(), 1.0, 3, None, tmp_path)


def test_the_command_prints_a_table_and_json(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zsxai, "load_model", lambda _name: ConvToy())
    command = app(decoder_costs.decoder_costs)
    words = ["--repeats", "3", "--seconds", "1", "--only", "mask-in-model"]
    told = CliRunner().invoke(command, [*words, "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert [row["case"] for row in found["rows"]] == ["mask-in-model:stft", "mask-in-model:mel"]
    assert found["context"]["clip"] == "1 s"
    assert found["context"]["model"] == "ConvToy (000000000000)"
    printed = CliRunner().invoke(command, ["--repeats", "3", "--only", "mask-in-model:mel"], env={"COLUMNS": "200"})
    assert "one bare forward" in printed.stdout
    assert "mask-in-model:mel" in printed.stdout
    wrong = CliRunner().invoke(command, ["--only", "nothing"])
    assert wrong.exit_code == 2
    assert "mask:stft" in wrong.output
