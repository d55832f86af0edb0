"""Memory that runs out halves the batch once and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zsxai
from tests.toys import BlackBoxToy, ConvToy
from zsxai.errors import InputError
from zsxai.memory import BatchSize, is_out_of_memory
from zsxai.model import Encoding, Features

NOISES = [
    {"array": np.random.default_rng(k).normal(size=16000).astype(np.float32) / 10, "sampling_rate": 16000}
    for k in range(3)
]
NOTE = "memory ran out with batch_size 8: 4 clips at a time were computed"


class Small(ConvToy):
    """Holds so many clips."""

    def __init__(self, most: int, error: type[Exception] = torch.cuda.OutOfMemoryError) -> None:
        super().__init__()
        self.most, self.error = most, error

    def encode(self, features: Features) -> Encoding:
        if len(features.input) > self.most:
            raise self.error("MPS backend out of memory (MPS allocated: 9 GB)")
        return super().encode(features)


ERRORS = [torch.cuda.OutOfMemoryError, RuntimeError, MemoryError]


@pytest.mark.parametrize("error", ERRORS)
def test_half_the_batch_gives_the_same(error: type[Exception]) -> None:
    expected = zsxai.explain(NOISES[0], ["rain", "wind"], model=ConvToy(), explainer="occlusion", verdict=False)
    found = zsxai.explain(NOISES[0], ["rain", "wind"], model=Small(4, error), explainer="occlusion", verdict=False)
    for e, of in zip(found, expected, strict=True):
        assert e.provenance.batch_size == 4
        assert NOTE in e.provenance.warnings
        np.testing.assert_allclose(e.relevance, of.relevance, atol=1e-5)
        assert NOTE not in of.provenance.warnings


def test_a_second_time_is_one_line() -> None:
    line = "memory ran out with batch_size 4, and before with 8 or more: give a smaller batch_size"
    with pytest.raises(InputError, match=line):
        zsxai.explain(NOISES[0], "rain", model=Small(3), explainer="occlusion")
    with pytest.raises(InputError, match="memory ran out with batch_size 1: use a smaller model, or device='cpu'"):
        zsxai.explain(NOISES[0], "rain", model=Small(0), explainer="occlusion", batch_size=1)


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError):
        zsxai.explain(NOISES[0], "rain", model=Small(4, KeyError), explainer="occlusion")


def test_many_recordings_halve_it_once_for_all() -> None:
    with pytest.warns(UserWarning, match=NOTE) as caught:
        made = list(zsxai.explain_many(NOISES, "rain", model=Small(4), explainer="occlusion", batch_size=8))
    assert [e.provenance.batch_size for e in made] == [4] * 3
    assert sum(NOTE in str(warning.message) for warning in caught) == 1


def test_a_long_recording_goes_on_from_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("stretch", "recording", "keeper"):
        monkeypatch.setattr(f"zsxai.{module}.SECONDS", 4.0)
    sound = {"array": np.tile(NOISES[0]["array"], 6), "sampling_rate": 16000}
    given: dict[str, Any] = {"explainer": "gradcam", "verdict": False, "dark_windows": False, "sounds": "none"}
    expected = zsxai.explain(sound, "rain", model=ConvToy(), out=tmp_path / "a", **given)
    found = zsxai.explain(sound, "rain", model=Small(4), out=tmp_path / "b", **given)
    assert found.provenance.batch_size == 4
    np.testing.assert_allclose(found.mask, expected.mask, atol=1e-5)


def test_a_timeline_halves_it_too() -> None:
    sound = {"array": np.tile(NOISES[0]["array"], 6), "sampling_rate": 16000}
    with pytest.warns(UserWarning, match=NOTE):
        found = zsxai.timeline(sound, "rain", model=Small(4))
    assert (found.provenance.batch_size, found.provenance.warnings[-1]) == (4, NOTE)
    np.testing.assert_allclose(found.cosines, zsxai.timeline(sound, "rain", model=ConvToy()).cosines, atol=1e-6)


def test_an_error_behind_another_counts() -> None:
    class Box(BlackBoxToy):
        def embed_audio(self, waveforms: torch.Tensor) -> torch.Tensor:
            if len(waveforms) > 4:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
            return super().embed_audio(waveforms)

    assert NOTE in zsxai.explain(NOISES[0], "band 1", model=Box()).provenance.warnings
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 do not fit"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))


@pytest.mark.parametrize("size", [0, 1025, 1.5, True])
def test_sizes_that_are_none(size: Any) -> None:
    with pytest.raises(InputError, match="batch_size is a whole number from 1 to 1,024"):
        BatchSize(size)
