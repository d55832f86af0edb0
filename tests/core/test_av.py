"""What libsndfile refuses and PyAV reads: the right samples in the right place, or one line that names the extra."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.encoders import FORMS, LOSSLESS, encode
from tests.toys import STRICT
from zsxai.audio import open_sound, read_audio
from zsxai.errors import InputError, MissingExtraError

pytest.importorskip("av")
pytestmark = STRICT
RATE = 48000
TIME = np.arange(2 * RATE + 777) / RATE
SWEEP = (0.3 * np.sin(2 * np.pi * 700 * TIME * (1 + TIME))).astype(np.float32)
STEREO = np.stack([SWEEP, 0.5 * SWEEP])
EXPECTED = 0.75 * SWEEP
LATE = {"aac": 1024, "ts": 1024, "flv": 1024, "wma": -2048}
"""Samples by which sound comes late where the form does not say how many its encoder put before it; FFmpeg's encoder
of WMA leaves out its first block."""


@pytest.mark.parametrize("ending", FORMS)
def test_the_sound_is_at_its_place(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"sweep.{ending}"
    path.write_bytes(encode(ending, STEREO, RATE))
    sound = read_audio(path)
    assert (sound.sample_rate, sound.channels, sound.name, sound.notes) == (RATE, 2, path.name, ())
    late = LATE.get(ending, 0)
    # Nothing says how far the last block was filled up.
    assert 0 <= len(sound.waveform) - late - len(EXPECTED) <= (0 if ending in LOSSLESS or ending == "webm" else 2048)
    heard, expected = sound.waveform[max(late, 0) :], EXPECTED[max(-late, 0) : 2 * RATE]
    if ending in LOSSLESS:
        np.testing.assert_allclose(heard[: len(expected)], expected, atol=2.0 ** (1 - LOSSLESS[ending]))
    else:
        assert np.corrcoef(heard[: len(expected)], expected)[0, 1] > 0.999


def test_forms_and_streams_of_a_video(tmp_path: Path) -> None:
    data = encode("mp4", STEREO, RATE, video=True)
    path = tmp_path / "film.mp4"
    path.write_bytes(data)
    whole = read_audio(data)
    assert np.corrcoef(whole.waveform[: len(EXPECTED)], EXPECTED)[0, 1] > 0.999
    with path.open("rb") as opened:
        np.testing.assert_array_equal(read_audio(opened).waveform, whole.waveform)
    with open_sound(path) as stream:
        assert stream.seconds == pytest.approx(len(EXPECTED) / RATE, abs=0.03)
        np.testing.assert_array_equal(np.concatenate(list(stream.blocks(32000, 5000))), whole.at(32000))


def test_a_rate_below_opus_own_is_opus_own() -> None:
    assert read_audio(encode("webm", SWEEP[None, :32000], 16000)).sample_rate == 48000
    with pytest.raises(InputError, match="says 48000 samples per second, sample_rate says 16000"):
        read_audio(encode("webm", SWEEP[None, :32000], 16000), 16000)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d[:100], r"nor does PyAV \(.+\); convert it to WAV or FLAC"),
        (lambda d: d[:40] + bytes(len(d) - 40), r"nor does PyAV \(.+\); convert it to WAV or FLAC"),
        (lambda d: encode("mkv", np.zeros((1, 9999), np.float32), RATE), "is silent"),
    ],
)
def test_damage_is_one_line(damage: object, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMS, "mkv", ("matroska", "pcm_s16le"))
    with pytest.raises(InputError, match=message) as caught:
        read_audio(damage(encode("webm", SWEEP[None], RATE)))  # type: ignore[operator]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("ending", "whole"), [("webm", "2.024"), ("mka", "2.112"), ("flv", "2.037")])
def test_sound_that_is_lost_is_noted(ending: str, whole: str) -> None:
    data = encode(ending, SWEEP[None], RATE)
    [note] = read_audio(data[: len(data) // 2]).notes
    assert re.fullmatch(rf"(0\.9|1)\.?\d* of {whole} s could be read: it is cut or damaged.*", note)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"\0\0\0\x20ftypM4A " + bytes(99), r"it looks like an MP4, M4A or QuickTime file, for which: pip install 'zs"),
        (
            b"\x1a\x45\xdf\xa3" + bytes(99),
            r"it looks like a WebM or Matroska file, for which: pip install 'zsxai\[av\]'$",
        ),
        (b"OggS" + bytes(99), r"it looks like an Ogg file, for which: pip install 'zsxai\[av\]'$"),
        (b"some text", r"is not audio that libsndfile reads \(.+\); convert it, for instance to WAV or FLAC$"),
        (b"#EXTM3U\nfile:///etc/passwd", r"reads \(.+\); convert it, for instance to WAV or FLAC$"),
    ],
)
def test_without_the_extra_a_line_names_it(head: bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=message) as caught:
        read_audio(head)
    assert isinstance(caught.value, MissingExtraError) == ("zsxai[av]" in message or "'zs" in message)
