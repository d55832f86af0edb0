"""Tiny data sets in the layouts that people have them in."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from zsxai.data import LabelledClip
from zsxai.errors import InputError

Write = Callable[..., Path]


def fails(reader: Callable[..., Any], *args: Any, said: str, kind: type[InputError] = InputError) -> None:
    """The reader refuses in one line that holds the words."""
    with pytest.raises(kind) as error:
        reader(*args)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def write_table(path: Path, header: str, rows: Iterable[Iterable[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def levels(data: Iterable[LabelledClip]) -> list[float]:
    return [round(float(clip.read().waveform.mean()), 2) for clip in data]


@pytest.fixture
def write_sound() -> Write:
    """``write_sound(path, level=0.5)``: a tenth of a second of one level, so that a file is known by its mean."""

    def write(path: Path, level: float = 0.5) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full(800, level, dtype=np.float32), 8000)
        return path

    return write


ESC_NAMES = ("1-100-A-0.wav", "1-100-B-0.wav", "1-300-A-46.wav", "2-200-A-46.wav")


@pytest.fixture
def esc_folder(tmp_path: Path, write_sound: Write) -> Path:
    """ESC-50's official layout, four clips; the lines of the table are not in order."""
    root = tmp_path / "ESC-50-master"
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for i, name in reversed(list(enumerate(ESC_NAMES))):
        fold, source, take, target = name.removesuffix(".wav").split("-")
        category = {"0": "dog", "46": "church_bells"}[target]
        lines.append(f"{name},{fold},{target},{category},False,{source},{take}")
        write_sound(root / "audio" / name, 0.1 * (i + 1))
    (root / "meta").mkdir()
    (root / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def us8k_folder(tmp_path: Path, write_sound: Write) -> Path:
    """UrbanSound8K's official layout, three clips in two folds."""
    root = tmp_path / "UrbanSound8K"
    rows = (
        ("7061-6-0-0.wav", "7061", "1", "6", "gun_shot"),
        ("100852-0-0-0.wav", "100852", "5", "0", "air_conditioner"),
        ("100852-0-0-1.wav", "100852", "5", "0", "air_conditioner"),
    )
    lines = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for i, (name, source, fold, number, label) in enumerate(rows):
        lines.append(f"{name},{source},0.0,4.0,1,{fold},{number},{label}")
        write_sound(root / "audio" / f"fold{fold}" / name, 0.1 * (i + 1))
    (root / "metadata").mkdir()
    (root / "metadata" / "UrbanSound8K.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def lj_folder(tmp_path: Path, write_sound: Write) -> Path:
    """LJ Speech's layout, three utterances; one has a quotation mark that is never closed."""
    root = tmp_path / "LJSpeech-1.1"
    lines = [
        'LJ001-0001|He said "Printing, at 7|He said "Printing, at seven',
        "LJ001-0002|in being, modern.|in being, modern.",
        "LJ002-0001|The end.|The end.",
    ]
    for line in lines:
        write_sound(root / "wavs" / f"{line.split('|')[0]}.wav")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root
