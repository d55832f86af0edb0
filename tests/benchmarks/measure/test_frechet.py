"""The command: a set is nearer to itself than to another, and few clips look farther than many."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import zsxai
from zsxai import InputError
from zsxai.benchmarks.measure.frame import app
from zsxai.benchmarks.measure.frechet import embeddings, frechet, load_pair
from zsxai.data import LabelledClip
from zsxai.metrics.frechet import draw_parts


def folder_of(root: Path, hertz: float, count: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    (root / "tone").mkdir(parents=True)
    for i in range(count):
        time = np.arange(16000) / 16000
        wave = 0.3 * np.sin(2 * np.pi * hertz * rng.uniform(0.8, 1.2) * time) + 0.02 * rng.normal(size=16000)
        soundfile.write(root / "tone" / f"{i}.wav", wave, 16000)
    return root


def test_another_set_is_farther_than_a_half_of_the_same(tmp_path: Path) -> None:
    low, high = folder_of(tmp_path / "low", 300, 16, 0), folder_of(tmp_path / "high", 4000, 8, 1)
    done = CliRunner().invoke(
        app(frechet), ["--data", f"folder={low}", "--data", f"folder={high}", "--draws", "3", "--json"]
    )
    assert done.exit_code == 0, done.output
    between, *within = [row["mean"] for row in json.loads(done.stdout)["rows"]]
    assert between > 2 * within[-1]
    assert within[0] > within[-1], "the fewer, the higher"


@dataclass
class Few:
    clips: Sequence[LabelledClip]
    labels: Sequence[str] = ("x",)


def test_every_window_bears_its_recording() -> None:
    # Two clips of one recording, one of them longer than a window.
    seconds = {"a": ("r", 12), "b": ("r", 1), "c": ("s", 1)}
    noise = np.random.default_rng(0).normal(size=16000 * 12).astype(np.float32)
    clips = [
        LabelledClip(n, "x", source, audio={"array": noise[: 16000 * t], "sampling_rate": 16000})
        for n, (source, t) in seconds.items()
    ]
    rows, sources = embeddings(zsxai.load_model("tiny"), Few(clips), progress=False)
    assert len(rows) == len(sources) > 3
    assert sources == ["r"] * (len(rows) - 1) + ["s"]


def test_the_command_draws_whole_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Eight recordings of four equal windows each.
    rng = np.random.default_rng(0)
    groups = [str(i // 4) for i in range(32)]
    rows = np.repeat(rng.normal(size=(8, 4)), 4, axis=0)
    drawn = []

    def spy(names, sizes, generator):
        found = draw_parts(names, sizes, generator)
        drawn.append((list(names), found))
        return found

    monkeypatch.setattr("zsxai.benchmarks.measure.frechet.embeddings", lambda *_: (rows, groups))
    monkeypatch.setattr("zsxai.benchmarks.measure.frechet.draw_parts", spy)
    monkeypatch.setattr("zsxai.metrics.frechet.draw_parts", spy)
    root = folder_of(tmp_path / "one", 300, 1, 0)
    done = CliRunner().invoke(app(frechet), ["--data", f"folder={root}", "--draws", "2"])
    assert done.exit_code == 0, done.output
    assert "recordings 8 and 8" in done.output
    assert re.search(r"between the two +\| 14 ", done.output)
    assert len(drawn) == 2 * 2 + 3 * 2
    for names, _ in drawn:
        assert names == groups


def test_two_sets_from_one_folder_or_from_two(esc50: Path) -> None:
    by_fold = load_pair([f"esc50={esc50}"], ["3", "1,2"])
    assert [{clip.fold for clip in one.clips} for one in by_fold] == [{3}, {1, 2}]
    of_one = load_pair([f"esc50={esc50}", f"esc50={esc50}"], ["4"])
    assert [{clip.fold for clip in one.clips} for one in of_one] == [{4}, {4}]


def test_bad_names() -> None:
    with pytest.raises(InputError, match="folds takes whole numbers"):
        load_pair(["esc50=/nowhere"], ["three"])
    with pytest.raises(InputError, match="unknown dataset 'esc5'"):
        load_pair(["esc5=/nowhere"], [])
    with pytest.raises(InputError, match="two sets are compared"):
        load_pair(["esc50=/nowhere"], ["1", "2", "3"])
