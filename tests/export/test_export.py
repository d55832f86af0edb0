"""What is exported is read back by programs that know the forms, and holds the record's own numbers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from safetensors import safe_open

import zsxai
from tests.toys import STRICT, ConvToy
from zsxai import export
from zsxai.cli import main
from zsxai.errors import InputError
from zsxai.explanation import Explanation
from zsxai.export import Event

pytestmark = STRICT
RATE = 16000
PROMPT = 'say "hi",\tthen\nclap --> <b>&amp; "\r|#'
PLAIN = {"raven": "say 'hi', then clap --> <b>&amp; ' |#", "audacity": 'say "hi", then clap --> <b>&amp; " |#'}


def explain(prompt: str, name: str, seed: int = 0) -> Explanation:
    """Two tones that are kept in noise that is not, the second one shorter."""
    time = np.arange(2 * RATE) / RATE
    sound = 0.02 * np.random.default_rng(seed).standard_normal(len(time)) + 0.3 * np.sin(2 * np.pi * 1000 * time)
    audio = {"array": sound, "sampling_rate": RATE, "path": name}
    e = zsxai.explain(audio, prompt, model=ConvToy(), explainer="gradcam", verdict=False)
    mask = np.zeros_like(e.mask)
    rows, t = (e.frequencies > 700) & (e.frequencies < 1500), e.times
    mask[np.ix_(rows, ((t > 0.2) & (t < 0.9)) | ((t > 1.2) & (t < 1.5)))] = 0.95
    return e.model_copy(update={"mask": mask})


@pytest.fixture(scope="module")
def e() -> Explanation:
    return explain(PROMPT, "dog.one.wav")


@pytest.fixture(scope="module")
def folder(e: Explanation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three explanations of two recordings, below."""
    folder = tmp_path_factory.mktemp("many")
    e.save(folder / "a" / "hi")
    e.model_copy(update={"target": e.target.model_copy(update={"prompt": "a dog"})}).save(folder / "a" / "dog")
    explain("rain", "dog.one.ogg", seed=1).save(folder / "b")
    return folder


def bands(e: Explanation) -> list[tuple[float, ...]]:
    return [(r.start, r.stop, r.low, r.high) for r in e.regions(99)]


def by_crowsetta(name: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        crowsetta = pytest.importorskip("crowsetta")
        return crowsetta.Transcriber(format=name).from_file(path).to_annot()

    return read


@pytest.mark.parametrize(("form", "name"), [("raven", "raven"), ("audacity", "aud-bbox")])
@pytest.mark.filterwarnings("default")
def test_crowsetta_reads_boxes(e: Explanation, tmp_path: Path, form: str, name: str) -> None:
    text = getattr(export, f"to_{form}")(e, tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == text.encode()
    boxes = by_crowsetta(name)(tmp_path / "a.txt").bboxes
    assert len(boxes) == 2
    assert [(b.onset, b.offset, b.low_freq, b.high_freq) for b in boxes] == bands(e)
    assert {b.label for b in boxes} == {PLAIN[form]}


@pytest.mark.filterwarnings("default")
def test_crowsetta_reads_tables_and_labels_without_bands(e: Explanation, tmp_path: Path) -> None:
    crowsetta = pytest.importorskip("crowsetta")
    export.to_csv(e, tmp_path / "a.csv")
    names = {"start_s": "onset_s", "stop_s": "offset_s", "label": "label"}
    read = crowsetta.formats.seq.SimpleSeq.from_file(tmp_path / "a.csv", columns_map=names)
    assert list(zip(read.onsets_s, read.offsets_s, strict=True)) == [band[:2] for band in bands(e)]
    assert list(read.labels) == [PROMPT] * 2
    export.to_audacity(
        [Event(start=1e-5, stop=1 / 3, label="a"), Event(start=1e7, stop=1e7 + 1e-3, label="b")], tmp_path / "a.txt"
    )
    read = crowsetta.formats.seq.AudSeq.from_file(tmp_path / "a.txt")
    assert list(zip(read.start_times, read.end_times, read.labels, strict=True)) == [
        (1e-5, 1 / 3, "a"),
        (1e7, 1e7 + 1e-3, "b"),
    ]


def test_tables_hold_the_records_numbers(e: Explanation, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = export.to_frame(e)
    export.to_csv(e, tmp_path / "a.csv")
    read = pandas.read_csv(tmp_path / "a.csv")
    pandas.testing.assert_frame_equal(read, frame.astype({"verdict": "float64"}), rtol=1e-14, check_dtype=False)
    rows = list(csv.DictReader(io.StringIO(export.to_csv(e), newline="")))
    as_json = json.loads(export.to_json(e))
    assert list(rows[0]) == list(as_json[0]) == list(frame.columns)
    record = e.record()
    for row, object_, region in zip(rows, as_json, record["regions"], strict=True):
        for name, column in (("start", "start_s"), ("stop", "stop_s"), ("low", "low_hz"), ("high", "high_hz")):
            assert float(row[column]) == object_[column] == region[name]
        assert row["label"] == object_["label"] == PROMPT
        assert float(row["score"]) == object_["score"] == record["score"]
        assert (float(row["share"]), float(row["under_db"])) == (region["share"], region["under_db"])
        assert (row["file"], row["verdict"], object_["verdict"]) == ("dog.one.wav", "", None)


def test_webvtt_is_read_in_the_order_of_time(e: Explanation, tmp_path: Path) -> None:
    webvtt = pytest.importorskip("webvtt")
    export.to_vtt(e, tmp_path / "a.vtt")
    cues = webvtt.read(str(tmp_path / "a.vtt")).captions
    found = sorted(bands(e))
    assert [
        (c.start_in_seconds + int(c.start[-3:]) / 1000, c.end_in_seconds + int(c.end[-3:]) / 1000) for c in cues
    ] == [(pytest.approx(start), pytest.approx(stop)) for start, stop, *_ in found]
    line = 'say "hi", then clap --&gt; &lt;b&gt;&amp;amp; " |#'
    assert [c.raw_text for c in cues] == [f"{line} ({low:g}-{high:g} Hz)" for _, _, low, high in found]


@pytest.mark.parametrize("seconds", [0.0, 59.9996, 3661.25, 360_000.0])
def test_webvtt_counts_hours(seconds: float) -> None:
    webvtt = pytest.importorskip("webvtt")
    [cue] = webvtt.from_string(export.to_vtt(Event(start=seconds, stop=seconds, label="a"))).captions
    start, stop = (
        (t.hours * 60 + t.minutes) * 60 + t.seconds + t.milliseconds / 1000 for t in (cue.start_time, cue.end_time)
    )
    assert start == pytest.approx(seconds, abs=0.00051)
    assert stop == pytest.approx(start + 0.001)


@pytest.mark.parametrize("form", ["raven", "audacity", "csv", "json", "vtt"])
def test_nothing_is_a_file_too(form: str) -> None:
    text = getattr(export, f"to_{form}")([])
    heads = {"raven": "Selection\tView\tChannel\tBegin Time (s)", "csv": "file,start_s,stop_s", "vtt": "WEBVTT\n"}
    assert text.startswith(heads.get(form, text))
    assert text in ("", "[]\n") or form in heads


def test_count_is_how_many(e: Explanation) -> None:
    assert len(export.to_frame(e, count=1)) == 1
    assert len(json.loads(export.to_json([e, e], count=1))) == 2
    with pytest.raises(InputError, match="1 or more, not 0"):
        export.to_csv(e, count=0)


def test_columns_join(e: Explanation) -> None:
    rows = json.loads(export.to_json([Event(start=0, stop=1, label="a", extra={"presence": 0.5}), e]))
    text = list(
        csv.DictReader(io.StringIO(export.to_csv([Event(start=0, stop=1, label="a", extra={"presence": 0.5}), e])))
    )
    assert rows[0]["presence"] == float(text[0]["presence"]) == 0.5
    assert "presence" not in rows[1]
    assert (text[1]["presence"], text[0]["share"], text[0]["low_hz"]) == ("", "", "")


def test_masks_and_sound(e: Explanation, tmp_path: Path) -> None:
    names = {"mask": e.mask, "relevance": e.relevance, "frequencies": e.frequencies, "times": e.times}
    with np.load(export.to_npz(e, tmp_path / "a.npz")) as arrays:
        assert sorted(arrays) == sorted(names)
        for name, values in names.items():
            np.testing.assert_array_equal(arrays[name], values)
    with safe_open(export.to_safetensors(e, tmp_path / "a.safetensors"), "numpy") as file:
        assert file.metadata() == {"prompt": PROMPT, "audio": "dog.one.wav"}
        for name, values in names.items():
            np.testing.assert_array_equal(file.get_tensor(name), values)
    with Image.open(export.to_png(e, tmp_path / "a.png")) as picture:
        assert picture.mode == "L"
        np.testing.assert_allclose(np.asarray(picture)[::-1] / 255, e.mask, atol=0.5 / 255 + 1e-6)
    heard, rate = soundfile.read(export.to_wav(e, tmp_path / "a.wav"), dtype="float32")
    assert rate == e.sample_rate
    np.testing.assert_array_equal(heard, e.audio)
    heard, rate = soundfile.read(export.to_flac(e, tmp_path / "a.flac"))
    np.testing.assert_allclose(heard, e.audio, atol=2.0**-24)
    loud = e.model_copy(update={"original": 9 * e.original})
    cut = np.count_nonzero(np.abs(loud.audio) > 1)
    assert cut
    with pytest.warns(UserWarning, match=f"^{cut:,} samples lie beyond full scale and were cut: WAV keeps them"):
        export.to_flac(loud, tmp_path / "b.flac")


def run(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    ended = main(["export", *map(str, words)])
    out, err = capsys.readouterr()
    assert ended == code, err
    return out, err


def files(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_command_prints_one_text(folder: Path, e: Explanation, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, folder / "a" / "hi", "--to", "raven")[0] == export.to_raven(e)
    assert run(capsys, folder / "a" / "hi", "--to", "csv", "--count", 1)[0] == export.to_csv(e, count=1)
    rows = json.loads(run(capsys, folder, "--to", "json")[0])
    assert [(row["file"], row["label"]) for row in rows[::2]] == [
        ("dog.one.wav", "a dog"),
        ("dog.one.wav", PROMPT),
        ("dog.one.ogg", "rain"),
    ]


def test_the_command_writes_a_file_a_recording(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forms = ("raven", "audacity", "vtt", "csv", "png", "flac")
    out, _ = run(capsys, folder, *(word for form in forms for word in ("--to", form)), "--out", tmp_path / "out")
    assert sorted(files(tmp_path / "out")) == sorted(
        [
            *(f"{name}.{form}" for name in ("a/dog", "a/hi", "b") for form in ("flac", "png")),
            *("dog.one.Table.1.selections.txt", "dog.one.Table.2.selections.txt"),
            *("dog.one.labels.txt", "dog.one-2.labels.txt", "dog.one.vtt", "dog.one-2.vtt", "regions.csv"),
        ]
    )
    table = (tmp_path / "out" / "dog.one.Table.1.selections.txt").read_text().splitlines()
    assert [line.split("\t")[7] for line in table] == ["Annotation", "a dog", "a dog", *[PLAIN["raven"]] * 2]
    assert out.strip().endswith("12 more")
    run(capsys, folder, "--to", "csv", "--out", tmp_path / "mine.csv")
    assert (tmp_path / "mine.csv").read_text() == (tmp_path / "out" / "regions.csv").read_text()
    run(capsys, folder / "b", "--to", "raven", "--out", tmp_path / "b.txt")
    assert (tmp_path / "b.txt").read_text() == (tmp_path / "out" / "dog.one.Table.2.selections.txt").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "ravn"], "unknown form 'ravn': did you mean 'raven' or 'wav'?"),
        (["--to", "wav"], "name a folder for the files: --out DIR"),
        (["--to", "csv", "--to", "json"], "name a folder for the files: --out DIR"),
        (["--to", "raven"], "that makes 2 files, one a recording: name a folder for them, --out DIR"),
        (["--to", "csv", "--out", "there.csv"], "there.csv exists already: choose another --out, or say --overwrite"),
        (["--to", "csv", "--count", "0"], "count is how many regions an explanation gives, 1 or more, not 0"),
    ],
)
def test_what_is_wrong_is_one_line(
    folder: Path,
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.csv").write_text("mine")
    assert run(capsys, folder, *words, code=2)[1] == f"zsxai: {message}\n"
    assert Path("there.csv").read_text() == "mine"
    if "there.csv" in words:
        run(capsys, folder, *words, "--overwrite")
        assert Path("there.csv").read_text().startswith("file,")


def test_a_damaged_one_is_named_and_the_others_written(
    folder: Path, e: Explanation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        e.save(tmp_path / "many" / name)
    (tmp_path / "many" / "one" / "mask.safetensors").unlink()
    out, err = run(capsys, tmp_path / "many", "--to", "csv", code=1)
    assert out == export.to_csv(e)
    assert "mask.safetensors is missing" in err
    assert run(capsys, tmp_path / "many" / "one", "--to", "csv", code=2)


def test_where_nothing_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        "holds no saved explanation: name what zsxai explain --out wrote"
        in run(capsys, tmp_path, "--to", "csv", code=2)[1]
    )
    assert "no is no folder: name what" in run(capsys, tmp_path / "no", "--to", "csv", code=2)[1]
