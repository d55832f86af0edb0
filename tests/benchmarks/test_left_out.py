"""Sounds that cannot be read: each is named once, and every table counts it."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import zsxai
from tests.toys import ConvToy
from zsxai import benchmarks
from zsxai.benchmarks.analyse.export import export
from zsxai.benchmarks.analyse.headline import write_headline
from zsxai.cli import main
from zsxai.registry import MODELS

SUITE: dict[str, Any] = {
    "name": "toy",
    "data": {"mine": {"reader": "folder"}},
    "models": ["bench-toy"],
    "explainers": ["saliency"],
    "batch": 1,
    "draws": 100,
}
METRICS = {
    "absent": "made-up",
    "faithfulness": "faithfulness",
    "prompts": "prompt-contrast",
    "randomisation": "rank-correlation",
    "two-sounds": "weighted-auc",
}


@pytest.fixture(autouse=True)
def toy() -> Iterator[None]:
    zsxai.register_model("bench-toy", ConvToy())
    yield
    MODELS.unregister("bench-toy")


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Three classes of two sounds; one more file of each of the first two holds none."""
    for seed, label in enumerate(("bell", "dog", "rain")):
        for take in range(2):
            path = tmp_path / "data" / label / f"{take}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng([seed, take]).standard_normal(8000 + 500 * take)
            soundfile.write(path, 0.1 * noise, 16000)
    (tmp_path / "data" / "bell" / "broken.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "data" / "dog" / "silent.wav", np.zeros(8000), 16000)
    return tmp_path / "data"


def suite_of(task: str) -> dict[str, Any]:
    settings = {
        "faithfulness": {"budgets": [], "heard": False},
        "randomisation": {"levels": 1, "towers": ["audio"]},
    }.get(task, {})
    metric = METRICS[task]
    tasks = [{"kind": task, "data": ["mine"], "metrics": [metric], **settings}]
    return {**SUITE, "tasks": tasks, "headline": {"task": task, "metric": metric}}


@pytest.mark.parametrize("task", METRICS)
def test_a_unit_of_unreadable_clips_names_them(sounds: Path, tmp_path: Path, task: str) -> None:
    result = benchmarks.run_suite(suite_of(task), tmp_path / "out", data={"mine": sounds})
    errors = {(f.item, f.error) for cell in result.stored.values() for f in cell.failures}
    assert all(item and error.startswith("left out: ") for item, error in errors), errors
    for name, reason in {"broken.wav": "not audio", "silent.wav": "silent"}.items():
        assert [1 for item, error in errors if name in item and f"{name} is " in error and reason in error], errors
    counts = result.headline().xs("energy", level="explainer")[["n", "n_invalid"]].to_numpy().tolist()
    # Of four mixtures two have a row per prompt, the others one, since nobody asked; so of eight clips six have two.
    assert counts == [[{"two-sounds": 6, "absent": 14}.get(task, 8), 2]]


def test_the_command_ends_with_table_and_list(sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{k} = {v!r}" for k, v in SUITE.items() if k not in ("data", "batch")]
    lines += ["batch = 2", "[data.mine]", "reader = 'folder'", "[headline]", "task = 'faithfulness'"]
    lines += ["metric = 'faithfulness'", "[[tasks]]", "kind = 'faithfulness'", "data = ['mine']", "heard = false"]
    file, out = tmp_path / "toy.toml", tmp_path / "the run"
    file.write_text("\n".join([*lines, "budgets = []"]), encoding="utf-8-sig")
    words = ["bench", "run", str(file), "--out", str(out), "--data", f"mine={sounds}", "--workers", "1"]
    assert main(words) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("Headline: FF")
    assert re.fullmatch(r"  explainer +mean \[95 %\] +place +first in +n +left out", said[2])
    table = {line.split()[0]: line.split() for line in said[3:8]}
    assert sorted(table) == ["constant", "energy", "loudness", "random", "saliency"]
    assert [name for name, cells in table.items() if cells[1] == "(control)"] == [n for n in table if n != "saliency"]
    means = [float(re.findall(r"(\S+) \[", line)[0].replace("\N{MINUS SIGN}", "-")) for line in said[3:8]]
    assert means == sorted(means, reverse=True), "the best first"
    assert {tuple(cells[-2:]) for cells in table.values()} == {("8", "2")}
    assert said[8].startswith("saliency is the only explainer measured: FF, ")
    end = next(at for at, line in enumerate(said) if "cells measured" in line)
    assert re.fullmatch(r"\d+ cells measured; \d+ rows, 2 items left out, 0 failures\.", said[end])
    assert sorted(line.split(": ")[:2] for line in said[end + 1 : end + 3]) == [
        ["  left out", "bell/broken.wav"],
        ["  left out", "dog/silent.wav"],
    ]
    assert (
        said[-1] == f"All rows are in '{out}'; zsxai bench report '{out}' writes their page, '{out / 'report.html'}'."
    )
    assert main(["bench", "report", str(out), "--no-audio"]) == 0
    made_by = "zsxai bench run toy.toml --out 'the run' --workers 1 --data mine=data"
    made_by += "\nzsxai bench report 'the run' --no-audio"
    assert made_by in html.unescape((out / "report.html").read_text(encoding="utf-8"))


def test_a_run_without_any_sound_ends_in_words(sounds: Path, tmp_path: Path) -> None:
    for path in sounds.glob("*/*.wav"):
        path.write_bytes(b"no sound")
    result = benchmarks.run_suite(suite_of("faithfulness"), tmp_path / "out", data={"mine": sounds})
    assert len({f.item for cell in result.stored.values() for f in cell.failures}) == 8
    assert write_headline(result)[-1].endswith("nothing was measured of it.")
    call = f"zsxai.benchmarks.run_suite({result.suite.name!r}, 'out', data={{'mine': 'data'}})"
    assert result.settings["command"] == call, "all that was said, without places"


def test_names_that_are_no_utf_8(sounds: Path, tmp_path: Path) -> None:
    """They stop neither a run nor a table, wherever they stand."""
    try:
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9/data"))
        folder.parent.mkdir()
        sounds.rename(folder)
        (folder / "rain").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9"))
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/out\xe9"))
    benchmarks.run_suite(suite_of("faithfulness"), out, data={"mine": folder})
    result = benchmarks.Result.load(out)
    assert result.settings["roots"] == {"mine": str(folder)}
    rows = result.rows()
    assert {r"caf\xe9/0.wav", r"caf\xe9/1.wav"} <= set(rows["item"])
    assert not result.missing
    export(result, tmp_path / "tables", ["csv", "md"])


def test_output_in_the_data_is_refused_before_all_else(sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(zsxai.errors.InputError, match="lies in the data at"):
        benchmarks.run_suite(suite_of("faithfulness"), sounds / "out", data={"mine": sounds}, models=["nonesuch"])
    assert not (sounds / "out").exists()


@pytest.mark.parametrize("names", [{"models": "bench-toy"}, {"without": "mine"}])
def test_a_name_is_no_list_of_names(tmp_path: Path, names: Any) -> None:
    with pytest.raises(zsxai.errors.InputError, match="is a list of names, such as"):
        benchmarks.run_suite(suite_of("faithfulness"), tmp_path / "out", **names)
