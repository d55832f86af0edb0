"""``zsxai timeline`` as people type it."""

from __future__ import annotations

import json

import pytest
import soundfile

from zsxai.cli import main
from zsxai.data.scene import demo_scene


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    scene = demo_scene()
    path = tmp_path_factory.mktemp("sound") / "scene.wav"
    soundfile.write(path, scene.waveform, scene.sample_rate, subtype="FLOAT")
    return path


def test_a_line_a_prompt_and_the_peaks(wav, tmp_path, capsys):
    assert main(["timeline", str(wav), "siren", "a cat", "--out", str(tmp_path / "out"), "--explain-peaks", "1"]) == 0
    said = capsys.readouterr().out
    assert "scene.wav: 0:10.0, 3 windows of 5 s, 2.5 s apart; presence over time" in said
    assert "1. 0:00.0-0:07.5 'siren' (presence" in said
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        *("index.html", "timeline.csv", "timeline.json", "timeline.png", "timeline.safetensors", "peaks")
    }
    assert [p.name for p in (tmp_path / "out" / "peaks").iterdir()] == ["1-0h00m00s"]
    assert main(["timeline", str(wav), "siren", "--out", str(tmp_path / "out")]) == 2
    assert main(["timeline", str(wav), "siren", "--out", str(tmp_path / "out"), "--overwrite"]) == 0
    assert not (tmp_path / "out" / "peaks").exists()


def test_json_and_csv_tell_the_same(wav, capsys):
    assert main(["timeline", str(wav), "siren", "rain", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert main(["timeline", str(wav), "siren", "rain", "--csv"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "start,stop,siren (cosine),rain (cosine),siren (presence),rain (presence)"
    assert len(rows) == record["windows"] == 3
    peak = record["peaks"][0]
    assert peak["presence"] == pytest.approx(max(float(row.split(",")[4]) for row in rows), abs=1e-4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--json", "--csv"], "both print"),
        (["--explain-peaks", "2"], "say --out DIR"),
        (["--by", "cosine", "--explain-peaks", "1", "--out", "x"], "give --threshold"),
        (["--by", "loudness"], "'presence' or 'cosine' or 'probability'"),
    ],
)
def test_what_is_wrong_is_one_line(wav, words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["timeline", str(wav), "siren", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
