"""Readers of data sets with captions, each in the layout that it is published in."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.data.conftest import Write, fails, levels, write_table
from zsxai.data import Dataset
from zsxai.data.audiocaps import AudioCaps
from zsxai.data.clotho import Clotho
from zsxai.data.fsd50k import FSD50K, WORDS
from zsxai.data.macs import MACS
from zsxai.data.table import Table
from zsxai.errors import MissingExtraError

CLOTHO_HEADER = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5"
CLOTHO_ROWS = [
    ["Rain, on a roof.wav", *(f"Rain falls, number {i}." for i in range(1, 6))],
    ["(Door) Porte.wav", " A door opens.", *(f"A door, number {i}." for i in range(2, 6))],
]


@pytest.fixture
def clotho(tmp_path: Path, write_sound: Write) -> Path:
    """Two splits of Clotho, unpacked beside their tables; the lines are not in order."""
    root = tmp_path / "clotho"
    for split, rows in (("development", CLOTHO_ROWS), ("evaluation", CLOTHO_ROWS[:1])):
        write_table(root / f"clotho_captions_{split}.csv", CLOTHO_HEADER, rows)
        for i, row in enumerate(rows):
            write_sound(root / split / row[0], 0.1 * (i + 1))
    return root


def test_clotho(clotho: Path) -> None:
    data = Clotho(clotho)
    assert isinstance(data, Dataset)
    assert [clip.name for clip in data] == ["(Door) Porte.wav", "Rain, on a roof.wav"]
    assert [clip.source for clip in data] == ["(Door) Porte", "Rain, on a roof"]
    assert [clip.label for clip in data] == data.labels == ["A door opens.", "Rain falls, number 1."]
    assert data.clips[0].captions == ("A door opens.", *(f"A door, number {i}." for i in range(2, 6)))
    assert levels(data) == [0.2, 0.1]
    assert len(Clotho(clotho, "evaluation")) == 1


def test_clotho_sorted_into_folders_is_the_same(clotho: Path) -> None:
    official = [(clip.name, clip.captions) for clip in Clotho(clotho)]
    (clotho / "clotho_audio_files").mkdir()
    (clotho / "clotho_csv_files").mkdir()
    shutil.move(clotho / "development", clotho / "clotho_audio_files")
    shutil.move(clotho / "clotho_captions_development.csv", clotho / "clotho_csv_files")
    data = Clotho(clotho)
    assert [(clip.name, clip.captions) for clip in data] == official
    assert levels(data) == [0.2, 0.1]


def test_clotho_errors(clotho: Path) -> None:
    fails(Clotho, clotho, "test", said="split is 'development', 'validation' or 'evaluation', not 'test'")
    fails(Clotho, clotho / "nowhere", said="no such folder")
    fails(Clotho, clotho, "validation", said=f"looked for {clotho / 'clotho_captions_validation.csv'} and ")
    (clotho / "development" / CLOTHO_ROWS[0][0]).unlink()
    fails(Clotho, clotho, said="1 of 2 audio files are missing")
    shutil.rmtree(clotho / "development")
    fails(Clotho, clotho, said=f"2 of 2 audio files are missing, the first is {clotho / 'development'}")
    table = clotho / "clotho_captions_development.csv"
    write_table(table, CLOTHO_HEADER, [[*CLOTHO_ROWS[0][:4], " ", "Rain."]])
    fails(Clotho, clotho, said="line 2: 'caption_4' is empty")
    write_table(table, "file_name,caption_1", [CLOTHO_ROWS[0][:2]])
    fails(Clotho, clotho, said="lacks the column 'caption_2': it has file_name, caption_1")


AUDIOCAPS_HEADER = "audiocap_id,youtube_id,start_time,caption"
AUDIOCAPS_ROWS = [
    ["91139", "r1nicOVtvkQ", "130", "A woman talks nearby as water pours"],
    ["11542", "-eJ9RynJzP8", "80", "The wind is blowing, insects are singing"],
    ["11543", "-eJ9RynJzP8", "80", "Wind and insects "],
    ["11544", "3eL37ZUN5S4", "21", "An aircraft hums"],
    ["11545", "gone7ujFJzX", "170", "Hissing"],
    ["11546", "gone7ujFJzX", "170", "A hiss"],
]
AUDIOCAPS_FILES = ("r1nicOVtvkQ.wav", "Y-eJ9RynJzP8.wav", "3eL37ZUN5S4_21.flac")


@pytest.fixture
def audiocaps(tmp_path: Path, write_sound: Write) -> Path:
    """A split of AudioCaps whose files are named in all three ways; of one video there is none."""
    root = tmp_path / "audiocaps"
    write_table(root / "train.csv", AUDIOCAPS_HEADER, AUDIOCAPS_ROWS)
    for i, name in enumerate(AUDIOCAPS_FILES):
        write_sound(root / "audio" / "train" / name, 0.1 * (i + 1))
    return root


def test_audiocaps(audiocaps: Path) -> None:
    data = AudioCaps(audiocaps)
    assert isinstance(data, Dataset)
    assert [clip.name for clip in data] == ["-eJ9RynJzP8", "3eL37ZUN5S4", "r1nicOVtvkQ"]
    assert [clip.source for clip in data] == [clip.name for clip in data]
    assert data.clips[0].captions == ("The wind is blowing, insects are singing", "Wind and insects")
    assert [clip.label for clip in data] == [clip.captions[0] for clip in data]
    assert data.labels == sorted(clip.label for clip in data)
    assert levels(data) == [0.2, 0.3, 0.1]
    assert data.missing == 1


def test_audiocaps_folder_of_the_split(audiocaps: Path, write_sound: Write) -> None:
    shutil.move(audiocaps / "audio" / "train", audiocaps / "train")
    write_sound(audiocaps / "train" / "gone7ujFJzX.OGG")
    (audiocaps / "train" / "r1nicOVtvkQ.json").touch()
    data = AudioCaps(audiocaps)
    assert data.missing == 0
    assert data.clips[2].captions == ("Hissing", "A hiss")


def test_audiocaps_takes_the_same_of_two_files(audiocaps: Path, write_sound: Write) -> None:
    write_sound(audiocaps / "audio" / "train" / "r1nicOVtvkQ.aiff")
    write_sound(audiocaps / "audio" / "train" / "r1nicOVtvkQ.flac")
    assert AudioCaps(audiocaps).clips[-1].path == audiocaps / "audio" / "train" / "r1nicOVtvkQ.wav"


def test_audiocaps_errors(audiocaps: Path) -> None:
    fails(AudioCaps, audiocaps, "dev", said="split is 'train', 'val' or 'test', not 'dev'")
    fails(AudioCaps, audiocaps, "val", said=f"no AudioCaps at {audiocaps}: looked for {audiocaps / 'val.csv'} and ")
    for name in AUDIOCAPS_FILES:
        (audiocaps / "audio" / "train" / name).unlink()
    fails(AudioCaps, audiocaps, said="train holds no audio of the table, such as -eJ9RynJzP8.wav")
    write_table(audiocaps / "train.csv", AUDIOCAPS_HEADER, [["1", "r1nicOVtvkQ", "130", " "]])
    fails(AudioCaps, audiocaps, said="line 2: 'caption' is empty")
    write_table(audiocaps / "train.csv", "audiocap_id,youtube_id,caption", [["1", "r1nicOVtvkQ", "Water"]])
    fails(AudioCaps, audiocaps, said="lacks the column 'start_time'")
    shutil.rmtree(audiocaps / "audio")
    fails(AudioCaps, audiocaps, said=f"{audiocaps / 'audio' / 'train'} or {audiocaps / 'train'}")


MACS_FILES = {
    "public_square-helsinki-111-3230-a.wav": ["motorcycle growling", "people are talking: traffic noise "],
    "airport-lisbon-1000-40001-a.wav": ["adults talking"],
    "airport-lisbon-1000-40000-a.wav": ["footsteps and voices", "steps"],
}


def write_macs(root: Path, files: Any) -> None:
    root.mkdir(exist_ok=True)
    (root / "MACS.yaml").write_text(yaml.safe_dump({"files": files}), encoding="utf-8")


@pytest.fixture
def macs(tmp_path: Path, write_sound: Write) -> Path:
    """MACS with the audio of three clips, two of one place."""
    root = tmp_path / "MACS"
    files = [
        {
            "filename": name,
            "annotations": [
                {"sentence": s, "tags": ["adults_talking"], "annotator_id": i} for i, s in enumerate(sentences)
            ],
        }
        for name, sentences in MACS_FILES.items()
    ]
    write_macs(root, files)
    for i, name in enumerate(MACS_FILES):
        write_sound(root / "audio" / name, 0.1 * (i + 1))
    return root


def test_macs(macs: Path) -> None:
    data = MACS(macs)
    assert isinstance(data, Dataset)
    assert [clip.name for clip in data] == sorted(MACS_FILES)
    assert [clip.source for clip in data] == ["lisbon-1000", "lisbon-1000", "helsinki-111"]
    assert data.clips[2].captions == ("motorcycle growling", "people are talking: traffic noise")
    assert data.labels == ["adults talking", "footsteps and voices", "motorcycle growling"]
    assert levels(data) == [0.3, 0.2, 0.1]


def test_macs_with_the_audio_as_unpacked(macs: Path) -> None:
    (macs / "TAU-urban-acoustic-scenes-2019-development").mkdir()
    shutil.move(macs / "audio", macs / "TAU-urban-acoustic-scenes-2019-development" / "audio")
    assert levels(MACS(macs)) == [0.3, 0.2, 0.1]


def test_macs_errors(macs: Path, tmp_path: Path) -> None:
    fails(MACS, tmp_path, said=f"no MACS at {tmp_path}: looked for {tmp_path / 'MACS.yaml'} and {tmp_path / 'audio'}")
    shutil.rmtree(macs / "audio")
    fails(MACS, macs, said="3 of 3 audio files are missing")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            [{"filename": "a-b-1-2-a.wav", "annotations": [{"sentence": " "}]}],
            "a sentence about a-b-1-2-a.wav is empty",
        ),
        ([{"filename": "a-b-1-2-a.wav", "annotations": [{"sentence": None}]}], "a sentence about a-b-1-2-a.wav"),
        ([{"filename": "a-b-1-2-a.wav", "annotations": []}], "or there is none"),
        ([{"filename": "a-b-1-2-a.wav", "annotations": [{"caption": "a"}]}], "'annotations' with 'sentence'"),
        ([{"annotations": []}], "is no list of 'files'"),
        (["a-b-1-2-a.wav"], "is no list of 'files'"),
        (None, "is no list of 'files'"),
        (2 * [{"filename": "a-b-1-2-a.wav", "annotations": [{"sentence": "a"}]}], "names a-b-1-2-a.wav twice"),
        ([{"filename": "a.wav", "annotations": [{"sentence": "a"}]}], "'a.wav' is not named as TAU Urban Acoustic"),
        ([], "holds no clip"),
    ],
)
def test_macs_table_errors(tmp_path: Path, files: Any, said: str) -> None:
    write_macs(tmp_path, files)
    fails(MACS, tmp_path, said=said)


@pytest.mark.parametrize("content", [b"files:\n  - [a: b\n  c", b"files: \xff"])
def test_macs_no_yaml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "MACS.yaml").write_bytes(content)
    fails(MACS, tmp_path, said="is no YAML file in UTF-8")


def test_macs_without_pyyaml(macs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    fails(MACS, macs, said="needs the package 'yaml'", kind=MissingExtraError)


FSD_ROWS = [
    ["64760", "Electric_guitar,Guitar,Music", "/m/02sgy,/m/0342h,/m/04rlf", "train"],
    ["125169", "Accelerating_and_revving_and_vroom,Motor_vehicle_(road)", "/m/07q2z82,/m/012f08", "val"],
    ["18442", "Applause", "/m/028ght", "train"],
]
FSD_NOTES = {
    "64760": {"title": "guitarras_63.WAV", "description": "electric guitar", "tags": [], "uploader": "casualsamples"},
    "125169": {
        "title": "The truck.",
        "description": "A truck &amp; its motor.\r\n\r\n"
        'See <a href="http://a.org/x" rel="nofollow">https://a.org/x</a> or www.b.org for   more',
        "uploader": "alienistcog",
    },
    "18442": {"title": ".wav", "description": "http://a.org", "tags": ["clap"], "uploader": "casualsamples"},
}


@pytest.fixture
def fsd50k(tmp_path: Path, write_sound: Write) -> Path:
    """Both splits of FSD50K; the table of ``eval`` has no column ``split``."""
    root = tmp_path / "FSD50K"
    write_table(root / "FSD50K.ground_truth" / "dev.csv", "fname,labels,mids,split", FSD_ROWS)
    write_table(root / "FSD50K.ground_truth" / "eval.csv", "fname,labels,mids", [FSD_ROWS[0][:3]])
    (root / "FSD50K.metadata").mkdir()
    for split, rows in (("dev", FSD_ROWS), ("eval", FSD_ROWS[:1])):
        write_notes(root, FSD_NOTES, split)
        for i, row in enumerate(rows):
            write_sound(root / f"FSD50K.{split}_audio" / f"{row[0]}.wav", 0.1 * (i + 1))
    return root


def write_notes(root: Path, notes: Any, split: str = "dev") -> None:
    path = root / "FSD50K.metadata" / f"{split}_clips_info_FSD50K.json"
    path.write_text(json.dumps(notes), encoding="utf-8")


def test_fsd50k(fsd50k: Path) -> None:
    data = FSD50K(fsd50k)
    assert isinstance(data, Dataset)
    assert {clip.name: clip.captions for clip in data} == {
        "125169": (
            "Accelerating and revving and vroom, Motor vehicle (road)",
            "The truck. A truck & its motor. See or for more",
        ),
        "18442": ("Applause",),  # nothing is left of title and description
        "64760": ("Electric guitar, Guitar, Music", "guitarras 63. electric guitar"),
    }
    assert [clip.label for clip in data] == [clip.captions[0] for clip in data]
    assert data.labels == sorted(clip.label for clip in data)
    assert [clip.source for clip in data] == ["alienistcog", "casualsamples", "casualsamples"]
    assert levels(data) == [0.2, 0.3, 0.1]
    assert [clip.name for clip in FSD50K(fsd50k, "eval")] == ["64760"]


def test_fsd50k_long_descriptions_are_cut(fsd50k: Path) -> None:
    write_notes(fsd50k, {name: {**note, "description": "word " * 40} for name, note in FSD_NOTES.items()})
    caption = FSD50K(fsd50k).clips[0].captions[1]
    assert caption.split() == ["The", "truck.", *["word"] * (WORDS - 2)]


def test_fsd50k_errors(fsd50k: Path) -> None:
    table, notes = fsd50k / "FSD50K.ground_truth" / "dev.csv", fsd50k / "FSD50K.metadata" / "dev_clips_info_FSD50K.json"
    fails(FSD50K, fsd50k, "train", said="split is 'dev' or 'eval', not 'train'")
    fails(FSD50K, fsd50k.parent, said=f"no FSD50K at {fsd50k.parent}: looked for ")
    (fsd50k / "FSD50K.dev_audio" / "18442.wav").unlink()
    fails(FSD50K, fsd50k, said="1 of 3 audio files are missing")
    for broken, said in (
        ({"64760": FSD_NOTES["64760"]}, "does not say who uploaded 125169"),
        ({name: {"title": "a"} for name in FSD_NOTES}, "does not say who uploaded 125169"),
        ([], "holds no notes by clip"),
    ):
        write_notes(fsd50k, broken)
        fails(FSD50K, fsd50k, said=said)
    notes.write_text("{", encoding="utf-8")
    fails(FSD50K, fsd50k, said="is no JSON in UTF-8")
    notes.write_bytes(b'{"\xff": 1}')
    fails(FSD50K, fsd50k, said="is no JSON in UTF-8")
    write_notes(fsd50k, FSD_NOTES)
    write_table(table, "fname,labels,mids,split", [["64760", " ", "/m/02sgy", "train"]])
    fails(FSD50K, fsd50k, said="line 2: 'labels' is empty")
    write_table(table, "fname,mids", [["64760", "/m/02sgy"]])
    fails(FSD50K, fsd50k, said="lacks the column 'labels'")
    notes.unlink()
    fails(FSD50K, fsd50k, said=f"looked for {table} and {notes}")
    table.unlink()
    fails(FSD50K, fsd50k, said=f"looked for {table} and {notes}")


def test_table_with_several_captions(tmp_path: Path, write_sound: Write) -> None:
    for i, name in enumerate(("a.wav", "b.wav")):
        write_sound(tmp_path / name, 0.1 * (i + 1))
    table = tmp_path / "list.csv"
    rows = [
        ["b.wav", "a dog barks", "", ""],
        ["a.wav", "rain", "roof", "2"],
        ["b.wav", " barking, twice ", "walk", "1"],
    ]
    write_table(table, "path,caption,source,fold", rows)
    data = Table(table)
    assert [(c.name, c.label, c.captions, c.source, c.fold) for c in data] == [
        ("b.wav", "a dog barks", ("a dog barks", "barking, twice"), "walk", 1),
        ("a.wav", "rain", ("rain",), "roof", 2),
    ]
    assert data.labels == ["a dog barks", "rain"]
    np.testing.assert_allclose(levels(data), [0.2, 0.1])
    assert [clip.name for clip in Table(table, folds=[2])] == ["a.wav"]


def test_table_with_labels_has_no_captions(tmp_path: Path, write_sound: Write) -> None:
    write_sound(tmp_path / "a.wav")
    write_table(tmp_path / "list.csv", "path,label", [["a.wav", "dog"]])
    assert Table(tmp_path / "list.csv").clips[0].captions == ()
    write_table(tmp_path / "list.csv", "path,label", [["a.wav", "dog"], ["a.wav", "cat"]])
    fails(Table, tmp_path / "list.csv", said="two clips called 'a.wav'")


@pytest.mark.parametrize("column", ["name", "source", "fold"])
def test_table_lines_of_one_file_that_differ(tmp_path: Path, write_sound: Write, column: str) -> None:
    write_sound(tmp_path / "a.wav")
    write_table(tmp_path / "list.csv", f"path,caption,{column}", [["a.wav", "rain", "1"], ["a.wav", "a storm", "2"]])
    fails(Table, tmp_path / "list.csv", said=f"the lines of a.wav differ in {column}: '1' and '2'")


def test_table_with_an_empty_caption(tmp_path: Path, write_sound: Write) -> None:
    write_sound(tmp_path / "a.wav")
    write_table(tmp_path / "list.csv", "path,caption", [["a.wav", "rain"], ["a.wav", " "]])
    fails(Table, tmp_path / "list.csv", said="the caption of a.wav is empty")
