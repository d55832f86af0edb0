"""AudioSet in the layouts that people have it in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.data.conftest import Write, fails, levels, write_table
from zsxai.data import Dataset
from zsxai.data.audioset import AudioSet

CLASSES = [
    ["0", "/m/09x0r", "Speech"],
    ["1", "/m/05zppz", "Male speech, man speaking"],
    ["2", "/m/04rlf", "Music"],
    ["3", "/m/0jbk", "Animal"],
]
SEGMENTS = """# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=4, num_segs=4, num_unique_labels=3, num_positive_labels=5
# YTID, start_seconds, end_seconds, positive_labels
yr8aHhk0bMo, 30.000, 40.000, "/m/04rlf"
--4gqARaEJE, 0.000, 10.000, "/m/09x0r,/m/05zppz"
ZZ_gone_ZZZ, 20.000, 30.000, "/m/04rlf"
_0-2meOf9qY, 330.000, 340.000, "/m/04rlf,/m/09x0r"
"""
NAMES = ("Y--4gqARaEJE", "yr8aHhk0bMo_30", "_0-2meOf9qY_330000")


@pytest.fixture
def audioset(tmp_path: Path, write_sound: Write) -> Path:
    """The evaluation set, its files named in three ways; of one clip there is none."""
    write_table(tmp_path / "metadata" / "class_labels_indices.csv", "index,mid,display_name", CLASSES)
    (tmp_path / "metadata" / "eval_segments.csv").write_text(SEGMENTS, encoding="utf-8")
    for i, name in enumerate(NAMES):
        write_sound(tmp_path / "audios" / "eval_segments" / f"{name}.wav", 0.1 * (i + 1))
    return tmp_path


def test_audioset(audioset: Path) -> None:
    with pytest.warns(UserWarning, match=r"AudioSet \(eval\) at .*: 1 of 4 clips have no audio and are left out"):
        data = AudioSet(audioset)
    assert isinstance(data, Dataset)
    assert [(clip.name, clip.label, clip.labels) for clip in data] == [
        ("--4gqARaEJE", "Speech", ("Speech", "Male speech, man speaking")),
        ("_0-2meOf9qY", "Music", ("Music", "Speech")),
        ("yr8aHhk0bMo", "Music", ("Music",)),
    ]
    assert [clip.source for clip in data] == [clip.name for clip in data]
    assert data.labels == ["Animal", "Male speech, man speaking", "Music", "Speech"]
    assert levels(data) == [0.1, 0.3, 0.2]
    assert data.missing == 1


@pytest.mark.parametrize(
    "name", ["ZZ_gone_ZZZ", "YZZ_gone_ZZZ_20.000", "ZZ_gone_ZZZ_20_30", "YZZ_gone_ZZZ_20.000_30.000"]
)
def test_audioset_names_of_files(audioset: Path, write_sound: Write, name: str) -> None:
    write_sound(audioset / "audios" / "eval_segments" / f"{name}.flac", 0.7)
    data = AudioSet(audioset, without_audio="refuse")
    assert levels(data) == [0.1, 0.7, 0.3, 0.2]
    assert data.missing == 0


def test_audioset_errors(audioset: Path) -> None:
    fails(AudioSet, audioset, "test", said="split is 'eval' or 'balanced_train', not 'test'")
    fails(AudioSet, audioset, "balanced_train", said=f"looked for {audioset / 'balanced_train_segments.csv'} or ")
    fails(AudioSet, audioset, "eval", "refuse", said="1 of 4 clips have no audio; without_audio = 'skip' leaves")
    table = audioset / "metadata" / "eval_segments.csv"
    table.write_text('a, 0.000, 10.000, "/m/09x0r,/m/0"\n', encoding="utf-8")
    fails(AudioSet, audioset, said="a is of the class '/m/0', which is not in")
    table.write_text('a, 0.000, 10.000, "/m/09x0r\n', encoding="utf-8")
    fails(AudioSet, audioset, said="is no table in UTF-8")
    shutil.rmtree(audioset / "audios")
    fails(AudioSet, audioset, said="looked for audios/eval_segments/, eval_segments/, audio/eval/, audio/")
