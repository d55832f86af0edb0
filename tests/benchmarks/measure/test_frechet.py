"""The command: a set is nearer to itself than to another, and few clips look farther than many."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

import zsxai
from zsxai import InputError
from zsxai.benchmarks.measure.frechet import dataset_of, embeddings, frechet
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
    app = typer.Typer()
    app.command()(frechet)
    done = CliRunner().invoke(app, [f"folder:{low}", f"folder:{high}", "--draws", "3"])
    assert done.exit_code == 0, done.output
    between, *within = [float(x) for x in re.findall(r"each: ([\d.]+)", done.output)]
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
    app = typer.Typer()
    app.command()(frechet)
    done = CliRunner().invoke(app, [f"folder:{root}", f"folder:{root}", "--draws", "2"])
    assert done.exit_code == 0, done.output
    assert "8 and 8 recordings" in done.output
    assert "between the two, 14 windows each" in done.output
    assert len(drawn) == 2 * 2 + 3 * 2
    for names, _ in drawn:
        assert names == groups


def test_bad_names() -> None:
    with pytest.raises(InputError, match="folds are whole numbers"):
        dataset_of("esc50:/nowhere#three")
    with pytest.raises(InputError, match="unknown dataset 'esc5'"):
        dataset_of("esc5:/nowhere")
