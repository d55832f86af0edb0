"""Damaged files of every format, and anything at all as audio: a sound, or one line; never another exception."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.encoders import FORMS, encode
from tests.fuzz.lengths import by_hand, long, quick
from tests.toys import STRICT
from zsxai.audio import read_audio
from zsxai.audio.sound import MAX_PEAK, MAX_RATE, MIN_RATE
from zsxai.errors import InputError
from zsxai.names import printable

resource = pytest.importorskip("resource", reason="peak memory is read as POSIX gives it")
# A callback that fails inside libsndfile is seen only so.
pytestmark = [*STRICT, pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")]
MEMORY = 512 * 2**20
"""Bytes by which the process may grow at its peak: files here are below 100 kB, whatever they claim."""
FILES_READ, ARGUMENTS = 2000, 1000


def written() -> Iterator[tuple[str, bytes]]:
    """``(ending, content)`` of a short sound in every format and coding that libsndfile writes."""
    time = np.arange(4000) / 8000
    sound = 0.5 * np.sin(2 * np.pi * 300 * time * (1 + time)) + 0.01 * np.random.default_rng(0).standard_normal(4000)
    for container in sorted(set(soundfile.available_formats()) - {"SD2"}):  # writes a second file where it stands
        for coding in sorted(soundfile.available_subtypes(container)):
            for channels in (1, 2):
                stream = io.BytesIO()
                try:
                    soundfile.write(stream, np.stack([sound] * channels, 1), 8000, format=container, subtype=coding)
                except soundfile.LibsndfileError:  # a rate or a number of channels that it cannot hold
                    continue
                yield container.lower(), stream.getvalue()


FILES = list(written())
SWEEP = (0.5 * np.sin(np.arange(4000) ** 2 / 4e4)).astype(np.float32)
OTHERS = [(ending, encode(ending, SWEEP[None], 8000)) for ending in FORMS if find_spec("av")]
"""Of what PyAV reads."""
ANY = st.integers(0, 2**31)
NUMBERS = st.sampled_from([0, 1, 2, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]) | st.integers(
    0, 255
)
LAYOUTS = st.sampled_from(["<B", "<H", ">H", "<I", ">I", "<Q", ">Q"])


@dataclass
class Damaged:
    ending: str
    data: bytes


@st.composite
def damaged(draw: Callable[..., Any]) -> Damaged:
    """A file with up to five changes, most of them near its beginning, where the header is."""
    ending, content = draw(st.sampled_from(FILES) | st.sampled_from(OTHERS or FILES))
    data = bytearray(content)
    for _ in range(draw(st.integers(0, 5))):
        size = max(1, len(data))
        at = draw(ANY) % (min(size, 100) if draw(st.booleans()) else size)
        length = draw(ANY) % draw(st.sampled_from([8, 64, size]))
        change = draw(st.sampled_from(["number", "flip", "cut", "drop", "repeat", "blank", "splice"]))
        if change == "number":
            layout = draw(LAYOUTS)
            packed = struct.pack(layout, draw(NUMBERS) % 2 ** (8 * struct.calcsize(layout)))
            data[at : at + len(packed)] = packed
        elif change == "flip":
            data[at : at + 1] = bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in data[at : at + 1])
        elif change == "cut":
            del data[at:]
        elif change == "drop":
            del data[at : at + length]
        elif change == "repeat":
            data[at:at] = data[at : at + length]
        elif change == "blank":
            data[at : at + length] = bytes(length)
        else:
            data[at:] = draw(st.sampled_from(FILES))[1][draw(ANY) % size :]
    return Damaged(ending, bytes(data))


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=200)
DTYPES = arrays.scalar_dtypes() | arrays.array_dtypes(max_size=2)
ARRAYS = arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9))
SOUNDS = arrays.arrays(
    arrays.floating_dtypes(sizes=(16, 32, 64)) | arrays.integer_dtypes(), arrays.array_shapes(max_dims=2, max_side=70)
)
TENSORS = st.builds(
    lambda samples, dtype: torch.from_numpy(samples.astype(np.float32)).to(dtype),
    arrays.arrays(np.float32, arrays.array_shapes(max_dims=2, max_side=70), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([torch.bfloat16, torch.float8_e5m2, torch.int16, torch.complex64, torch.bool, torch.float64]),
)
RATES = st.one_of(
    st.integers(MIN_RATE, MAX_RATE), st.sampled_from([8000.0, np.float64(8000), np.array(8000), torch.tensor(8e3)])
)
OBJECTS = (
    ARRAYS
    | VALUES
    | st.recursive(VALUES, lambda inner: st.lists(inner, max_size=5), max_leaves=20)
    | st.fixed_dictionaries({}, optional={"array": SOUNDS | VALUES, "sampling_rate": RATES | VALUES, "path": VALUES})
    | st.builds(io.BytesIO, st.binary(max_size=200))
    | st.builds(io.StringIO, st.text(max_size=20))
)


def mostly(good: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 2).flatmap(lambda drawn: good if drawn else odd)


RATE, AUDIO = mostly(RATES, VALUES), mostly(SOUNDS | TENSORS, OBJECTS)


def check(audio: object, sample_rate: Any = None) -> None:
    try:
        sound = read_audio(audio, sample_rate)
    except InputError as error:
        line = str(error)
        assert line.strip()
        assert line == printable(line)
        return
    assert sound.waveform.dtype == np.float32
    assert sound.waveform.ndim == 1
    assert 0 < np.abs(sound.waveform).max() <= MAX_PEAK
    assert MIN_RATE <= sound.sample_rate <= MAX_RATE
    assert all(note == printable(note) for note in sound.notes)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the test stands; nothing but its own file is in it afterwards, and memory stays bounded."""
    monkeypatch.chdir(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield tmp_path
    assert {path.stem for path in tmp_path.iterdir()} <= {"damaged"}
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


def read_damaged(folder: Path, file: Damaged, as_file: bool) -> None:
    path = folder / f"damaged.{file.ending}"
    if as_file:
        path.write_bytes(file.data)
    check(path if as_file else file.data)


@quick(FILES_READ)
@given(file=damaged(), as_file=st.booleans())
def test_damaged_files(folder: Path, file: Damaged, as_file: bool) -> None:
    read_damaged(folder, file, as_file)


@quick(ARGUMENTS)
@given(audio=AUDIO, rate=RATE)
def test_anything_as_audio(folder: Path, audio: object, rate: object) -> None:
    check(audio, rate)


@by_hand
@long(3 * FILES_READ)
@given(file=damaged(), as_file=st.booleans())
def test_many_damaged_files(folder: Path, file: Damaged, as_file: bool) -> None:
    read_damaged(folder, file, as_file)


@by_hand
@long(3 * ARGUMENTS)
@given(audio=AUDIO, rate=RATE)
def test_many_things_as_audio(folder: Path, audio: object, rate: object) -> None:
    check(audio, rate)
