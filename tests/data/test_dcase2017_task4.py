"""DCASE 2017 Task 4 in its official layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.data.conftest import Write, fails, levels
from zsxai.data import Dataset
from zsxai.data.dcase2017_task4 import DCASE2017Task4

ROWS = [
    ("PNaLTW50fxM_60.000_70.000.wav", "60.000", "70.000", "Truck"),
    ("-JMT0mK0Dbg_30.000_40.000.wav", "30.000", "40.000", "Train horn"),
    ("kr8ss_rDDMY_0.000_10.000.wav", "0.000", "10.000", "Car"),
    ("-JMT0mK0Dbg_30.000_40.000.wav", "30.000", "40.000", "Air horn, truck horn"),
]
FILES = ("Y-JMT0mK0Dbg_30.000_40.000.wav", "kr8ss_rDDMY_0_10.flac")


@pytest.fixture
def task4(tmp_path: Path, write_sound: Write) -> Path:
    """The evaluation set, with lines of one clip apart, and no audio of one clip."""
    table = tmp_path / "groundtruth_release" / "groundtruth_weak_label_evaluation_set.csv"
    table.parent.mkdir()
    table.write_text("".join("\t".join(row) + "\r\n" for row in ROWS), encoding="utf-8")
    for i, name in enumerate(FILES):
        write_sound(tmp_path / "audio" / name, 0.1 * (i + 1))
    return tmp_path


def test_dcase2017_task4(task4: Path) -> None:
    with pytest.warns(UserWarning, match=r"DCASE 2017 Task 4 \(evaluation\) at .*: 1 of 3 clips have no audio and are"):
        data = DCASE2017Task4(task4)
    assert isinstance(data, Dataset)
    assert [(clip.name, clip.label, clip.labels, clip.source) for clip in data] == [
        ("-JMT0mK0Dbg_30.000_40.000", "Train horn", ("Train horn", "Air horn, truck horn"), "-JMT0mK0Dbg"),
        ("kr8ss_rDDMY_0.000_10.000", "Car", ("Car",), "kr8ss_rDDMY"),
    ]
    assert data.labels == ["Air horn, truck horn", "Car", "Train horn", "Truck"]  # also of the clip without audio
    assert levels(data) == [0.1, 0.2]
    assert data.missing == 1


def test_dcase2017_task4_as_the_challenge_gave_it(task4: Path, write_sound: Write) -> None:
    name = "groundtruth_weak_label_evaluation_set.csv"
    shutil.move(task4 / "groundtruth_release" / name, task4 / name.replace("evaluation", "testing"))
    write_sound(task4 / "audio" / "testing" / "YPNaLTW50fxM_60.000_70.000.wav", 0.5)
    with pytest.warns(UserWarning, match="2 of 3"):
        assert [clip.label for clip in DCASE2017Task4(task4, "testing")] == ["Truck"]


def test_dcase2017_task4_errors(task4: Path) -> None:
    table = task4 / "groundtruth_release" / "groundtruth_weak_label_evaluation_set.csv"
    fails(DCASE2017Task4, task4, "test", said="split is 'training', 'testing' or 'evaluation', not 'test'")
    fails(DCASE2017Task4, task4, "training", said="groundtruth_weak_label_training_set.csv or ")
    fails(DCASE2017Task4, task4, "evaluation", "no", said="without_audio is 'skip' or 'refuse', not 'no'")
    said = "1 of 3 clips have no audio; without_audio = 'skip' leaves them out"
    fails(DCASE2017Task4, task4, "evaluation", "refuse", said=said)
    for name in FILES:
        (task4 / "audio" / name).unlink()
    fails(DCASE2017Task4, task4, said="3 of 3 clips have no audio")
    table.write_text("a_0_x.wav\t0\tx\tCar\n", encoding="utf-8")
    fails(DCASE2017Task4, task4, said="start and end of a clip are seconds, not 'x'")
    table.write_text("a_0_10.wav\t0\t10\t\n", encoding="utf-8")
    fails(DCASE2017Task4, task4, said="line 1: fewer than 4 fields are filled in")
    shutil.rmtree(task4 / "audio")
    fails(DCASE2017Task4, task4, said=f"and {task4 / 'audio' / 'evaluation'} or ")
