"""Files and streams of every kind: the right samples whatever their headers say, or one line; what is lost is noted."""

from __future__ import annotations

import array
import gzip
import io
import mmap
import os
import re
import struct
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.toys import STRICT
from zsxai.audio import read_audio
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError

pytestmark = [*STRICT, pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")]
RATE = 44100
TIME = np.arange(3 * RATE) / RATE
NOISE = np.random.default_rng(0).standard_normal(len(TIME))
SOUND = (0.5 * np.sin(2 * np.pi * 440 * TIME * (1 + TIME)) + 0.03 * NOISE).astype(np.float32)


def encode(form: str, samples: np.ndarray = SOUND, rate: int = RATE) -> bytes:
    stream = io.BytesIO()
    container, _, subtype = form.partition("/")
    soundfile.write(stream, samples, rate, format=container, subtype=subtype or None)
    return stream.getvalue()


WAV, FLAC, OGG, MP3 = map(encode, ("WAV", "FLAC", "OGG", "MP3"))
OPUS = encode("OGG/OPUS", rate=48000)


class OnlyReads:
    """An object with nothing but ``read``, which gives at most 7,777 bytes."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def read(self, count: int) -> bytes:
        return self._stream.read(min(count, 7777))


class Breaks(OnlyReads):
    """Breaks after 20,000 bytes."""

    def __init__(self, data: bytes, error: Exception) -> None:
        super().__init__(data)
        self.error = error

    def read(self, count: int) -> bytes:
        if self._stream.tell() > 20_000:
            raise self.error
        return super().read(count)


def zipped(path: Path) -> Any:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        archive.write(path, path.name)
    return zipfile.ZipFile(path.with_suffix(".zip")).open(path.name)


def tarred(path: Path) -> Any:
    with tarfile.open(path.with_suffix(".tar"), "w") as archive:
        archive.add(path, path.name)
    return tarfile.open(path.with_suffix(".tar")).extractfile(path.name)


def gzipped(path: Path) -> Any:
    path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes()))
    return gzip.open(path.with_suffix(".gz"))


def piped(path: Path) -> Any:
    return subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE).stdout


def mapped(path: Path) -> Any:
    with path.open("rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


class AsBytes(os.PathLike[bytes]):
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> bytes:
        return os.fsencode(self.path)


FORMS: dict[str, Callable[[Path], Any]] = {
    "path": lambda p: p,
    "bytes path": AsBytes,
    "dir entry": lambda p: next(entry for entry in os.scandir(p.parent) if entry.name == p.name),
    "bytes": lambda p: p.read_bytes(),
    "bytearray": lambda p: bytearray(p.read_bytes()),
    "memoryview": lambda p: memoryview(p.read_bytes()),
    "array of bytes": lambda p: array.array("B", p.read_bytes()),
    "only reads": lambda p: OnlyReads(p.read_bytes()),
    "pipe": piped,
    "unbuffered": lambda p: p.open("rb", buffering=0),
    "mmap": mapped,
    "zip": zipped,
    "tar": tarred,
    "gzip": gzipped,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_form_gives_the_same(form: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"dog.{ending}"
    path.write_bytes({"wav": WAV, "flac": FLAC, "ogg": OGG, "mp3": MP3}[ending])
    expected, _ = soundfile.read(path, dtype="float32")
    sound = read_audio(FORMS[form](path))
    np.testing.assert_array_equal(sound.waveform, expected)
    assert sound.notes == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_a_named_pipe_is_read_and_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.ogg"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=r"pipe.ogg gives no bytes"):
        read_audio(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # else the writer would wait for a reader
    writing = os.open(pipe, os.O_WRONLY)
    os.close(reading)
    writer = threading.Timer(0.2, lambda: (os.write(writing, OGG), os.close(writing)))
    writer.start()
    np.testing.assert_array_equal(read_audio(pipe).waveform, read_audio(OGG).waveform)
    writer.join()


def closed() -> io.BytesIO:
    stream = io.BytesIO(WAV)
    stream.close()
    return stream


def at_its_end() -> io.BytesIO:
    stream = io.BytesIO(WAV)
    stream.seek(0, 2)
    return stream


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (closed, "the BytesIO is closed: open it again"),
        (at_its_end, "the BytesIO gives no bytes: it is empty, or at its end"),
        (lambda: io.StringIO("abc"), "the StringIO is opened as text: open it in binary mode, 'rb'"),
        (lambda: io.BufferedWriter(io.BytesIO()), "the BufferedWriter is not open for reading: open it with 'rb'"),
        (lambda: Path(os.devnull), "is a device, not an audio file"),
        (lambda: Breaks(WAV, OSError("network gone")), "cannot read the Breaks: network gone"),
        (lambda: Breaks(WAV, EOFError("half a member")), "cannot read the Breaks: half a member"),
        (lambda: Breaks(WAV, ValueError()), "cannot read the Breaks: ValueError"),
        (  # a header whose length and sound are nothing
            lambda: b".snd\0\0\0\x18\0\0\x0f\xa0\0\0\0\x1b\0\0\x1f@\0\0\0\1",
            "holds no samples that libsndfile finds",
        ),
        (lambda: "a\0b.wav", r"cannot open a\\x00b.wav: embedded null byte"),
        (lambda: "a" * 5000, r"cannot open a+\.\.\.a+: File name too long"),
        (lambda: "two\nlines.wav", r"no such file: two\\nlines.wav"),
        (
            lambda: type("None", (), {"read": lambda self, n: None})(),
            "cannot read the None: its read.. gives nothing yet",
        ),
        (lambda: type("List", (), {"read": lambda self, n: []})(), "cannot read the List: its read.. gives a list, no"),
        (lambda: type("Path", (os.PathLike,), {"__fspath__": lambda self: 3})(), "the path of type Path is none"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_cannot_be_read_is_one_line_that_says_why(audio: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_audio(audio())
    assert "\n" not in str(caught.value)


def test_what_never_ends_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsxai.audio.files.MAX_BYTES", 2**22)
    endless = type("Endless", (), {"read": lambda self, n: WAV[:n]})()
    with pytest.raises(InputError, match="the Endless gives more than 4,194,304 bytes: cut it into parts"):
        read_audio(endless)
    monkeypatch.setattr("zsxai.audio.blocks.MAX_SAMPLES", len(SOUND) - 1)
    with pytest.raises(InputError, match=r"is longer than 536,870,912 samples \(3.4 h\): cut it into parts"):
        read_audio(WAV)


def flac_saying(samples: int) -> bytes:
    head = bytearray(FLAC)
    head[21] = head[21] & 0xF0 | samples >> 32
    head[22:26] = struct.pack(">I", samples & 0xFFFFFFFF)
    return bytes(head)


def mp3_saying(frames: int) -> bytes:
    tag = MP3.index(b"Info") if b"Info" in MP3 else MP3.index(b"Xing")
    return MP3[: tag + 8] + struct.pack(">I", frames) + MP3[tag + 12 :]


def wav_saying(size: int) -> bytes:
    return WAV[:4] + struct.pack("<I", size) + WAV[8:40] + struct.pack("<I", size) + WAV[44:]


LYING = {
    "FLAC from a pipe": (flac_saying(0), FLAC),
    "FLAC, too short": (flac_saying(100), FLAC),
    "FLAC, too long": (flac_saying(2**36 - 1), FLAC),
    "MP3, nothing": (mp3_saying(0), MP3),
    "MP3, too short": (mp3_saying(1), MP3),
    "MP3, too long": (mp3_saying(2**31 - 1), MP3),
    "WAV from a pipe": (wav_saying(0xFFFFFFFF), WAV),
    "WAV, too long": (wav_saying(0x7FFFF000), WAV),
}


@pytest.mark.parametrize("case", LYING)
@pytest.mark.parametrize("as_file", [True, False])
def test_a_length_is_never_believed(case: str, as_file: bool, tmp_path: Path) -> None:
    lying, honest = LYING[case]
    path = tmp_path / f"lying.{case[:4].strip().lower()}"
    path.write_bytes(lying)
    sound = read_audio(path if as_file else lying)
    np.testing.assert_array_equal(sound.waveform, read_audio(honest).waveform)
    assert sound.notes == ()


def without(data: bytes, start: float, stop: float) -> bytes:
    return data[: int(start * len(data))] + data[int(stop * len(data)) :]


LOSSES = {
    "WAV, cut": (WAV[: len(WAV) // 2], r"1.5 of 3 s could be read: it is cut or damaged"),
    "AIFF, cut": (without(encode("AIFF"), 0.5, 1), r"1.\d+ of 3 s could be read: it is cut or damaged"),
    "AU, cut": (without(encode("AU"), 0.5, 1), r"1.5 of 3 s could be read: it is cut or damaged"),
    "RF64, cut": (without(encode("RF64"), 0.5, 1), r"1.\d+ of 2.99\d s could be read: it is cut or damaged"),
    "W64, cut": (without(encode("W64"), 0.5, 1), r"1.\d+ of 2.99\d s could be read: it is cut or damaged"),
    "FLAC, cut": (
        FLAC[: len(FLAC) // 2],
        r"1.\d+ of 3 s could be read: it is cut or damaged \(",
    ),
    "FLAC, a piece missing": (without(FLAC, 0.5, 0.6), r"1.\d+ of 3 s could be read: it is cut or damaged \("),
    "FLAC, two in a row": (FLAC + FLAC, r"3.\d+ s could be read: it is cut or damaged \("),
    "MP3, cut": (MP3[: len(MP3) // 2], r"1.\d+ of 2.9\d* s could be read: it is cut or damaged"),
    "Vorbis, cut": (OGG[: len(OGG) * 3 // 4], r"\d.\d+ s could be read: the Ogg file has no end: it is cut"),
    "Vorbis, a piece missing": (without(OGG, 0.5, 0.6), r"2.\d+ of 3 s could be read: it is cut or damaged"),
    "Vorbis, two in a row": (OGG + OGG, r"3 of 6 s could be read: the Ogg file holds 2 recordings in a row"),
    "Opus, cut": (OPUS[: len(OPUS) * 3 // 4], r"\d.\d+ s could be read: the Ogg file has no end: it is cut"),
    "Opus, a piece missing": (without(OPUS, 0.5, 0.6), r"\d.\d+ of 2.\d+ s could be read: it is cut or damaged"),
    "Opus, two in a row": (OPUS + OPUS, r"2.\d+ of 5.\d+ s could be read: the Ogg file holds 2 recordings in a row"),
}


@pytest.mark.parametrize("case", LOSSES)
def test_sound_that_is_lost_is_noted(case: str, tmp_path: Path) -> None:
    damaged, note = LOSSES[case]
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    for audio in (path, damaged):
        (found,) = read_audio(audio).notes
        assert re.fullmatch(rf"{note}.*", found), found


def test_two_mp3_files_in_a_row_are_read_to_the_end() -> None:
    assert read_audio(MP3 + MP3).seconds == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("form", [f for f in soundfile.available_formats() if f not in ("RAW", "SD2")])
def test_every_format_is_read_without_a_note(form: str, tmp_path: Path) -> None:
    rate = 8000 if form == "WVE" else RATE
    path = tmp_path / f"sound.{form.lower()}"
    subtype = "ALAW" if form == "WVE" else "DPCM_16" if form == "XI" else None
    soundfile.write(path, SOUND, rate, format=form, subtype=subtype)
    sound = read_audio(path)
    assert sound.notes == ()
    assert len(sound.waveform) == pytest.approx(len(SOUND), abs=200)
    similar = np.corrcoef(sound.waveform[: len(SOUND)], SOUND[: len(sound.waveform)])[0, 1]
    assert similar > 0.99


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2**31 - 1])
def test_a_rate_outside_the_range_is_refused(rate: int, tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    soundfile.write(path, SOUND[:1000], rate)
    with pytest.raises(
        InputError, match=rf"odd.wav says {rate:,} samples per second: 1,000 to 1,000,000 are read; is it damaged"
    ):
        read_audio(path)


def test_a_clip_names_its_file(tmp_path: Path) -> None:
    bad = tmp_path / "dog" / "1.wav"
    bad.parent.mkdir()
    bad.write_bytes(b"no audio")
    with pytest.raises(InputError, match=f"^{bad} is not audio"):
        LabelledClip("dog/1.wav", "dog", "1", path=bad).read()
    with pytest.raises(InputError, match=r"^row 7: the bytes object is not audio"):
        LabelledClip("row 7", "dog", "1", audio=lambda: b"no audio").read()
    soundfile.write(bad, np.ones(1), 192_000)
    with pytest.raises(InputError, match=r"nothing is left of dog/1.wav"):
        LabelledClip("dog/1.wav", "dog", "1", path=bad).read().at(8000)


def test_a_header_that_leaves_sound_out_is_noted(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(64000) / 9), 16000, subtype="PCM_16")
    content = bytearray((tmp_path / "a.wav").read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = (4096).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    for audio in (tmp_path / "a.wav", bytes(content)):
        sound = read_audio(audio)
        assert len(sound.waveform) == 2048
        assert sound.notes[0].startswith("0.128 s could be read, as the header says: 123,948 of 128,044 bytes")


def test_a_tag_behind_flac_is_no_damage() -> None:
    expected = read_audio(FLAC)
    tagged = read_audio(FLAC + b"TAG" + bytes(125))
    assert not tagged.notes
    np.testing.assert_array_equal(tagged.waveform, expected.waveform)
