"""The command that trains a decoder on every backend."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch
from typer.testing import CliRunner

from tests.toys import ConvToy
from zsxai.benchmarks.measure import decoder_backends as module
from zsxai.benchmarks.measure.decoder_backends import Training, measure_training
from zsxai.benchmarks.measure.frame import app
from zsxai.model import Encoding, Features

FOUND = Training(
    maps={"stage": (2, 4, 8)},
    unread=(),
    mask=(10, 20),
    tokens=None,
    alike=0.5,
    parameters=10,
    batch=2,
    encodes=10,
    forward=1.0,
    step=10.0,
    peak=1_000_000,
    loss=2.0,
    gradient=1.0,
    open_mask=1e-7,
    losses=(2.0, 1.0),
    through=1.0,
)


class Deaf(ConvToy):
    """Its encoder gives no gradient to its input."""

    def encode(self, features: Features) -> Encoding:
        return super().encode(dataclasses.replace(features, input=features.input.detach()))


def command(*words: str) -> object:
    return CliRunner().invoke(app(module.decoder_backends), list(words))


def test_a_training_is_measured() -> None:
    found = measure_training(ConvToy(), batch=2, steps=2, overfit=4)
    assert found.broken is None
    assert found.maps == {"first": (6, 16, 51), "second": (12, 8, 26)}
    assert found.unread == ()
    assert found.tokens == ConvToy.size
    # Each of two mixtures is asked about both its sounds, which are kept and removed.
    assert found.encodes >= 2 * (2 + 2)
    assert found.open_mask < 1e-5
    assert found.losses[-1] < found.losses[0]
    assert min(found.parameters, found.forward, found.step, found.peak, found.gradient, found.through or 0) > 0


def test_an_encoder_without_gradient_is_found() -> None:
    found = measure_training(Deaf(), batch=2, steps=1, overfit=2)
    assert found.broken == "no gradient"
    assert found.through == 0
    assert found.gradient > 0  # of what does not pass through the encoder


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, None),
        ({"losses": (), "through": None}, None),
        ({"loss": math.nan}, "loss not finite"),
        ({"losses": (1.0, math.inf)}, "loss not finite"),
        ({"gradient": 0.0}, "no gradient"),
        ({"gradient": math.nan}, "no gradient"),
        ({"through": 0.0}, "no gradient"),
        ({"losses": (1.0, 1.0)}, "loss does not fall"),
    ],
)
def test_what_is_broken(changes: dict[str, object], broken: str | None) -> None:
    found = dataclasses.replace(FOUND, **changes)  # type: ignore[arg-type]
    assert found.broken == broken
    assert found.record()["broken"] == broken


@pytest.mark.legacy
def test_a_small_backend_from_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "in_new_process", lambda function, *words: function(*words))
    done = command("--no-full", "--only", "laion, own classes", "--overfit", "2", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["backends"]["laion, own classes"]
    assert found["broken"] is None
    assert list(found["maps"].values()) == [[32, 8, 128], [64, 4, 64], [128, 2, 32], [128, 2, 32]]
    assert len(found["losses"]) == 2
    assert found["open_mask"] < 1e-5


def test_the_table_and_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([None, FOUND, None, dataclasses.replace(FOUND, losses=(1.0, 2.0))])
    monkeypatch.setattr(module, "in_new_process", lambda *_: next(found))
    done = command("--only", "msclap")
    assert done.exit_code == 1
    for said in ("msclap-2022", "stage 2x4x8", "none", "10x20", "1e-07", "trains", "loss does not fall"):
        assert said in done.stdout


@pytest.mark.slow
def test_a_backend_at_full_size_trains() -> None:
    """In processes of its own."""
    done = command("--only", "hf", "--overfit", "3", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["backends"]["hf"]
    assert found["maps"]["stage2"] == [192, 8, 128]
    assert found["losses"][-1] < found["losses"][0]
    assert torch.isfinite(torch.tensor(found["losses"])).all()
