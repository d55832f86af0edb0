"""Readers of published layouts, folders and tables: what they give, and what they say when something is wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import soundfile

from tests.data.conftest import ESC_NAMES, Write
from zsxai.data import Dataset
from zsxai.data.checks import keep_apart
from zsxai.data.esc50 import ESC50
from zsxai.data.folder import Folder
from zsxai.data.ljspeech import LJSpeech
from zsxai.data.table import Table
from zsxai.data.urbansound8k import UrbanSound8K
from zsxai.errors import InputError


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_esc50_official(esc_folder: Path) -> None:
    data = ESC50(esc_folder)
    assert isinstance(data, Dataset)
    assert [clip.name for clip in data] == list(ESC_NAMES)
    assert [clip.label for clip in data] == ["dog", "dog", "church bells", "church bells"]
    assert [clip.source for clip in data] == ["100", "100", "300", "200"]
    assert [clip.fold for clip in data] == [1, 1, 1, 2]
    assert data.labels == ["church bells", "dog"]
    levels = [float(clip.read().waveform.mean()) for clip in data]
    np.testing.assert_allclose(levels, [0.1, 0.2, 0.3, 0.4], atol=1e-3)


def test_esc50_is_cut_to_five_seconds(esc_folder: Path) -> None:
    level = np.full(5 * 8000 + 44, 0.3, dtype=np.float32)
    level[5 * 8000 :] = 0.9
    soundfile.write(esc_folder / "audio" / ESC_NAMES[0], level, 8000)
    sound = ESC50(esc_folder).clips[0].read()
    assert sound.seconds == 5.0
    assert sound.waveform.max() < 0.31


def test_esc50_flat_is_the_same(esc_folder: Path) -> None:
    official = ESC50(esc_folder)
    table = (esc_folder / "meta" / "esc50.csv").read_text(encoding="utf-8")
    shutil.rmtree(esc_folder / "meta")
    (esc_folder / "metadata.csv").write_text("\ufeff" + table, encoding="utf-8")
    assert list(ESC50(esc_folder)) == list(official)


def test_folds_keep_all_classes_and_need_only_their_files(esc_folder: Path) -> None:
    (esc_folder / "audio" / ESC_NAMES[0]).unlink()
    data = ESC50(esc_folder, folds=[2])
    assert [clip.name for clip in data] == ["2-200-A-46.wav"]
    assert data.labels == ["church bells", "dog"]


def test_recordings_are_left_out(esc_folder: Path) -> None:
    for without in ([100], {"100"}):
        assert [clip.source for clip in ESC50(esc_folder, folds=[1], without=without)] == ["300"]
    with pytest.raises(InputError, match="has no clip of the recording '200' to leave out"):
        ESC50(esc_folder, folds=[1], without=[200])
    with pytest.raises(InputError, match=r"without is a list of recordings, such as \[131943\], not '100'"):
        ESC50(esc_folder, without="100")


@pytest.mark.parametrize("folds", [{2}, np.array([2]), pandas.Series([2], index=[7]), (fold for fold in [2])])
def test_folds_in_any_collection(esc_folder: Path, folds: Any) -> None:
    assert [clip.name for clip in ESC50(esc_folder, folds=folds)] == ["2-200-A-46.wav"]


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        ([1, 3], "no clip in fold 3: its folds are 1, 2"),
        ("1", "list of fold numbers"),
        (1, "list of fold numbers"),
        ([], "list"),
        ([True], "True"),
        ([[1]], r"no clip in fold \[1\]"),
    ],
)
def test_wrong_folds(esc_folder: Path, folds: object, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        ESC50(esc_folder, folds=folds)  # type: ignore[arg-type]
    one_line(error)


@pytest.mark.parametrize("reader", [ESC50, UrbanSound8K, LJSpeech])
def test_a_wrong_layout_says_what_was_looked_for(tmp_path: Path, reader: type) -> None:
    with pytest.raises(InputError, match="looked for") as error:
        reader(tmp_path)
    assert str(tmp_path) in one_line(error)
    with pytest.raises(InputError, match="no such folder"):
        reader(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="that is a file"):
        reader(tmp_path / "file")


def test_missing_files_are_counted_and_the_first_named(esc_folder: Path) -> None:
    for name in ESC_NAMES[1:3]:
        (esc_folder / "audio" / name).unlink()
    with pytest.raises(InputError, match="2 of 4 audio files are missing") as error:
        ESC50(esc_folder)
    assert str(esc_folder / "audio" / ESC_NAMES[1]) in one_line(error)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("filename,category\n1-1-A-0.wav,dog\n", "lacks the column 'fold': it has filename, category"),
        ("", "lacks the column 'filename': it has none"),
        ("filename,fold,category, fold\n1-1-A-0.wav,1,dog,2\n", "several columns called 'fold'"),
        ("filename,fold,category\n", "holds no rows"),
        ("filename,fold,category\n1-1-A-0.wav,one,dog\n", "fold is a whole number, not 'one'"),
        ("filename,fold,category\n1-1-A-0.wav,1\n", "line 2: not as many fields"),
        ("filename,fold,category\n1-1-A-0.wav,1,dog,more\n", "line 2: not as many fields"),
        ("filename,fold,category\n1-1-A-0.wav,1, \n", "line 2: 'category' is empty"),
        ("filename,fold,category\nbark.wav,1,dog\n", "'bark.wav' is not named as ESC-50 is"),
        ("filename,fold,category\n" + 2 * "1-1-A-0.wav,1,dog\n", "two clips called '1-1-A-0.wav'"),
        ("filename,fold,category\n1-1-A-0.wav,1,\xe9\n".encode("latin-1"), "no CSV file in UTF-8"),
    ],
)
def test_a_broken_table(tmp_path: Path, table: str | bytes, said: str) -> None:
    (tmp_path / "metadata.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(InputError, match=said) as error:
        ESC50(tmp_path)
    assert "metadata.csv" in one_line(error) or str(tmp_path) in str(error.value)


def test_real_esc50(esc50: Path) -> None:
    data = ESC50(esc50, folds=[4])
    assert len(data.labels) == 50
    assert len(data) > 300
    assert len({clip.source for clip in data}) < len(data)
    assert all(clip.fold == 4 and clip.name.startswith("4-") for clip in data)
    assert "church bells" in data.labels
    assert data.clips[0].read().seconds == pytest.approx(5.0, abs=0.01)


def test_urbansound8k(us8k_folder: Path) -> None:
    data = UrbanSound8K(us8k_folder)
    assert [clip.name for clip in data] == ["100852-0-0-0.wav", "100852-0-0-1.wav", "7061-6-0-0.wav"]
    assert [clip.source for clip in data] == ["100852", "100852", "7061"]
    assert [clip.fold for clip in data] == [5, 5, 1]
    assert data.labels == ["air conditioner", "gun shot"]
    np.testing.assert_allclose([clip.read().waveform.mean() for clip in data], [0.2, 0.3, 0.1], atol=1e-3)


def test_urbansound8k_as_written(us8k_folder: Path) -> None:
    data = UrbanSound8K(us8k_folder, folds=[5], labels="as-written")
    assert data.labels == ["air_conditioner", "gun_shot"]
    assert {clip.label for clip in data} == {"air_conditioner"}
    with pytest.raises(InputError, match="'words' or 'as-written', not 'raw'"):
        UrbanSound8K(us8k_folder, labels="raw")  # type: ignore[arg-type]


def test_ljspeech(lj_folder: Path) -> None:
    data = LJSpeech(lj_folder)
    assert isinstance(data, Dataset)
    assert [clip.name for clip in data] == ["LJ001-0001", "LJ001-0002", "LJ002-0001"]
    assert [clip.source for clip in data] == ["LJ001", "LJ001", "LJ002"]
    assert {clip.label for clip in data} == set(data.labels) == {"speech"}
    assert [clip.name for clip in LJSpeech(lj_folder, limit=2)] == ["LJ001-0001", "LJ001-0002"]


@pytest.mark.parametrize("limit", [0, -1, 2.0, True, "2"])
def test_ljspeech_wrong_limit(lj_folder: Path, limit: object) -> None:
    with pytest.raises(InputError, match="limit is a whole number"):
        LJSpeech(lj_folder, limit=limit)  # type: ignore[arg-type]


def test_ljspeech_table_of_another_kind(lj_folder: Path) -> None:
    (lj_folder / "metadata.csv").write_text("path,label\na.wav,dog\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"id\|text\|normalised text, not 'path,label'") as error:
        LJSpeech(lj_folder)
    one_line(error)


def test_folder(tmp_path: Path, write_sound: Write) -> None:
    for i, name in enumerate(["church_bells/b.flac", "church_bells/deep/er/a.WAV", "dog/a.ogg", "dog/.hidden.wav"]):
        write_sound(tmp_path / name, 0.1 * (i + 1))
    write_sound(tmp_path / ".git" / "x.wav")
    write_sound(tmp_path / "dog" / ".cache" / "x.wav")
    (tmp_path / "dog" / "notes.txt").touch()
    (tmp_path / "README.md").touch()
    data = Folder(tmp_path)
    assert [clip.name for clip in data] == ["church_bells/b.flac", "church_bells/deep/er/a.WAV", "dog/a.ogg"]
    assert [clip.label for clip in data] == ["church bells", "church bells", "dog"]
    assert [clip.source for clip in data] == ["church_bells/b", "church_bells/deep/er/a", "dog/a"]
    assert data.labels == ["church bells", "dog"]
    np.testing.assert_allclose([clip.read().waveform.mean() for clip in data], [0.1, 0.2, 0.3], atol=0.02)


def test_folder_without_classes_or_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_sound: Write) -> None:
    monkeypatch.setattr("zsxai.data.folder.find_spec", lambda name: None)
    write_sound(tmp_path / "a.wav")
    with pytest.raises(InputError, match="holds no class folders: looked for"):
        Folder(tmp_path)
    (tmp_path / "dog").mkdir()
    with pytest.raises(InputError, match=r"the class folders in .* hold no audio: looked for .wav, ") as error:
        Folder(tmp_path)
    one_line(error)
    write_sound(tmp_path / "cat" / "a.wav")
    (tmp_path / "dog" / "b.M4A").touch()
    with pytest.raises(
        InputError, match=r"dog.b\.M4A is read by PyAV: pip install 'zsxai\[av\]', or convert it"
    ) as error:
        Folder(tmp_path)
    one_line(error)


def test_folder_passes_over_what_programs_leave(tmp_path: Path, write_sound: Write) -> None:
    write_sound(tmp_path / "dog" / "a.wav")
    write_sound(tmp_path / "rain" / "__MACOSX" / "b.wav")
    write_sound(tmp_path / "__MACOSX" / "dog" / "a.wav")
    write_sound(tmp_path / ".Trash" / "c.wav")
    write_sound(tmp_path / "dog" / "._a.wav")
    (tmp_path / "dog" / "Thumbs.db").touch()
    (tmp_path / "empty").mkdir()
    data = Folder(tmp_path)
    assert ([clip.name for clip in data], data.labels) == (["dog/a.wav"], ["dog"])


def test_names_that_are_no_utf_8(tmp_path: Path, write_sound: Write) -> None:
    """Names are shown and stored with escapes; the path stays as it is."""
    write_sound(tmp_path / "dog" / "a.wav")
    write_sound(tmp_path / "cat" / "b.wav")
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    try:
        (tmp_path / "dog").rename(strange)
        (strange / "a.wav").rename(Path(os.fsdecode(os.fsencode(strange) + b"/\xff.wav")))
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    data = Folder(tmp_path)
    assert [(c.name, c.label, c.source) for c in data] == [
        (r"caf\xe9/\xff.wav", r"caf\xe9", r"caf\xe9/\xff"),
        ("cat/b.wav", "cat", "cat/b"),
    ]
    assert data.labels == [r"caf\xe9", "cat"]
    assert os.fsencode(data.clips[0].path or "").endswith(b"/caf\xe9/\xff.wav")
    assert data.clips[0].sha256() == data.clips[1].sha256()
    (data.clips[0].path or tmp_path).write_bytes(b"no sound")
    with pytest.raises(InputError) as caught:
        data.clips[0].read()
    assert str(caught.value).encode().count(b"xff.wav") == 1, "named once, in what UTF-8 can write"


def test_what_a_file_lost_is_warned_of(tmp_path: Path, write_sound: Write) -> None:
    write_sound(tmp_path / "dog" / "a.wav")
    whole = (tmp_path / "dog" / "a.wav").read_bytes()
    (tmp_path / "dog" / "a.wav").write_bytes(whole[: len(whole) // 2])
    [clip] = Folder(tmp_path).clips
    with pytest.warns(UserWarning, match=r"a\.wav: .* s could be read: it is cut or damaged"):
        clip.read()


def test_what_looks_alike_is_one_class(tmp_path: Path, write_sound: Write) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        write_sound(tmp_path / name)
    table = tmp_path / "list.csv"
    table.write_text("path,label\na.wav,t\u00fcr  auf\nb.wav,tu\u0308r auf\nc.wav,rain\n", encoding="utf-8-sig")
    assert [clip.label for clip in Table(table)] == ["t\u00fcr auf", "t\u00fcr auf", "rain"]
    assert Table(table).labels == ["rain", "t\u00fcr auf"]


def test_one_file_by_two_paths_is_one_clip(tmp_path: Path, write_sound: Write) -> None:
    write_sound(tmp_path / "a.wav")
    table = tmp_path / "list.csv"
    table.write_text("path,label\na.wav,dog\n./a.wav,rain\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"two clips called 'a\.wav'"):
        Table(table)
    table.write_text("path,caption\na.wav,a dog\nb/../a.wav,a bark\n", encoding="utf-8")
    assert [(clip.name, clip.captions) for clip in Table(table)] == [("a.wav", ("a dog", "a bark"))]


@pytest.mark.parametrize("inside", [".", "out", "dog/out/deep", "link/out"])
def test_output_is_kept_out_of_the_data(tmp_path: Path, inside: str) -> None:
    data = tmp_path / "data"
    (data / "dog").mkdir(parents=True)
    (data / "t.csv").touch()
    (data / "link").symlink_to(data / "dog")
    with pytest.raises(InputError, match=r"lies in the data at .*data, where results would be read as data") as error:
        keep_apart(data / inside, [tmp_path / "nowhere", data])
    one_line(error)
    keep_apart(tmp_path / "out", [data])
    keep_apart(data / inside, [data / "t.csv"])  # nothing is read but what the table lists


def test_table(tmp_path: Path, write_sound: Write) -> None:
    near, far = write_sound(tmp_path / "here" / "sounds" / "a.wav", 0.1), write_sound(tmp_path / "there" / "b.wav", 0.2)
    table = tmp_path / "here" / "list.csv"
    table.write_text(
        f'path,caption,source,fold,name\nsounds/a.wav,"a dog, barking",r1,2,first\n{far},rain_drops,,,\n',
        encoding="utf-8",
    )
    data = Table(table)
    assert [(c.name, c.label, c.source, c.fold) for c in data] == [
        ("first", "a dog, barking", "r1", 2),
        (str(far), "rain_drops", str(far), 0),
    ]
    assert [clip.path for clip in data] == [near, far]
    assert data.labels == ["a dog, barking", "rain_drops"]
    assert [clip.name for clip in Table(table, folds=[2])] == ["first"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,label\na.wav,dog\n", "lacks the column 'path'"),
        ("path,class\na.wav,dog\n", "lacks the column 'label' or 'caption': it has path, class"),
        ("path,label,caption\na.wav,dog,a dog\n", "leave one out"),
        ("path,label\na.wav, \n", "the label of a.wav is empty"),
        ("path,label\na.wav,dog\n", "1 of 1 audio files are missing"),
        ("path,label\na.wav,dog\na.wav,cat\n", "two clips called 'a.wav'"),
        ('path,label\na.wav,"dog\n', "no CSV file"),
    ],
)
def test_table_errors(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said) as error:
        Table(tmp_path / "list.csv")
    one_line(error)


def test_table_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="that is a folder"):
        Table(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        Table(tmp_path / "list.csv")
