"""A saved folder: whatever is changed in it, loading or verifying names it; whatever loads can be shown and saved."""

from __future__ import annotations

import json
import os
import shutil
import struct
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file, save_file

import zsxai
from tests.toys import STRICT, ConvToy
from zsxai.audio.wav import wav_bytes
from zsxai.errors import InputError
from zsxai.explanation import Explanation
from zsxai.saved import FILES
from zsxai.show.page import page_html

pytestmark = STRICT
RATE = 16000
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE // 2).astype(np.float32)
    e = zsxai.explain(noise, "dog", sample_rate=RATE, model=ConvToy(), explainer="gradcam", against=["rain"])
    return e.save(tmp_path_factory.mktemp("saved") / "e")


def named(folder: Path) -> str:
    """What loading or verifying finds, as text; empty where nothing."""
    try:
        report = Explanation.load(folder).verify(ConvToy())
    except InputError as error:
        return str(error)
    return "\n".join(f"{c.name}: {c.detail}" for c in report.checks if not c.ok)


def put(where: str, value: Any) -> Change:
    """Set one value of the record; a function is given the old one."""

    def change(folder: Path) -> None:
        record = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
        *above, name = where.split(".")
        place = record
        for step in above:
            place = place[int(step) if step.isdigit() else step]
        place[name] = value(place[name]) if callable(value) else value
        (folder / "explanation.json").write_text(json.dumps(record), encoding="utf-8")

    return change


def drop(where: str, name: str) -> Change:
    return put(where, lambda old: {k: v for k, v in old.items() if k != name})


def cells(name: str, change: Callable[[Any], Any]) -> Change:
    def rewrite(folder: Path) -> None:
        arrays = dict(load_file(folder / "mask.safetensors"))
        arrays[name] = change(arrays[name].copy())
        save_file({k: v for k, v in arrays.items() if v is not None}, folder / "mask.safetensors")

    return rewrite


def at(row: int, column: int, value: float) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array[row, column] = value
        return array

    return change


def content(name: str, change: bytes | Callable[[bytes], bytes]) -> Change:
    def rewrite(folder: Path) -> None:
        old = (folder / name).read_bytes()
        (folder / name).write_bytes(change(old) if callable(change) else change)

    return rewrite


def replace(name: str, make: Callable[[Path], object]) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def sound(**options: Any) -> Change:
    """The original, written by another program."""

    def write(folder: Path) -> None:
        samples, rate = soundfile.read(folder / "original.wav", dtype="float32")
        samples = np.stack([samples] * options.get("channels", 1), axis=1)
        kind = {"subtype": options.get("subtype", "FLOAT"), "format": options.get("format", "WAV")}
        soundfile.write(folder / "original.wav", samples, options.get("rate", rate), **kind)

    return write


RECORDED = {
    **dict.fromkeys(("score", "score_in", "score_out", "score_heard", "similarity", "mask_mean"), 0.9),
    "kept_energy": 0.2,
    "target.prompt": "rain on a roof",
    "target.against": ["wind"],
    "masking.floor": 1e-3,
    "masking.scale": "gain",
    "windows.0.score": 0.7,
    "provenance.model": "other",
    "provenance.model_card": {},
    "provenance.explainer": "lmac-zs",
    "provenance.options": {"tap": "other"},
    "provenance.explainer_weights": {"decoder": "1" * 64},
    "provenance.calibration": "rank",
    "provenance.template": "the sound of {}",
    "provenance.seed": 7,
    "provenance.batch_size": 3,
    "provenance.pooling": "median",
    "provenance.audio_name": "other.wav",
    "provenance.audio_sample_rate": 8000,
    "provenance.audio_channels": 2,
    "provenance.versions": {"zsxai": "9"},
    "provenance.warnings": ["trust me"],
}
"""A value that could be right for every field that is not derived."""

CHANGED = {
    "unit": (put("unit", "probability"), "unit: recorded 'probability', the target's is 'cosine difference'"),
    "regions": (put("regions", []), "regions: "),
    "a hash": (put("sha256.score", "0" * 64), "record: changed since it was made: score"),
    "a hash gone": (drop("sha256", "score"), "lost or gained score"),
    "a field gone": (drop("provenance", "explainer_weights"), "lost or gained provenance.explainer_weights"),
    "a field more": (put("future", 1), "unknown field 'future'"),
    "a file unlisted": (drop("files", "index.html"), "lists other files"),
    "relevance hash": (put("provenance.relevance_sha256", "0" * 64), "not hold the relevance"),
    "audio hash": (put("provenance.audio_sha256", "0" * 64), "original.wav is not the audio"),
    "format 1": (put("format", 1), "saved by an older zsxai, explain again"),
    "format 5": (put("format", 5), "saved by a newer zsxai, upgrade"),
    "format true": (put("format", True), "format"),
    "score NaN": (put("score", float("nan")), "NaN, which is no number"),
    "score infinite": (
        content("explanation.json", lambda t: t.replace(b'"score": ', b'"score": 1e999, "x": ')),
        "score: ",
    ),
    "rate 0": (put("sample_rate", 0), "sample_rate: "),
    "rate": (put("sample_rate", 8000), "8000 samples per second"),
    "negative rate": (put("front_end.sample_rate", -1), "sample_rate: "),
    "n_fft 2^30": (put("front_end.n_fft", 2**30), "n_fft: "),
    "hop 0": (put("front_end.hop", 0), "hop: "),
    "hop beyond the window": (put("front_end.hop", 500), "hop: "),
    "another hop": (put("front_end.hop", 100), "the mask does not fit the recording"),
    "band": (put("front_end.f_max", 10.0), "no bin of the STFT lies between 50 and 10 Hz"),
    "mel bands": (put("front_end.n_mels", 2**40), "n_mels: "),
    "floor 0": (put("masking.floor", 0), "floor: "),
    "negative floor": (put("masking.floor", -1.0), "floor: "),
    "blank prompt": (put("target.prompt", " "), "the prompt is empty"),
    "no windows": (put("windows", []), "windows: "),
    "no provenance": (put("provenance", []), "no provenance"),
    "nested": (content("explanation.json", b"[" * 100_000 + b"]" * 100_000), "nested too deep"),
    "huge number": (content("explanation.json", b'{"format": ' + b"9" * 6000 + b"}"), "digits"),
    "UTF-16": (content("explanation.json", lambda t: t.decode().encode("utf-16")), "codec can't decode"),
    "a mark of order": (content("explanation.json", lambda t: b"\xef\xbb\xbf" + t), "BOM"),
    "one cell": (cells("mask", at(50, 10, 0.123)), "mask: "),
    "mask NaN": (cells("mask", at(50, 10, np.nan)), "the mask does not lie in [0, 1]"),
    "mask above 1": (cells("mask", at(50, 10, 1.5)), "the mask does not lie in [0, 1]"),
    "outside the band": (cells("mask", at(0, 10, 0.5)), "outside the band"),
    "relevance": (cells("relevance", at(50, 10, 9.0)), "does not hold the relevance"),
    "relevance infinite": (cells("relevance", at(50, 10, np.inf)), "does not hold the relevance"),
    "frequencies": (cells("frequencies", lambda f: 2 * f), "mask.safetensors was changed"),
    "mask of doubles": (cells("mask", lambda m: m.astype(np.float64)), "'mask': 'float64'"),
    "mask of integers": (cells("mask", lambda m: m.astype(np.int64)), "mask as I64"),
    "mask of a row": (cells("mask", lambda m: m[:, 0].copy()), "the mask does not fit"),
    "no mask": (cells("mask", lambda m: None), "mask.safetensors holds frequencies, relevance, times"),
    "header that lies": (content("mask.safetensors", struct.pack("<Q", 1 << 60) + b"{}"), "header too large"),
    "cut arrays": (content("mask.safetensors", lambda t: t[:-1]), "damaged"),
    "stereo": (sound(channels=2), "original.wav is not as zsxai writes it"),
    "rate of the original": (content("original.wav", lambda t: wav_bytes(np.frombuffer(t[58:], "<f4"), 8000)), "8000"),
    "original in 16 bits": (sound(subtype="PCM_16"), "original.wav is not as zsxai writes it"),
    "original as FLAC": (sound(format="FLAC", subtype="PCM_24"), "original.wav is not as zsxai writes it"),
    "original cut": (content("original.wav", lambda t: t[:-4]), "original.wav is not as zsxai writes it"),
    "one sample": (content("original.wav", lambda t: t[:-4] + b"\0\0\0\0"), "original.wav is not the audio"),
    "explanation.wav": (lambda f: shutil.copy(f / "residue.wav", f / "explanation.wav"), "explanation.wav: "),
    "residue.wav": (content("residue.wav", lambda t: t[:-400] + bytes(400)), "residue.wav: "),
    "another page": (content("index.html", b"<p>trust me"), "files: index.html was changed"),
    "another picture": (content("explanation.png", lambda t: t + b" "), "files: explanation.png was changed"),
    "a file more": (lambda f: (f / "notes.txt").write_text("mine"), "files: notes.txt is no part of it"),
    "a name in no UTF-8": (lambda f: Path(os.fsdecode(bytes(f) + b"/\xe9")).touch(), r"files: \xe9 is no part of it"),
    **{f"no {name}": (lambda f, name=name: (f / name).unlink(), f"{name} is missing") for name in FILES},
    "a folder for a file": (replace("explanation.json", Path.mkdir), "explanation.json is no file"),
    "a pipe for a file": (replace("index.html", os.mkfifo), "files: index.html was changed"),
}


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "e"))


def test_nothing_is_named_where_nothing_changed(copy: Path) -> None:
    (copy / ".DS_Store").touch()
    assert named(copy) == ""


@pytest.mark.parametrize("where", RECORDED)
def test_a_changed_field_is_named(where: str, copy: Path) -> None:
    put(where, RECORDED[where])(copy)
    field = where if where.startswith("provenance") else where.split(".")[0]
    assert f"record: changed since it was made: {field}" in named(copy).splitlines()


@pytest.mark.parametrize("change", CHANGED)
def test_any_other_change_is_named(change: str, copy: Path) -> None:
    make, words = CHANGED[change]
    make(copy)
    assert words in named(copy)


def test_a_model_that_is_gone_after_a_change(copy: Path) -> None:
    put("provenance.model", "gone")(copy)
    report = Explanation.load(copy).verify()
    assert [c.name for c in report.checks if not c.ok] == ["record", "model"]


def test_a_change_in_memory_is_named(saved: Path) -> None:
    e = Explanation.load(saved)
    e.provenance.options["tap"] = "other"
    changed = e.model_copy(update={"score": e.score + 1e-9})
    (check,) = (c for c in changed.verify(ConvToy()).checks if not c.ok)
    assert check.detail == "changed since it was made: provenance.options, score"


def test_a_copy_forgets_what_was_computed_from_the_old_fields(saved: Path) -> None:
    e = Explanation.load(saved)
    assert e.audio.any()
    silent = e.model_copy(update={"mask": np.zeros_like(e.mask)})
    assert np.abs(silent.audio).max() < 1e-3 * np.abs(e.audio).max()


EXTREMES = (0, -1, 1e-320, 1e300, 2**63, 10**400)


@pytest.mark.parametrize(
    "where",
    [
        *("score", "score_heard", "mask_mean", "kept_energy", "windows.0.start", "windows.0.stop", "windows.0.score"),
        *("masking.floor", "sample_rate", "front_end.floor", "front_end.f_min", "front_end.filter_rate"),
        *("provenance.seed", "provenance.audio_sample_rate"),
    ],
)
def test_what_loads_can_be_shown(where: str, copy: Path) -> None:
    for value in EXTREMES:
        put(where, value)(copy)
        with suppress(InputError), warnings.catch_warnings():
            warnings.simplefilter("error")
            e = Explanation.load(copy)
            assert str(e)
            assert page_html(e)
            assert np.isfinite(e.audio).all()


def test_what_loads_can_be_saved_and_loaded_again(saved: Path, tmp_path: Path) -> None:
    e = Explanation.load(saved)
    again = Explanation.load(e.save(tmp_path / "again"))
    assert again == e
    assert again.verify(ConvToy())
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes(), name


def test_names_are_the_contract_alone(saved: Path) -> None:
    e = Explanation.load(saved)
    assert {"score", "mask", "plot", "save", "verify", "audio", "provenance"} <= set(dir(e))
    for value in (e, e.provenance, e.target, e.masking, e.windows[0], e.front_end, *e.regions()):
        assert not {n for n in dir(value) if n.startswith(("model_dump", "_", "copy", "parse", "json"))}
        assert value.model_dump()
