"""The command that holds a training against its networks, in a small form on the CPU."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

import zsxai
from tests.toys import ConvToy
from zsxai.benchmarks.measure import decoder_throughput as module
from zsxai.benchmarks.measure.decoder_throughput import Throughput, clock_of, measure_throughput
from zsxai.benchmarks.measure.frame import app
from zsxai.benchmarks.measure.timing import Pairs, compare, cpu_seconds

FOUND = Throughput((5.0, 3.0, 9.0, 1.0, 2.0), 1_000_000, 8, "networks", Pairs((2.0, 4.0, 6.0), (2.0, 2.0, 2.0)))


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_training_is_held_against_its_networks(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    halved: list[bool] = []

    class Watching(ConvToy):
        def encode(self, features):
            halved.append(torch.is_autocast_enabled("cpu"))
            return super().encode(features)

    quick = {"least": 1e-9}
    monkeypatch.setattr(module, "compare", lambda *words, **named: compare(*words, **{**named, **quick}))
    found = measure_throughput(Watching(window=0.25), batch=2, steps=12, repeats=3, precision=precision, centre=True)
    assert len(found.losses) == 12
    assert found.falls, found.losses
    assert found.floor.startswith("2 recordings forward, 3 x back to second; ")
    assert min(found.peak, *found.pairs.ours, *found.pairs.floor) > 0
    # Before the training its standardisation alone is in float32, and behind it nothing.
    assert set(halved[1:]) == {precision == "bf16"}


def test_figures() -> None:
    assert FOUND.ends == (4.0, 1.5), "two batches in turn"
    assert FOUND.rates == (2.0, 4.0)
    assert FOUND.pairs.ratio == 2.0
    assert FOUND.falls
    for losses in ((1.0, 1.0), (2.0, math.nan)):
        assert not replace(FOUND, losses=losses).falls


def test_the_clock_of_a_device_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: done.append("wait"))
    assert clock_of(torch.device("cpu")) is cpu_seconds
    assert clock_of(torch.device("cuda"))(lambda: done.append("call"), 2) > 0
    assert done == ["wait", "call", "call", "wait"]


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zsxai, "load_model", lambda _name, **_: ConvToy())
    found = iter([FOUND, replace(FOUND, losses=(1.0, 2.0))])
    monkeypatch.setattr(module, "measure_throughput", lambda *_, **__: next(found))
    command = app(module.decoder_throughput)
    told = CliRunner().invoke(command, ["--model", "toy", "--json"])
    assert told.exit_code == 0, told.output
    record = json.loads(told.stdout)
    assert (record["ratio"], record["rates"], record["falls"]) == (2.0, [2.0, 4.0], True)
    assert record["context"]["clock"] == "CPU time, one thread"
    printed = CliRunner().invoke(command, ["--model", "toy"])
    assert printed.exit_code == 1
    assert "does not fall" in printed.stdout
