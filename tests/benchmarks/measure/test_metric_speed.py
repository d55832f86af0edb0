"""The table's figures come from the same masks on both sides; no timed assertion."""

import dataclasses
import json
import sys

import pytest
from typer.testing import CliRunner

from zsxai.benchmarks.measure import metric_speed
from zsxai.benchmarks.measure.frame import app
from zsxai.benchmarks.measure.metric_speed import Row, measure

ROW = Row("both", "8x9 dense", 1.0, 60.0, 60.0, 55.0, 65.0, 3, 1.0, 1e-8)


def run(*arguments):
    return CliRunner().invoke(app(metric_speed.metric_speed), list(arguments))


def test_both_sides_agree_on_every_mask():
    rows = list(measure([(24, 30), (8, 40)], repeats=3, least=1e-4))
    assert [(r.metric, r.mask) for r in rows] == [
        (metric, f"{shape} {kind}")
        for shape in ("24x30", "8x40")
        for kind in ("dense", "sparse")
        for metric in ("sparseness", "complexity", "both")
    ]
    for row in rows:
        assert row.difference <= metric_speed.TOLERANCE
        assert row.low <= row.ratio <= row.high
        assert min(row.ours, row.theirs, row.bare) > 0


@pytest.mark.parametrize(
    ("changes", "verdict", "code"),
    [
        ({}, "met", 0),
        ({"low": 45.0}, "undecided", 0),
        ({"low": 30.0, "ratio": 40.0, "high": 49.0}, "under", 1),
        ({"low": 30.0, "ratio": 40.0, "high": 49.0, "metric": "sparseness"}, "under", 0),
        ({"difference": 2e-6, "metric": "sparseness"}, "met", 1),
    ],
)
def test_the_verdict_and_the_exit_code(monkeypatch, changes, verdict, code):
    row = dataclasses.replace(ROW, **changes)
    monkeypatch.setattr(metric_speed, "measure", lambda repeats: iter([row]))
    printed = run("--repeats", "3")
    assert row.verdict == verdict
    assert printed.exit_code == code
    assert verdict in printed.stdout
    assert json.loads(run("--json").stdout)["rows"][0]["difference"] == row.difference


def test_without_quantus_there_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "quantus", None)
    printed = run()
    assert printed.exit_code == 2
    assert printed.output == "quantus is not installed: pip install quantus to compare with it\n"
