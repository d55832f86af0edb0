"""VocalSound in its official layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import Write, fails, levels, write_table
from zsxai.data import Dataset
from zsxai.data.vocalsound import VocalSound

CLASSES = [["0", "/m/01j3sz", "Laughter"], ["1", "/m/0dl9sf8", "Throat_clearing"], ["2", "/m/01hsr_", "Sneeze"]]
CLIPS = {
    "m0102_0_throatclearing.wav": "/m/0dl9sf8",
    "f0003_0_laughter.wav": "/m/01j3sz",
    "f0003_1_laughter.wav": "/m/01j3sz",
}


def write_list(root: Path, content: Any, name: str = "te.json") -> None:
    (root / "datafiles").mkdir(exist_ok=True)
    (root / "datafiles" / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def vocalsound(tmp_path: Path, write_sound: Write) -> Path:
    """The release at 16 kHz with three clips of two speakers; the list has paths of another machine."""
    root = tmp_path / "vs_release_16k"
    write_table(root / "class_labels_indices_vs.csv", "index,mid,display_name", CLASSES)
    write_list(root, {"data": [{"wav": f"/data/sls/audio_16k/{n}", "labels": mid} for n, mid in CLIPS.items()]})
    for i, name in enumerate(CLIPS):
        write_sound(root / "audio_16k" / name, 0.1 * (i + 1))
    return root


def test_vocalsound(vocalsound: Path) -> None:
    data = VocalSound(vocalsound)
    assert isinstance(data, Dataset)
    assert [(clip.name, clip.label, clip.source) for clip in data] == [
        ("f0003_0_laughter.wav", "Laughter", "f0003"),
        ("f0003_1_laughter.wav", "Laughter", "f0003"),
        ("m0102_0_throatclearing.wav", "Throat clearing", "m0102"),
    ]
    assert data.labels == ["Laughter", "Sneeze", "Throat clearing"]  # also the one without a clip
    assert levels(data) == [0.2, 0.3, 0.1]
    assert [clip.classes for clip in data][:1] == [("Laughter",)]


def test_vocalsound_reads_the_higher_rate(vocalsound: Path, write_sound: Write) -> None:
    for name in CLIPS:
        write_sound(vocalsound / "audio_44k" / name, 0.7)
    (vocalsound / "datafiles" / "te.json").rename(vocalsound / "datafiles" / "te_rev.json")
    assert levels(VocalSound(vocalsound)) == [0.7] * 3


def test_vocalsound_errors(vocalsound: Path) -> None:
    fails(VocalSound, vocalsound, "dev", said="split is 'train', 'val' or 'test', not 'dev'")
    fails(VocalSound, vocalsound, "train", said=f"looked for {vocalsound / 'class_labels_indices_vs.csv'} and ")
    (vocalsound / "audio_16k" / "f0003_0_laughter.wav").unlink()
    fails(VocalSound, vocalsound, said="1 of 3 audio files are missing")
    for content, said in (
        ({"data": [{"wav": "f0003_0_cough.wav", "labels": "/m/01b_21"}]}, "of the class '/m/01b_21', which is not in"),
        ({"data": [{"wav": "f0003_0_cough.wav"}]}, "is no list 'data' of entries with 'wav' and 'labels'"),
        ([], "is no list 'data' of entries"),
        ({"data": []}, "holds no clip"),
    ):
        write_list(vocalsound, content)
        fails(VocalSound, vocalsound, said=said)
    (vocalsound / "datafiles" / "te.json").write_bytes(b"{")
    fails(VocalSound, vocalsound, said="is no JSON in UTF-8")
