"""A stream gives what reading whole gives, block by block, and never holds more than a block."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.toys import STRICT
from zsxai.audio import fingerprint, open_sound, read_audio
from zsxai.errors import InputError

pytestmark = STRICT
RATE = 44100
STEREO = np.random.default_rng(0).uniform(-0.5, 0.5, (100_003, 2)).astype(np.float32)


@pytest.fixture(params=["wav", "flac", "ogg", "mp3"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"noise.{request.param}"
    soundfile.write(path, STEREO, RATE)
    return path


@pytest.mark.parametrize("rate", [RATE, 32000, 48000, 8000])
def test_blocks_joined_are_the_sound(path: Path, rate: int) -> None:
    whole = read_audio(path)
    expected = whole.at(rate)
    for form in (path, path.read_bytes(), whole, {"array": whole.waveform, "sampling_rate": RATE}):
        with open_sound(form) as stream:
            assert (stream.sample_rate, stream.channels) == (RATE, 1 if isinstance(form, dict) else 2)
            assert stream.seconds == pytest.approx(whole.seconds, abs=0.06)
            blocks = list(stream.blocks(rate, 10_000))
        assert {len(block) for block in blocks[:-1]} == {10_000}
        assert 0 < len(blocks[-1]) <= 10_000
        np.testing.assert_allclose(np.concatenate(blocks), expected, atol=1e-5)
        assert stream.notes == whole.notes


@pytest.mark.parametrize("rate", [RATE, 32000])
def test_a_stream_is_read_whole(path: Path, rate: int) -> None:
    with open_sound(path) as stream:
        np.testing.assert_array_equal(stream.read(rate), read_audio(path).at(rate))


@pytest.mark.parametrize(("rate", "said"), [(RATE, "noise.wav is"), (8000, "noise.wav at 8,000 samples per second is")])
def test_only_reading_whole_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int, said: str) -> None:
    soundfile.write(tmp_path / "noise.wav", STEREO, RATE)
    monkeypatch.setattr("zsxai.audio.blocks.MAX_SAMPLES", 10_000)
    with open_sound(tmp_path / "noise.wav") as stream, pytest.raises(InputError, match=f"{said} longer than"):
        stream.read(rate)
    with open_sound(tmp_path / "noise.wav") as stream:
        assert sum(map(len, stream.blocks(rate, 999))) == round(len(STEREO) * rate / RATE)


@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_a_long_file_is_never_held(tmp_path: Path, form: str) -> None:
    path = tmp_path / "long"
    with soundfile.SoundFile(path, "w", RATE, 2, format=form, subtype="PCM_16") as file:
        for _ in range(100):
            file.write(STEREO)
    tracemalloc.start()
    try:
        with open_sound(path) as stream:
            count = sum(map(len, stream.blocks(32000, 32000)))
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()
    assert count == round(100 * len(STEREO) * 32000 / RATE)


def test_reading_whole_holds_the_sound_once(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.tile(STEREO[:, 0], 100), RATE, subtype="PCM_16")
    for rate in (RATE, 32000):
        tracemalloc.start()
        try:
            with open_sound(path) as stream:
                found = stream.read(rate)
            assert tracemalloc.get_traced_memory()[1] < found.nbytes + 4 * 2**20
        finally:
            tracemalloc.stop()


def wav(samples: np.ndarray, rate: int = 16000) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format="WAV", subtype="FLOAT")
    return stream.getvalue()


LATE = np.full(200_000, 0.1, np.float32)
LATE[-1] = np.nan


@pytest.mark.parametrize(
    ("audio", "rate", "message"),
    [
        (wav(LATE), 16000, "holds NaN or infinite samples"),
        (wav(np.r_[LATE[:-1], 1e15]), 16000, r"too large for float32 power \(peak 1e\+15\)"),
        (wav(np.zeros(9)), 16000, "is silent: every sample is 0"),
        (wav(np.stack([LATE[:-1], -LATE[:-1]], 1)), 16000, "opposite channels cancel"),
        (wav(np.zeros(0)), 16000, "holds no samples that libsndfile finds"),
        (wav(np.ones(1), 192_000), 8000, "nothing is left of stream at 8,000 samples per second: it has 1 samples"),
    ],
    ids=["nan", "loud", "silent", "cancelling", "empty", "nothing left"],
)
def test_what_is_wrong_shows_when_it_is_reached(audio: bytes, rate: int, message: str) -> None:
    with open_sound(audio) as stream, pytest.raises(InputError, match=message):
        for _ in stream.blocks(rate, 1000):
            pass


def test_notes_come_with_the_end() -> None:
    content = wav(1e-7 * LATE[:-1])
    with open_sound(content[: len(content) // 2]) as stream:
        assert not stream.notes
        blocks = list(stream.blocks(16000, 5000))
    assert [note.split(":")[0] for note in stream.notes] == [
        f"{sum(map(len, blocks)) / 16000:.3f} of 12.5 s could be read",
        "the sound is very quiet",
    ]


@pytest.mark.parametrize("audio", [wav(LATE[:-1]), LATE[:-1]], ids=["file", "array"])
def test_a_stream_is_read_once(audio: Any) -> None:
    with open_sound(audio, 16000) as stream:
        assert fingerprint(np.concatenate(list(stream.blocks(16000, 7)))) == fingerprint(LATE[:-1])
        with pytest.raises(InputError, match="is read once by a stream: open it again"):
            list(stream.blocks(16000, 7))
    with open_sound(audio, 16000) as stream, pytest.raises(InputError, match="a block has at least one sample, not 0"):
        list(stream.blocks(16000, 0))
