"""TUT Acoustic Scenes 2017 in its official layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.data.conftest import Write, fails, levels
from zsxai.data import Dataset
from zsxai.data.tut2017 import TUT2017

DEVELOPMENT = [
    ("audio/b020_90_100.wav", "beach", "b020"),
    ("audio/b020_100_110.wav", "beach", "b020"),
    ("audio/a099_0_10.wav", "cafe/restaurant", "a099"),
    ("audio/f010_0_10.wav", "forest_path", "f010"),
]
EVALUATION = [("audio/2.wav", "forest_path"), ("audio/1.wav", "beach")]


def write_lines(path: Path, rows: list[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(row) + "\r\n" for row in rows), encoding="utf-8")


@pytest.fixture
def tut(tmp_path: Path, write_sound: Write) -> Path:
    """Both sets as the archives unpack; each fold tests on one segment."""
    development, evaluation = (tmp_path / f"TUT-acoustic-scenes-2017-{s}" for s in ("development", "evaluation"))
    write_lines(development / "meta.txt", list(DEVELOPMENT))
    for fold, row in enumerate(DEVELOPMENT, start=1):
        write_lines(development / "evaluation_setup" / f"fold{fold}_evaluate.txt", [row[:2]])
    write_lines(evaluation / "meta.txt", list(EVALUATION))
    for i, row in enumerate((*DEVELOPMENT, *EVALUATION)):
        write_sound((development if i < 4 else evaluation) / row[0], 0.1 * (i + 1))
    return tmp_path


def test_tut2017_development(tut: Path) -> None:
    data = TUT2017(tut, "development")
    assert isinstance(data, Dataset)
    assert [(clip.name, clip.label, clip.source, clip.fold) for clip in data] == [
        ("a099_0_10.wav", "cafe/restaurant", "a099", 3),
        ("b020_100_110.wav", "beach", "b020", 2),
        ("b020_90_100.wav", "beach", "b020", 1),
        ("f010_0_10.wav", "forest path", "f010", 4),
    ]
    assert data.labels == ["beach", "cafe/restaurant", "forest path"]
    assert levels(data) == [0.3, 0.2, 0.1, 0.4]
    fold = TUT2017(tut / "TUT-acoustic-scenes-2017-development", "development", folds=[4])
    assert [clip.name for clip in fold] == ["f010_0_10.wav"]
    assert fold.labels == data.labels


def test_tut2017_recordings_of_the_evaluation_set(tut: Path) -> None:
    assert [(clip.name, clip.label, clip.source) for clip in TUT2017(tut)] == [
        ("1.wav", "beach", "1"),
        ("2.wav", "forest path", "2"),
    ]
    # A list of the names before the challenge says the recordings; without meta.txt the other list has the scenes.
    setup = tut / "TUT-acoustic-scenes-2017-evaluation" / "evaluation_setup"
    write_lines(setup / "map.txt", [("audio/1.wav", "audio/b090_0_10.wav"), ("audio/2.wav", "audio/f011_10_20.wav")])
    shutil.move(setup.parent / "meta.txt", setup / "evaluate.txt")
    data = TUT2017(tut)
    assert [(clip.name, clip.source) for clip in data] == [("1.wav", "b090"), ("2.wav", "f011")]
    assert levels(data) == [0.6, 0.5]


def test_tut2017_both(tut: Path) -> None:
    data = TUT2017(tut, "both")
    assert len(data) == 6
    assert [clip.fold for clip in data][4:] == [0, 0]


def test_tut2017_errors(tut: Path) -> None:
    development = tut / "TUT-acoustic-scenes-2017-development"
    fails(TUT2017, tut, "test", said="split is 'development', 'evaluation' or 'both', not 'test'")
    fails(TUT2017, tut, "both", [1], said="folds are of the development set: leave them out with split = 'both'")
    fails(TUT2017, tut, "development", [5], said="no clip in fold 5: its folds are 1, 2, 3, 4")
    fails(TUT2017, tut / "nowhere", said="no such folder")
    fails(TUT2017, development / "audio", said=f"looked for {development / 'audio'}")
    (development / "audio" / "f010_0_10.wav").unlink()
    fails(TUT2017, tut, "development", said="1 of 4 audio files are missing")
    (development / "evaluation_setup" / "fold2_evaluate.txt").unlink()
    fails(TUT2017, tut, "development", said="lacks the list of a fold, ")
    for text, said in (("audio/1.wav\n", "line 1: fewer than 2 fields"), ("\n", "holds no rows")):
        (development / "meta.txt").write_text(text, encoding="utf-8")
        (development / "evaluation_setup" / "fold2_evaluate.txt").write_text("a.wav", encoding="utf-8")
        fails(TUT2017, tut, "development", said=said)
    (development / "meta.txt").write_bytes(b"a\tb\xff")
    fails(TUT2017, tut, "development", said="is no table in UTF-8")
