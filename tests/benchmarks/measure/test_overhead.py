"""The command that times the harness beside its bare forwards."""

from __future__ import annotations

import json
from functools import partial

import pytest
from typer.testing import CliRunner

from zsxai.benchmarks.measure import overhead as module
from zsxai.benchmarks.measure.frame import app
from zsxai.benchmarks.measure.timing import compare


def test_the_harness_encodes_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "compare", partial(compare, least=1e-9))
    words = ["--clips", "1", "--explainers", "gradcam", "--domain", "mel", "--repeats", "3", "--json"]
    done = CliRunner().invoke(app(module.overhead), words)
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    # The one that is named and four controls: the clip, and masked in, masked out and heard for each.
    assert record["encoded"]["harness"] == record["needed"] == 1 + 3 * 5
    assert record["interval"][0] <= record["ratio"] <= record["interval"][1]
    assert (record["clips"], record["explainers"], record["data"]) == (1, 5, "synthetic")
