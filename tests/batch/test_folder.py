"""A run over many recordings: what it writes, and that it goes on where it stopped."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import zsxai
from tests.ctrl_c import start_interruptible
from tests.toys import STRICT, ConvToy
from zsxai.batch.store import KEPT
from zsxai.cli import main
from zsxai.errors import InputError
from zsxai.stretch import SECONDS
from zsxai.testing.explainer import apart

pytestmark = STRICT
PROMPTS = ["a siren", "rain"]


@pytest.fixture(scope="module", autouse=True)
def toy() -> Iterator[None]:
    zsxai.register_model("toy", ConvToy())
    yield
    zsxai.registry.MODELS.unregister("toy")


def noise(path: Path, seconds: float = 0.5, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.random.default_rng(seed).standard_normal(round(16000 * seconds)) / 10
    soundfile.write(path, sound, 16000)
    return path


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    for seed, name in enumerate(("b.wav", "sub/a.wav", "sub/c.wav")):
        noise(folder / name, 0.4 + 0.1 * seed, seed)
    return folder


def table(out: Path) -> list[dict[str, str]]:
    with (out / "table.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_and_a_folder_each(calls: Path, tmp_path: Path) -> None:
    out = tmp_path / "seen"
    found = zsxai.explain_folder(calls, PROMPTS, out, model="toy")
    assert (found.failures, found.before, found.folder) == ({}, 0, out)
    rows = table(out)
    assert [(r["file"], r["prompt"]) for r in rows] == [
        (name, prompt) for name in ("b.wav", "sub/a.wav", "sub/c.wav") for prompt in PROMPTS
    ]
    for row, shown in zip(rows, found.rows, strict=True):
        saved = zsxai.Explanation.load(out / row["folder"])
        assert not apart(zsxai.explain(calls / row["file"], row["prompt"], model="toy"), saved)
        for name in ("seconds", "score", "score_in", "score_out", "score_heard", "mask_mean", "kept_energy"):
            assert float(row[name]) == getattr(saved, name) == getattr(shown, name)
        first = saved.regions()[:1]
        assert (row["start"], row["high"]) == ((str(first[0].start), str(first[0].high)) if first else ("", ""))
        assert saved.verdict is not None
        assert row["verdict"] == saved.verdict.level
        assert float(row["presence"]) == saved.verdict.figures["presence"]
        assert row["warnings"] == "; ".join(saved.provenance.warnings)
    assert [r["folder"] for r in rows[:2]] == ["b.wav/a-siren", "b.wav/rain"]
    assert json.loads((out / "run.json").read_text())["prompts"] == PROMPTS


def test_what_is_done_is_not_done_again(calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, options = tmp_path / "seen", {"model": "toy", "explainer": "gradcam"}
    (calls / "bad.wav").write_text("no sound")
    first = zsxai.explain_folder(calls, "rain", out, **options)  # type: ignore[arg-type]
    assert list(first.failures) == ["bad.wav"]
    assert "is not audio" in first.failures["bad.wav"]
    made = (out / "b.wav" / "explanation.json").stat().st_mtime_ns
    (calls / "bad.wav").unlink()
    noise(calls / "bad.wav", seed=5)
    noise(calls / "new.wav", seed=6)
    os.utime(calls / "b.wav")  # touched: the same sound
    noise(calls / "sub/a.wav", 0.7, seed=7)  # another one
    again = zsxai.explain_folder(calls, "rain", out, **options)  # type: ignore[arg-type]
    assert (again.before, again.failures) == (2, {})
    assert [r["file"] for r in table(out)] == ["b.wav", "bad.wav", "new.wav", "sub/a.wav", "sub/c.wav"]
    assert float(table(out)[3]["seconds"]) == 0.7
    assert (out / "b.wav" / "explanation.json").stat().st_mtime_ns == made
    # A folder that is gone is made again.
    shutil.rmtree(out / "new.wav")
    assert zsxai.explain_folder(calls, "rain", out, **options).before == 4  # type: ignore[arg-type]
    assert (out / "new.wav" / "index.html").is_file()
    with pytest.raises(InputError, match=r"holds a run with seed 0, not 1: name another folder, or say overwrite"):
        zsxai.explain_folder(calls, "rain", out, seed=1, **options)  # type: ignore[arg-type]
    kept = out / "sub" / "mine.txt"
    kept.touch()
    anew = zsxai.explain_folder(calls / "sub", "rain", out, seed=1, light=True, overwrite=True, **options)  # type: ignore[arg-type]
    assert anew.before == 0
    assert {p.name for p in out.iterdir()} == {"sub", "table.csv", "index.html", "run.json", KEPT}
    assert list((out / "sub").iterdir()) == [kept], "what is not ours stays"
    assert [r["folder"] for r in table(out)] == ["", ""]


def test_a_table_of_its_own_prompts(calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (calls / "list.csv").write_text("path,prompt\nb.wav,rain\nsub/a.wav,a siren\nb.wav,a dog\ngone.wav,rain\n")
    words = ["explain", str(calls / "list.csv"), "--model", "toy", "--json", "--out", str(tmp_path / "seen")]
    assert main(words) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["file"], line.get("prompt"), line.get("folder")) for line in lines] == [
        ("b.wav", "rain", "b.wav/rain"),
        ("b.wav", "a dog", "b.wav/a-dog"),
        ("sub/a.wav", "a siren", "sub/a.wav"),
        ("gone.wav", None, None),
    ]
    assert "no such file" in lines[-1]["error"]


def test_nothing_is_written_without_out(calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", f"{calls}/*.wav", *PROMPTS, "--model", "toy"]) == 0
    head, first, second, *rest = capsys.readouterr().out.splitlines()
    assert head.split() == ["recording", "prompt", "score", "verdict", "region"]
    assert first.startswith("b.wav      a siren ")
    assert second.startswith("b.wav      rain    ")
    assert rest[0] == "1 recordings explained, 0 failed"
    assert main(["explain", str(calls / "b.wav"), *PROMPTS, "--model", "toy"]) == 0, "one file, several prompts"
    assert [p.name for p in tmp_path.iterdir()] == ["calls"]


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        ([], {}, "say what to listen for"),
        ([""], {}, "the prompt is empty"),
        (["rain"], {"out": "{calls}/seen"}, "lies in the data"),
        (["rain"], {"out": "{calls}/../file"}, "is a file"),
        (["rain"], {"out": "{calls}/../other"}, "holds notes.txt and no run.json"),
        (["rain"], {"jobs": 2}, "'toy' is registered in this process only"),
        (["rain"], {"engine": "slurm"}, "an engine is local or ray"),
        (["rain"], {"explaner": "x"}, "did you mean 'explainer'"),
        (["rain"], {"explainer": "nope"}, "unknown explainer"),
    ],
)
def test_what_is_asked_wrongly(calls: Path, prompts: list[str], options: dict[str, Any], message: str) -> None:
    (calls.parent / "other").mkdir()
    (calls.parent / "other" / "notes.txt").touch()
    (calls.parent / "file").touch()
    if "out" in options:
        options = {"out": options["out"].format(calls=calls)}
    with pytest.raises(InputError, match=message):
        zsxai.explain_folder(calls, prompts, model="toy", **options)


@pytest.mark.parametrize("light", [False, True])
def test_long_recordings_are_worked_on_in_their_folder(tmp_path: Path, light: bool) -> None:
    noise(tmp_path / "calls" / "long.wav", SECONDS + 5)
    noise(tmp_path / "calls" / "short.wav")
    options: dict[str, Any] = {"model": "toy", "verdict": False}
    found = zsxai.explain_folder(tmp_path / "calls", "rain", tmp_path / "out", light=light, **options)
    assert found.failures == {}
    assert [round(row.seconds, 1) for row in found.rows] == [SECONDS + 5, 0.5]
    single = zsxai.explain(tmp_path / "calls" / "long.wav", "rain", **options)
    assert found.rows[0].score_in == pytest.approx(single.score_in, abs=1e-5)
    left = {p.name for p in (tmp_path / "out").iterdir()} - {"table.csv", "index.html", "run.json", KEPT}
    assert left == (set() if light else {"long.wav", "short.wav"})
    assert all(p.suffix == ".json" for p in (tmp_path / "out" / KEPT).iterdir())


# Slow enough that an interruption comes before the end.
SLOWLY: dict[str, Any] = {"explainer": "occlusion", "options": {"seconds": 0.25}, "light": True, "verdict": False}
MANY = 10


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings in ``calls``, and a run over them that nothing interrupted."""
    place = tmp_path_factory.mktemp("whole")
    for n in range(MANY):
        noise(place / "calls" / f"{n}.wav", 0.5, n)
    zsxai.explain_folder(place / "calls", "rain", place / "run", **SLOWLY)
    return place


@pytest.mark.parametrize(("sent", "jobs"), [(signal.SIGKILL, 1), (signal.SIGINT, 2)])
def test_killed_and_started_again(whole: Path, tmp_path: Path, sent: signal.Signals, jobs: int) -> None:
    calls, out = whole / "calls", tmp_path / "seen"
    words: list[str | Path] = [sys.executable, "-m", "zsxai", "explain", calls, "rain", "--out", out, "--light"]
    words += ["--explainer", "occlusion", "--option", "seconds=0.25", "--verdict", "no", "--jobs", str(jobs)]
    process = start_interruptible(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and not list(out.glob(f"{KEPT}/*.json")):
        time.sleep(0.005)
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    done = len(list(out.glob(f"{KEPT}/*.json")))
    assert 1 <= done < MANY
    if sent == signal.SIGINT:
        assert process.returncode == 130
        assert f"of {MANY} recordings are in {out}; the same command goes on from there" in err
    again = zsxai.explain_folder(calls, "rain", out, **SLOWLY)
    assert (again.before, len(again.rows)) == (done, MANY)
    for row, wanted in zip(table(out), table(whole / "run"), strict=True):
        for name, value in wanted.items():
            same = row[name] == value or float(row[name]) == pytest.approx(float(value), abs=1e-4)
            assert same, f"{name} of {row['file']}: {row[name]}, not {value}"
    if sent == signal.SIGINT:
        assert not [p for p in out.rglob("*") if ".part" in p.name]
