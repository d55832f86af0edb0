"""A saved folder is whole or absent, exact, and never costs a user's own file."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file

import zsxai
from zsxai.audio.wav import wav_bytes
from zsxai.saved import FILES
from zsxai.show import folder as folders


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_folder_holds_what_is_promised(explanation, tmp_path):
    out = tmp_path / "new" / "siren"
    assert explanation.save(out) == out
    assert names(out) == sorted(FILES)
    assert names(out.parent) == ["siren"]
    record = json.loads((out / "explanation.json").read_text(encoding="utf-8"))
    files = record.pop("files")
    assert record == json.loads(json.dumps(explanation.record()))
    assert files == {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in FILES[1:]}
    arrays = load_file(out / "mask.safetensors")
    assert sorted(arrays) == ["frequencies", "mask", "relevance", "times"]
    assert arrays["mask"].dtype == arrays["relevance"].dtype == np.float32
    assert arrays["mask"].shape == (len(arrays["frequencies"]), len(arrays["times"]))


def test_wavs_are_the_samples_without_normalisation(explanation, tmp_path):
    out = explanation.save(tmp_path / "e")
    for name, wave in (("original", explanation.original), ("explanation", explanation.audio)):
        read, rate = soundfile.read(out / f"{name}.wav", dtype="float32")
        assert rate == explanation.sample_rate
        assert soundfile.info(out / f"{name}.wav").subtype == "FLOAT"
        np.testing.assert_array_equal(read, wave)
    assert len(explanation.residue) == soundfile.info(out / "residue.wav").frames


def test_wav_keeps_samples_beyond_full_scale():
    wave = np.array([0.0, 2.5, -3.0, 1e-20], dtype=np.float32)
    content = wav_bytes(wave, 16000)
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    assert content == wav_bytes(wave, 16000)
    assert np.frombuffer(content[-16:], dtype="<f4").tolist() == wave.tolist()


def test_load_gives_the_same_explanation(explanation, tmp_path):
    loaded = zsxai.Explanation.load(explanation.save(tmp_path / "e"))
    assert loaded.record() == explanation.record()
    for name in ("mask", "relevance", "original", "audio", "residue", "times", "frequencies"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(explanation, name))


def test_saving_twice_gives_the_same_bytes(explanation, tmp_path):
    one, two = explanation.save(tmp_path / "one"), explanation.save(tmp_path / "two")
    for name in FILES:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("existing", [False, True])
def test_failure_in_the_middle_leaves_nothing(explanation, tmp_path, monkeypatch, error, existing):
    out = tmp_path / "e"
    before = {}
    if existing:
        explanation.save(out)
        before = {name: (out / name).stat().st_mtime_ns for name in FILES}

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(folders, "write_png", fail)
    with pytest.raises(zsxai.InputError if error is OSError else error):
        explanation.save(out, overwrite=True)
    assert names(tmp_path) == (["e"] if existing else [])
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before


def test_failure_of_the_rename_brings_the_old_folder_back(explanation, tmp_path, monkeypatch):
    out = explanation.save(tmp_path / "e")
    rename = Path.rename

    def fail_on_draft(self: Path, target: Path) -> Path:
        if self.name.endswith(".part"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_on_draft)
    with pytest.raises(KeyboardInterrupt):
        explanation.save(out, overwrite=True)
    assert names(tmp_path) == ["e"]
    assert names(out) == sorted(FILES)


def test_existing_folder_is_refused(explanation, tmp_path):
    out = explanation.save(tmp_path / "e")
    with pytest.raises(zsxai.InputError, match="exists"):
        explanation.save(out)


def test_overwrite_replaces_an_explanation_and_an_empty_folder(explanation, tmp_path):
    out = explanation.save(tmp_path / "e")
    (out / "residue.wav").unlink()
    explanation.save(out, overwrite=True)
    assert names(out) == sorted(FILES)
    (tmp_path / "empty").mkdir()
    explanation.save(tmp_path / "empty", overwrite=True)
    assert names(tmp_path) == ["e", "empty"]


@pytest.mark.parametrize("keep", ["notes.txt", "sub/thesis.tex", ".hidden"])
def test_overwrite_never_deletes_a_users_file(explanation, tmp_path, keep):
    out = explanation.save(tmp_path / "e")
    (out / keep).parent.mkdir(exist_ok=True)
    (out / keep).write_text("mine")
    with pytest.raises(zsxai.InputError, match=keep):
        explanation.save(out, overwrite=True)
    assert (out / keep).read_text() == "mine"
    assert names(tmp_path) == ["e"]


def test_overwrite_refuses_a_folder_of_something_else(explanation, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("mine")
    with pytest.raises(zsxai.InputError, match=r"holds no explanation.json, so it is not ours to replace"):
        explanation.save(tmp_path / "site", overwrite=True)


def test_a_file_in_the_way_is_refused(explanation, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(zsxai.InputError):
            explanation.save(out, overwrite=True)
    assert names(tmp_path) == ["file"]


def test_threads_that_save_at_once_write_the_same_bytes(explanation, tmp_path):
    explanation.save(tmp_path / "alone")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: explanation.save(tmp_path / str(i)), range(8)))
    for i in range(8):
        for name in FILES:
            assert (tmp_path / str(i) / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name


DRAW = """
import sys
from pathlib import Path
import numpy as np
from zsxai.show.canvas import import_matplotlib
from zsxai.show.plot import bare_figure, plot_spectrogram
plot_spectrogram(np.ones(4000, np.float32), 8000, bare_figure().add_axes((0, 0, 1, 1))).figure.savefig(sys.argv[1])
import os
print(os.environ["MPLBACKEND"], import_matplotlib().rcParams._get("backend"))
"""


@pytest.mark.parametrize(
    ("backend", "kept"), [("module://matplotlib_inline.backend_inline", None), ("garbage", False), ("svg", True)]
)
def test_a_picture_needs_no_backend_but_its_own(tmp_path, backend, kept):
    words = [sys.executable, "-c", DRAW, str(tmp_path / "a.png")]
    done = subprocess.run(words, env={**os.environ, "MPLBACKEND": backend}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    variable, setting = done.stdout.split(maxsplit=1)
    assert variable == backend, "what is set for others stays"
    assert kept is None or (setting.strip() == backend) is kept
