"""``zsxai bench``: what it prints, what it writes, how it ends."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

import zsxai
from tests.ctrl_c import start_interruptible
from tests.toys import BlackBoxToy
from zsxai.benchmarks.analyse.facts import collect_facts, write_caption
from zsxai.benchmarks.analyse.failures import group_failures
from zsxai.benchmarks.analyse.result import Result
from zsxai.benchmarks.report.rest import list_warnings
from zsxai.benchmarks.run.suite import SUITES
from zsxai.benchmarks.run.worker import Worker
from zsxai.cli import main
from zsxai.registry import MODELS

SUITE = """
name = "toy"
description = "Two clips, no gradients."
explainers = ["energy"]
batch = 1
draws = 100

[data.sounds]
reader = "synthetic"
options = { clips_per_class = 1 }

[[tasks]]
kind = "faithfulness"
data = ["sounds"]
budgets = []
heard = false

[headline]
task = "faithfulness"
metric = "faithfulness"
"""
CONTROLS = 4


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "toy.toml"
    path.write_text(SUITE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def out(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "out"
    assert main(["bench", "run", str(suite), "--out", str(folder), "--limit", "2", "--workers", "1"]) == 0
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    ended = main(["bench", *words])
    out, err = capsys.readouterr()
    assert ended == code, err
    return out if code != 2 else err


def test_help_and_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert "bench" in (main(["--help"]), capsys.readouterr().out)[1]
    for command in ("run", "report", "list", "export"):
        assert command in said(capsys, "--help")
        assert "Usage: zsxai bench" in said(capsys, command, "--help")
    assert [line.split()[0] for line in said(capsys, "list").splitlines()] == list(SUITES)
    listed = json.loads(said(capsys, "list", "--json"))["suites"]
    assert list(listed) == list(SUITES)
    assert all(listed.values()), "every suite says what it is"


def test_run_says_what_it_did(suite: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("run", str(suite), "--out", str(out), "--limit", "2", "--workers", "1")
    assert f"8 cells, 8 of them in {out} already" in said(capsys, *words)
    done = json.loads(said(capsys, *words, "--json"))
    assert (done["suite"], done["cells"], done["measured"], done["failures"]) == ("toy", 2 * CONTROLS, 0, [])
    assert done["rows"] == len(said_rows(out))


def said_rows(out: Path) -> list[Any]:
    with closing(sqlite3.connect(out / "results.sqlite")) as store:
        return store.execute("SELECT * FROM rows ORDER BY key, number").fetchall()


def test_two_runs_in_one_folder_do_no_harm(suite: Path, out: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; from zsxai.cli import main; sys.exit(main())", "bench", "run"]
    command += [str(suite), "--out", str(tmp_path / "both"), "--limit", "2", "--workers", "1"]
    both = [subprocess.Popen([*command, "--json"], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, error = process.communicate()
        assert (process.returncode, error) == (0, "")
    assert said_rows(tmp_path / "both") == said_rows(out)


def test_failures_end_with_1(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Worker, unit: Any, places: Any) -> Any:
        raise RuntimeError("not today")

    words = ("run", str(suite), "--out", str(tmp_path / "out"), "--limit", "2", "--workers", "1")
    with monkeypatch.context() as patched:
        patched.setattr(Worker, "_run", fails)
        printed = said(capsys, *words, code=1)
    assert "8 failures" in printed
    assert "failed: energy (faithfulness, sounds, clean) on a whole unit (2 times): RuntimeError: not today" in printed
    failures = json.loads(said(capsys, *words, "--json"))["failures"]
    assert failures == [], "the same command has tried again"


def test_failures_are_grouped() -> None:
    at = {"task": "prompts", "data": "d", "contamination": "clean", "model": "m"}
    many = [{**at, "explainer": "x", "error": "E", "item": f"clip {n}"} for n in range(5)]
    other = [{**at, "explainer": "y", "error": "E", "item": "0"}, {**at, "explainer": "x", "error": "F", "item": ""}]
    noisy = [{**at, "explainer": "x", "error": "E", "item": "clip 0", "contamination": "white-noise, 3 dB"}]
    assert group_failures([*many, *other, *noisy], models=False) == [
        "x (prompts, d, clean) on clip 0, clip 1, clip 2 and 2 more: E",
        "y (prompts, d, clean) on 0: E",
        "x (prompts, d, clean) on a whole unit: F",
        "x (prompts, d, white-noise, 3 dB) on clip 0: E",
    ]
    assert group_failures([*other[:1], {**other[0], "model": "n"}], models=True) == [
        "y (prompts, d, clean, m) on 0: E",
        "y (prompts, d, clean, n) on 0: E",
    ]


def test_failures_say_where(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Worker, unit: Any, places: Any) -> Any:
        raise RuntimeError("not today")

    monkeypatch.setattr(Worker, "_run", fails)
    words = ("run", str(suite), "--out", str(tmp_path / "out"), "--limit", "1", "--workers", "1")
    failures = json.loads(said(capsys, *words, "--json", code=1))["failures"]
    at = {"task": "faithfulness", "model": "tiny", "data": "sounds", "contamination": "clean", "seed": 0}
    more = {"domain": "stft", "scale": "log", "item": "", "error": "RuntimeError: not today"}
    assert sorted(failures, key=lambda f: f["explainer"]) == [
        {**at, "explainer": name, **more} for name in ("constant", "energy", "loudness", "random")
    ]


def test_what_a_model_cannot_carry_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "toy.toml"
    path.write_text(SUITE.replace('["energy"]', '["saliency", "energy", "gradcam"]'), encoding="utf-8")
    words = ("run", str(path), "--out", str(tmp_path / "out"), "--limit", "1", "--workers", "1")
    words += ("--model", "box", "--model", "tiny")
    zsxai.register_model("box", BlackBoxToy())
    try:
        assert (
            said(capsys, *words).splitlines()[0]
            == "saliency, gradcam need gradients, which box does not give: left out"
        )
        assert json.loads(said(capsys, *words, "--json"))["left_out"] == {"box": ["saliency", "gradcam"]}
    finally:
        MODELS.unregister("box")
    result = Result.load(tmp_path / "out")
    assert collect_facts(result)["left_out"] == {"box": ["saliency", "gradcam"]}
    wanted = "saliency, gradcam need gradients, which box does not give: left out."
    assert wanted in write_caption(result)
    at = {"task": "faithfulness", "data": "sounds", "contamination": "clean", "seed": 0, "domain": "stft"}
    assert wanted in write_caption(result, {**at, "scale": "log", "model": "box"})
    assert "left out" not in write_caption(result, {**at, "scale": "log", "model": "tiny"})
    assert wanted in list_warnings(result)


def without(package: str, *words: str) -> str:
    """The one line of a process that lacks a package."""
    code = f"import sys; sys.modules[{package!r}] = None; from zsxai.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "bench", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    return done.stderr


def test_packages_that_are_not_there(suite: Path, out: Path, tmp_path: Path) -> None:
    line = without("matplotlib", "report", str(out))
    assert line == "zsxai: this needs the package 'matplotlib': pip install zsxai\n"
    line = without("threadpoolctl", "run", str(suite), "--out", str(tmp_path / "new"))
    assert line == "zsxai: this needs the package 'threadpoolctl': pip install 'zsxai[bench]'\n"


def test_a_log_line_per_report(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = out / "report.html"
    assert "no folder" in said(capsys, "report", str(out), "--log", str(tmp_path / "absent" / "x"), code=2)
    assert not page.exists()
    for _ in range(2):
        said(capsys, "report", str(out), "--log", str(tmp_path / "log"))
    page.unlink()
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["suite"] for line in lines] == ["toy", "toy"]


def test_bad_input_is_one_line(suite: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ("run", str(suite), "--out", str(tmp_path / "new"))
    for words, expected in {
        ("run", "nonesuch", "--out", str(tmp_path / "new")): "no suite 'nonesuch'",
        ("run", str(suite)): "--out",
        (*run, "--data", "sounds"): "NAME=DIR",
        (*run, "--data", "a=b", "--data", "a=c"): "given twice",
        (*run, "--data", "sounds=x"): "reads no files",
        (*run, "--engine", "slurm"): "local or ray",
        (*run, "--workers", "0"): "at least 1",
        (*run, "--model", "nonesuch"): "unknown model",
        (*run, "--device", "toaster"): "no device 'toaster' here",
        (*run, "--device", "cuda:99"): "no device 'cuda:99' here",
        ("run", "smoke", "--out", str(out)): "holds a run of the suite 'toy'",
        ("export", str(tmp_path), "--to", "x.csv"): "suite.json",
        ("export", str(out), "--to", "x.doc"): "ends in none of",
        ("export", str(out), "--to", "x.tex", "--rows"): "rows go into",
        ("export", str(out), "--to", str(tmp_path / "absent" / "x.csv")): "no folder",
        ("report", str(tmp_path)): "suite.json",
    }.items():
        line = said(capsys, *words, code=2)
        assert expected in line
        assert line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_export(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("t.csv", "t.parquet", "t.tex", "t.md"):
        assert said(capsys, "export", str(out), "--to", str(tmp_path / name)).splitlines()[0] == str(tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.about.json", "t.csv", "t.md", "t.parquet", "t.tex"]
    assert json.loads((tmp_path / "t.about.json").read_text(encoding="utf-8"))["suite"] == "toy"
    with (tmp_path / "t.csv").open(encoding="utf-8") as file:
        assert {line["explainer"] for line in csv.DictReader(file)} == {"constant", "random", "loudness", "energy"}
    assert "tabular" in (tmp_path / "t.tex").read_text(encoding="utf-8")


def test_exported_rows_are_the_stored_numbers(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pandas

    said(capsys, "export", str(out), "--to", str(tmp_path / "r.csv"), "--rows")
    said(capsys, "export", str(out), "--to", str(tmp_path / "r.parquet"), "--rows")
    with closing(sqlite3.connect(out / "results.sqlite")) as store:
        stored = [json.loads(text) for (text,) in store.execute("SELECT figures FROM rows")]
    numbers = sorted(float(figures["p_in"]) for figures in stored if "p_in" in figures)
    with (tmp_path / "r.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert sorted(float(line["p_in"]) for line in lines if line["p_in"]) == [n for n in numbers if not math.isnan(n)]
    parquet = pandas.read_parquet(tmp_path / "r.parquet")
    assert sorted(parquet["p_in"].dropna()) == [n for n in numbers if not math.isnan(n)]
    assert len(parquet) == len(lines) == len(stored)


def cells(out: Path) -> int:
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{out.as_uri()}/results.sqlite?mode=ro", uri=True)) as store:
        return int(store.execute("SELECT count(*) FROM cells").fetchone()[0])
    return 0


@pytest.mark.parametrize(("workers", "sent", "code"), [("1", "INT", 130), ("2", "INT", 130), ("1", "TERM", 143)])
def test_interruption_keeps_what_is_done(suite: Path, tmp_path: Path, workers: str, sent: str, code: int) -> None:
    command = [sys.executable, "-c", "import sys; from zsxai.cli import main; sys.exit(main())"]
    command += ["bench", "run", str(suite), "--out", str(tmp_path / "out"), "--workers", workers, "--json"]
    process = start_interruptible(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    while process.poll() is None and not cells(tmp_path / "out"):
        time.sleep(0.05)
    os.killpg(process.pid, signal.Signals[f"SIG{sent}"])  # as a terminal does: workers get it, too
    _, error = process.communicate()
    assert process.returncode == code, error
    assert error.count("\n") == 1
    assert error.startswith("zsxai: interrupted; ")
    assert "the same command goes on from there" in error
    assert 0 < cells(tmp_path / "out") < 10 * CONTROLS
    assert f"{cells(tmp_path / 'out')} of " in error


@pytest.mark.slow
def test_a_run_that_is_killed_gives_the_same_in_the_end(suite: Path) -> None:
    script = Path(__file__).with_name("kill.py")
    seed = os.environ.get("ZSXAI_SEED", "0")
    command = [sys.executable, str(script), "--suite", str(suite), "--times", "1", "--limit", "3", "--seed", seed]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the same") >= 3
