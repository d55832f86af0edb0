"""The command: a set is nearer to itself than to another, and few clips look farther than many."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from zsxai import InputError
from zsxai.benchmarks.frechet import dataset_of, frechet


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


def test_bad_names() -> None:
    with pytest.raises(InputError, match="folds are whole numbers"):
        dataset_of("esc50:/nowhere#three")
    with pytest.raises(InputError, match="unknown dataset 'esc5'"):
        dataset_of("esc5:/nowhere")
