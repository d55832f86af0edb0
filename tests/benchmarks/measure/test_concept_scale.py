"""Which lambda is the paper's: words under every reading of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from zsxai import load_model
from zsxai.benchmarks.measure.concept_scale import app, compare_readings, concept_scale
from zsxai.concepts.centring import NONE
from zsxai.concepts.dictionary import build_dictionary

WORDS = ("dog", "rain", "engine", "clock tick", "church bells", "sea waves")
HEAD = ["--model", "tiny", "--data", "synthetic", "--limit", "2"]


@pytest.fixture
def words(tmp_path: Path) -> str:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS))
    return str(path)


def test_readings_are_penalties_on_unit_rows(words: str) -> None:
    model = load_model("tiny")
    dictionary = build_dictionary(model, words, NONE, progress=False)
    rows = torch.nn.functional.normalize(dictionary.atoms[:3] + 0.5 * dictionary.atoms[3:], dim=1)
    found = {reading.scale: reading for reading in compare_readings(model, words, rows, [NONE], (8.0, 12.0))}
    size = rows.shape[1]
    assert found["alpha"].penalties == pytest.approx([2 * size * lam / 96 for lam in (0.05, 0.1, 0.15)])
    for reading in found.values():
        counted = [float(dictionary.decompose(rows, penalty).counts.double().mean()) for penalty in reading.penalties]
        assert list(reading.words) == counted
    assert list(found) == sorted(found, key=lambda scale: found[scale].off)


def test_the_command_says_what_it_assumed_and_what_fits_best(words: str) -> None:
    made = CliRunner().invoke(app(concept_scale), [*HEAD, "--vocabulary", words, "--json"])
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert (told["words"], told["recordings"]) == (len(WORDS), 2)
    assert told["norms of alpha"].endswith("assumed")
    assert {(r["scale"], r["centring"]) for r in told["readings"]} == {
        (scale, centring) for scale in ("unit", "alpha") for centring in ("none", "mean")
    }
    assert told["readings"][0]["off"] == min(reading["off"] for reading in told["readings"])


def test_mistakes_are_one_line(words: str) -> None:
    made = CliRunner().invoke(app(concept_scale), [*HEAD, "--vocabulary", words, "--mean", "nowhere.safetensors"])
    assert (made.exit_code, made.stderr.count("\n")) == (2, 1)
    assert "no centring at nowhere.safetensors" in made.stderr
