"""Every common form of audio in, checked mono float32 out; clear words for the rest."""

from __future__ import annotations

import array
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.toys import STRICT
from zsxai.audio import fingerprint, read_audio
from zsxai.errors import InputError

pytestmark = STRICT
MONO = (0.5 * np.sin(np.arange(800) / 7)).astype(np.float32)
STEREO = np.stack([MONO, 0.5 * MONO])
with torch.inference_mode():
    INFERENCE = torch.from_numpy(MONO) * 1
FORMS = {
    "array": MONO,
    "float64": MONO.astype(np.float64),
    "float16": MONO.astype(np.float16),
    "list": MONO.tolist(),
    "tensor": torch.from_numpy(MONO),
    "tensor with a gradient": torch.from_numpy(MONO).requires_grad_(),
    "one channel": MONO[None],
    "int16": (MONO * 32768).astype(np.int16),
    "int32": (MONO * 2.0**31).astype(np.int32),
    "uint8": (MONO * 128 + 128).round().astype(np.uint8),
    "reversed view": MONO[::-1][::-1],
    "two equal channels": np.stack([MONO, MONO]),
    "nothing masked": np.ma.masked_greater(MONO, 2),
    "array.array": array.array("f", MONO.tolist()),
    "memoryview": memoryview(MONO),
    "bfloat16": torch.from_numpy(MONO).bfloat16(),
    "float8": torch.from_numpy(MONO).to(torch.float8_e5m2),
    "sparse": torch.from_numpy(MONO).to_sparse(),
    "negative bit": torch.complex(torch.zeros(800), -torch.from_numpy(MONO)).conj().imag,
    "inference": INFERENCE,
    "list of tensors": [torch.from_numpy(MONO)] * 1,
}
EXACT = {"float16": 1e-3, "uint8": 1e-2, "int16": 1e-4, "bfloat16": 3e-3, "float8": 0.07}


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_an_array(name: str) -> None:
    given = FORMS[name]
    sound = read_audio(given, 16000)
    np.testing.assert_allclose(sound.waveform, MONO, atol=EXACT.get(name, 1e-7))
    assert sound.waveform.dtype == np.float32
    assert (sound.sample_rate, sound.name, sound.channels) == (16000, "array", 2 if name.startswith("two") else 1)
    assert sound.seconds == 0.05
    hugging_face = read_audio({"array": given, "sampling_rate": 16000, "path": "a/dog.wav"})
    np.testing.assert_array_equal(hugging_face.waveform, sound.waveform)
    assert hugging_face.name == "dog.wav"


def test_a_name_of_hugging_face_is_printable() -> None:
    given = {"array": np.zeros(100), "sampling_rate": 16000, "path": "a/\x1f.wav"}
    with pytest.raises(InputError, match=r"^\\x1f\.wav is silent"):
        read_audio(given)
    assert read_audio(given | {"array": MONO}).name == r"\x1f.wav"


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_files(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"dog.{ending}"
    soundfile.write(path, STEREO.T, 22050)
    before = path.read_bytes()
    tolerance = 0.05 if ending == "ogg" else 1e-4
    with path.open("rb") as opened:
        for form in (path, str(path), opened, io.BytesIO(before)):
            sound = read_audio(form)
            np.testing.assert_allclose(sound.waveform, 0.75 * MONO, atol=tolerance)
            assert (sound.sample_rate, sound.channels) == (22050, 2)
            assert sound.name == ("stream" if isinstance(form, io.BytesIO) else path.name)
            assert sound.notes == ()
    assert read_audio(path, 22050).sample_rate == 22050
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "rate", [16000, 16000.0, np.int32(16000), np.float64(16000), np.array(16000), torch.tensor(16e3)]
)
def test_forms_of_a_rate(rate: float) -> None:
    found = read_audio(MONO, rate).sample_rate
    assert found == 16000
    assert type(found) is int
    assert read_audio({"array": MONO, "sampling_rate": rate}, 16000).sample_rate == 16000


@pytest.mark.parametrize(
    ("samples", "note"),
    [
        (MONO, None),
        (MONO * 15, None),
        (MONO * 1e-4, None),
        ((MONO * 2**31).astype(np.int32), None),
        ((MONO * 32767).round(), "the peak of the samples is 16,383 where full scale is 1: are these 16-bit values? "),
        (MONO * 2**23, "are these 24-bit values? divide by 8388608"),
        (MONO * 2**31, "are these 32-bit values? divide by 2147483648"),
        (MONO * 1e11, "5e+10 where full scale is 1: scale them to [-1, 1]"),
        ((MONO * 32767).astype(np.int32), "the peak of the int32 samples is 16,383 of 2,147,483,647: are these 16-bit"),
        (MONO * 1e-6, "the sound is very quiet: its peak is 5e-07, -126 dB of full scale"),
    ],
)
def test_an_unlikely_level_is_noted(samples: np.ndarray, note: str | None) -> None:
    notes = read_audio(samples, 16000).notes
    assert bool(notes) == (note is not None)
    assert note is None or note in notes[0]


def test_channels_are_averaged_and_the_array_stays() -> None:
    before = STEREO.copy()
    sound = read_audio(STEREO, 16000)
    np.testing.assert_allclose(sound.waveform, 0.75 * MONO, rtol=1e-6)
    sound.waveform[:] = 0
    np.testing.assert_array_equal(STEREO, before)
    mono = MONO.copy()
    read_audio(mono, 16000).waveform[:] = 0
    np.testing.assert_array_equal(mono, MONO)


@pytest.mark.parametrize(("rate", "wanted"), [(16000, 48000), (44100, 16000), (8000, 44100), (16000, 16000)])
def test_resampling_keeps_the_tone_and_the_length(rate: int, wanted: int) -> None:
    time = np.arange(rate) / rate
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    there = read_audio(tone, rate).at(wanted)
    assert there.dtype == np.float32
    assert there.flags.c_contiguous
    assert len(there) == pytest.approx(wanted, abs=1)
    expected = np.sin(2 * np.pi * 440 * np.arange(len(there)) / wanted)
    np.testing.assert_allclose(there[1000:-1000], expected[1000:-1000], atol=1e-3)


def test_resampling_that_would_leave_nothing_or_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one = np.ones(1)
    there = read_audio(one, 8000).at(48000)
    assert there.any()
    assert np.isfinite(there).all()
    with pytest.raises(InputError, match="nothing is left of array at 8,000 samples per second: it has 1 samples"):
        read_audio(one, 192_000).at(8000)
    monkeypatch.setattr("zsxai.audio.sound.MAX_SAMPLES", 4000)
    assert len(read_audio(MONO, 8000).at(40_000)) == 4000
    with pytest.raises(InputError, match=r"array at 48,000 samples per second is longer than 4,000 samples"):
        read_audio(MONO, 8000).at(48_000)


def test_the_fingerprint_is_of_the_samples() -> None:
    assert fingerprint(MONO) == fingerprint(MONO.astype(np.float64)) == fingerprint(MONO[::-1][::-1])
    changed = MONO.copy()
    changed[3] += 1e-6
    assert fingerprint(changed) != fingerprint(MONO)


NAN, INF = MONO.copy(), MONO.copy()
NAN[5], INF[7] = np.nan, np.inf


@pytest.mark.parametrize(
    ("audio", "rate", "message"),
    [
        (MONO, None, "an array needs its sample rate"),
        (MONO, 0, "the sample rate is a positive whole number"),
        (MONO, -16000, "the sample rate is a positive whole number"),
        (MONO, 16000.5, "the sample rate is a positive whole number"),
        (MONO, True, "the sample rate is a positive whole number"),
        (MONO, "16000", "the sample rate is a positive whole number"),
        ({"array": MONO, "sampling_rate": None}, None, "the sample rate is a positive whole number, not None"),
        ({"array": MONO, "sampling_rate": "fast"}, None, "the sample rate is a positive whole number, not 'fast'"),
        ({"array": MONO}, None, "a mapping holds 'array' and 'sampling_rate'"),
        (NAN, 16000, "NaN or infinite"),
        (INF, 16000, "NaN or infinite"),
        (np.zeros(100), 16000, "silent"),
        (np.stack([MONO, -MONO]), 16000, "opposite channels cancel"),
        (np.zeros(0), 16000, "holds no samples"),
        (np.zeros((2, 0)), 16000, "holds no samples"),
        (np.full(9, 1e300), 16000, "too large for float32"),
        (STEREO.T, 16000, r"800 channels; transpose it to \(channels, T\)"),
        (np.zeros((1, 2, 3)), 16000, r"not \(1, 2, 3\)"),
        (np.float32(1.0), 16000, r"not \(\)"),
        (np.array(["a"]), 16000, "no array of numbers"),
        (MONO > 0, 16000, "no array of numbers"),
        (MONO + 1j, 16000, "no array of numbers"),
        ([[1.0], [1.0, 2.0]], 16000, "no array"),
        (None, 16000, "no array of numbers"),
        ("nowhere.wav", None, "no such file: nowhere.wav"),
        (io.BytesIO(b"text"), None, "the BytesIO is not audio that libsndfile reads"),
        (b"text", None, "the bytes object is not audio that libsndfile reads"),
        (MONO, 999, "the sample rate is 1,000 to 1,000,000 per second, not 999"),
        (MONO, 2**31 - 1, "the sample rate is 1,000 to 1,000,000 per second, not 2147483647"),
        (MONO, float("nan"), "positive whole number, not nan"),
        (MONO, torch.zeros(1, device="meta"), "positive whole number"),
        (
            {"array": MONO, "sampling_rate": 16000},
            8000,
            "the mapping says 16000 .* sample_rate says 8000: leave it out",
        ),
        (3, None, "audio of type int is no file and no array"),
        ((v for v in MONO), 16000, "audio of type generator is no file and no array"),
        (MONO * 1e16, 16000, r"too large for float32 power \(peak 5e\+15\)"),
        (np.ma.masked_greater(MONO, 0.4), 16000, "holds masked samples: fill or cut them"),
        ([np.ma.masked_greater(MONO, 0.4), MONO], 16000, "holds masked samples"),
        ((MONO * 32767).astype(np.int64), 16000, "int64 samples have no known full scale: give floats"),
        ((MONO * 32767).astype(int).tolist(), 16000, "int64 samples have no known full scale"),
        (np.ones(9, np.uint64), 16000, "uint64 samples have no known full scale"),
        (range(10**12), 16000, r"array is longer than 536,870,912 samples \(9.3 h\): cut it"),
        (np.broadcast_to(np.float32(1), (2**40,)), 16000, "array is longer than"),
        (torch.zeros(9, device="meta"), 16000, "a meta tensor holds no samples"),
        (torch.complex(torch.ones(9), torch.ones(9)), 16000, "no array of numbers"),
        (type("Bad", (), {"__array__": lambda self: 1 / 0})(), 16000, "no array of numbers: division by zero"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_what_is_no_audio_is_one_line(audio: object, rate: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_audio(audio, rate)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_files_that_are_no_audio(tmp_path: Path) -> None:
    text, empty, wav = tmp_path / "notes.wav", tmp_path / "empty.wav", tmp_path / "dog.wav"
    text.write_text("no audio at all")
    empty.write_bytes(b"")
    soundfile.write(wav, MONO, 16000)
    for path, rate, message in (
        (text, None, "notes.wav is not audio"),
        (empty, None, "empty.wav is not audio"),
        (tmp_path, None, "is a folder"),
        (wav, 8000, "dog.wav says 16000 samples per second, sample_rate says 8000: leave it out"),
    ):
        with pytest.raises(InputError, match=message):
            read_audio(path, rate)


def test_channels_that_nearly_cancel_are_noted() -> None:
    tone = 0.3 * np.sin(np.arange(16000) / 5).astype(np.float32)
    noise = 1e-4 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    [note] = read_audio(np.stack([tone, noise - tone]), 16000).notes
    assert note == "the channels nearly cancel in their mono mix: its peak is 63 dB under theirs; give one of them"
    assert not read_audio(np.stack([tone, 0.5 * tone]), 16000).notes
    assert not read_audio(np.stack([tone, 0 * tone]), 16000).notes


def test_a_zero_has_no_sign() -> None:
    samples = np.array([0.5, -0.0, 0.0, -0.5])
    assert fingerprint(read_audio(samples, 16000).waveform) == fingerprint(np.abs(samples) * [1, 1, 1, -1])
