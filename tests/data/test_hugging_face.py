"""Hugging Face's data sets: a stand-in with their interface, and the real library where it is installed."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.data.conftest import Write
from zsxai.data import Dataset, load_dataset
from zsxai.data.hugging_face import HuggingFace
from zsxai.errors import InputError, MissingExtraError


class StandIn:
    """Columns and rows as ``datasets.Dataset`` gives them."""

    def __init__(self, names: list[str] | None = None, **columns: list[Any]) -> None:
        self.columns = columns
        self.features = {c: SimpleNamespace(names=names) if c == "label" and names else object() for c in columns}
        self.column_names = list(columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key: int | str) -> Any:
        return self.columns[key] if isinstance(key, str) else {c: v[key] for c, v in self.columns.items()}


def level(value: float) -> np.ndarray:
    return np.full(800, value, dtype=np.float32)


def encoded(value: float) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, level(value), 8000, format="WAV")
    return stream.getvalue()


class Decoder:
    """As torchcodec's: samples on demand, channels first."""

    def get_all_samples(self) -> SimpleNamespace:
        return SimpleNamespace(data=np.stack([level(0.2), level(0.4)]), sample_rate=8000)


def test_every_form_of_audio(tmp_path: Path, write_sound: Write) -> None:
    rows = [
        {"array": level(0.1).tolist(), "sampling_rate": 8000, "path": None},
        {"bytes": encoded(0.2), "path": None},
        Decoder(),
        {"bytes": None, "path": str(write_sound(tmp_path / "a.wav", 0.4))},
    ]
    data = HuggingFace(StandIn(audio=rows, label=["a", "b", "c", "d"]))
    assert isinstance(data, Dataset)
    np.testing.assert_allclose([clip.read().waveform.mean() for clip in data], [0.1, 0.2, 0.3, 0.4], atol=1e-3)
    assert {clip.read().sample_rate for clip in data} == {8000}


def test_classes_sources_and_folds() -> None:
    audio = [{"array": level(0.1), "sampling_rate": 8000}] * 11
    data = HuggingFace(
        StandIn(
            ["wind", "door_knock", "dog"], sound=audio, label=[np.int64(1), *[0] * 10], clip=[7] * 11, part=[2] * 11
        ),
        audio="sound",
        source="clip",
        fold="part",
    )
    assert list(data.labels) == ["dog", "door knock", "wind"]  # a class without a clip among them
    first, last = data.clips[0], data.clips[-1]
    assert (first.name, first.label, first.source, first.fold) == ("00", "door knock", "7", 2)
    assert (last.name, last.label) == ("10", "wind")


@pytest.mark.parametrize(
    ("dataset", "options", "said"),
    [
        ({"train": None, "test": None}, {}, "choose one split of the data set: it has 'train', 'test'"),
        ([1, 2], {}, "a list is no datasets.Dataset"),
        (StandIn(audio=[1], label=["a"]), {"label": "class"}, "no column 'class': it has audio, label"),
        (StandIn(audio=[1], label=["a"]), {"source": "clip"}, "no column 'clip'"),
        (StandIn(["a"], audio=[1], label=[-1]), {}, "row 0 of the data set has no label: 'label' is -1"),
        (StandIn(audio=[1, 2], label=["a", None]), {}, "row 1 of the data set has no text in 'label': None"),
        (StandIn(audio=[1], label=["a"], part=["x"]), {"fold": "part"}, "part is a whole number, not 'x'"),
        (StandIn(audio=[], label=[]), {}, "holds no clip"),
    ],
)
def test_errors(dataset: Any, options: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        HuggingFace(dataset, **options)
    assert "\n" not in str(error.value)


def test_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match="needs 'datasets': pip install datasets"):
        load_dataset("hugging-face", tmp_path)


@pytest.fixture
def real(tmp_path: Path, write_sound: Write) -> Any:
    """A ``datasets.Dataset`` of files at 8 kHz, with an audio column set to decode at 16 kHz."""
    datasets = pytest.importorskip("datasets")
    paths = [str(write_sound(tmp_path / f"{i}.wav", 0.1 * (i + 1))) for i in range(3)]
    rows = datasets.Dataset.from_dict({"audio": [{"bytes": None, "path": p} for p in paths], "label": [0, 1, 0]})
    rows = rows.cast_column("audio", datasets.Audio(sampling_rate=16000))
    return rows.cast_column("label", datasets.ClassLabel(names=["sea_waves", "dog"]))


def test_the_real_library(real: Any) -> None:
    data = HuggingFace(real.with_format("torch"))
    assert [clip.label for clip in data] == ["sea waves", "dog", "sea waves"]
    assert list(data.labels) == ["dog", "sea waves"]
    np.testing.assert_allclose([clip.read().waveform.mean() for clip in data], [0.1, 0.2, 0.3], atol=1e-3)
    assert data.clips[0].read().sample_rate == 8000  # as stored
    assert len({clip.sha256() for clip in data}) == 3


def test_the_real_library_from_disk(real: Any, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    real.save_to_disk(tmp_path / "saved")
    for i in range(3):
        (tmp_path / f"{i}.wav").unlink()  # saving embeds the files
    data = load_dataset("hugging-face", tmp_path / "saved")
    np.testing.assert_allclose([clip.read().waveform.mean() for clip in data.clips], [0.1, 0.2, 0.3], atol=1e-3)
    datasets.DatasetDict(test=datasets.load_from_disk(str(tmp_path / "saved"))).save_to_disk(tmp_path / "splits")
    assert len(load_dataset("hugging-face", tmp_path / "splits", split="test").clips) == 3
    for root, options, said in (
        ("splits", {}, "choose one split of the data set: it has 'test'"),
        ("splits", {"split": "train"}, "no split 'train': it has 'test'"),
        ("saved", {"split": "train"}, "no split 'train': it has none"),
        (".", {}, "looked for what Dataset.save_to_disk writes"),
    ):
        with pytest.raises(InputError, match=said):
            load_dataset("hugging-face", tmp_path / root, **options)


def test_the_real_library_streams(real: Any) -> None:
    with pytest.raises(InputError, match="one that streams is loaded whole first"):
        HuggingFace(real.to_iterable_dataset())
