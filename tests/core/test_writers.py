"""Sound files that are written block by block, read back by libsndfile."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.toys import STRICT
from zsxai.audio.flac import FlacWriter
from zsxai.audio.wav import WavWriter, read_wav, wav_bytes, wav_head
from zsxai.errors import InputError

pytestmark = STRICT
RATE = 16000
SOUND = np.random.default_rng(0).uniform(-2, 2, 10_007).astype(np.float32)


def write(path: Path, samples: int = len(SOUND)) -> None:
    with WavWriter(path, RATE, samples) as file:
        for at in range(0, len(SOUND), 1000):
            file.write(SOUND[at : at + 1000])


@pytest.fixture(params=["RIFF", "RF64"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "RF64":
        monkeypatch.setattr("zsxai.audio.wav.RF64_FROM", 50 + 4 * len(SOUND))
    write(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes()[:4] == request.param.encode()
    return tmp_path / "a.wav"


def test_blocks_are_the_bytes_of_the_whole(path: Path) -> None:
    assert path.read_bytes() == wav_bytes(SOUND, RATE)
    found, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    np.testing.assert_array_equal(found, SOUND)
    assert soundfile.info(path).format == {b"RIFF": "WAV", b"RF64": "RF64"}[path.read_bytes()[:4]]


@pytest.mark.parametrize("mapped", [False, True])
def test_our_own_are_read_strictly(path: Path, mapped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if mapped:
        monkeypatch.setattr("zsxai.arrays.LARGE", 4 * len(SOUND))
    samples, rate = read_wav(path)
    assert rate == RATE
    assert isinstance(samples, np.memmap) == mapped
    assert not samples.flags.writeable
    np.testing.assert_array_equal(samples, SOUND)
    content = path.read_bytes()
    head = len(content) - 4 * len(SOUND)
    changes = [content[:-1], content + b"\0", content[:-4], content + bytes(4), b"", content[:20], content[head:]]
    changes += [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(head)]
    for changed in changes:
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"^a.wav is not as zsxai writes it: mono, float32, whole$"):
            read_wav(path)


def test_nothing_is_a_sound_too(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav_bytes(SOUND[:0], RATE))
    assert not len(read_wav(tmp_path / "a.wav")[0])


@pytest.mark.parametrize("samples", [len(SOUND) - 1, len(SOUND) + 1])
def test_another_number_of_samples_is_refused(tmp_path: Path, samples: int) -> None:
    with pytest.raises(ValueError, match="missing"):
        write(tmp_path / "a.wav", samples)


def test_a_file_beyond_4_gib_says_how_long_it_is() -> None:
    most = (2**32 - 2 - 50) // 4
    assert wav_head(most, RATE)[:4] == b"RIFF"
    head = wav_head(most + 1, RATE)
    assert head[:16] == b"RF64\xff\xff\xff\xffWAVEds64"
    assert struct.unpack("<IQQQI", head[16:48]) == (28, 4 * (most + 1) + 86, 4 * (most + 1), most + 1, 0)


def test_flac_keeps_24_bits_and_counts_what_it_cuts(tmp_path: Path) -> None:
    with FlacWriter(tmp_path / "a.flac", RATE) as file:
        for at in range(0, len(SOUND), 1000):
            file.write(SOUND[at : at + 1000])
    found, rate = soundfile.read(tmp_path / "a.flac", dtype="float64")
    assert (rate, soundfile.info(tmp_path / "a.flac").subtype) == (RATE, "PCM_24")
    np.testing.assert_allclose(found, SOUND.clip(-1, 1 - 2.0**-23), rtol=0, atol=2.0**-24)
    assert file.cut == np.count_nonzero(np.abs(SOUND) > 1)
    with pytest.raises(InputError, match=r"FLAC cannot hold 700,000 samples per second \(.+\): WAV can"):
        FlacWriter(tmp_path / "b.flac", 700_000)
