"""Where nothing is heard, nothing is explained: rounding noise over its own maximum once gave a full mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import zsxai
from tests.toys import BandToy, BlackBoxToy, ConvToy
from zsxai.calibration import NOTHING

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=16000).astype(np.float32)


@pytest.mark.parametrize(
    "explainer", ["gradcam", "gradcam++", "occlusion", "integrated-gradients", "smoothgrad", "saliency"]
)
@pytest.mark.parametrize("model", [ConvToy, BandToy])
def test_under_the_floor_of_the_model(explainer: str, model: Any) -> None:
    e = zsxai.explain(1e-8 * NOISE, "band 1", sample_rate=16000, model=model(), explainer=explainer)
    assert not e.mask.any()
    assert f"all of the recording is under the floor of {model.__name__}: it hears silence" in e.provenance.warnings
    assert e.verify(model()).ok


@pytest.mark.parametrize("explainer", ["lmac-zs", "gradcam", "occlusion"])
def test_the_bundled_model_hears_nothing_in_a_whisper(explainer: str) -> None:
    e = zsxai.explain(1e-6 * NOISE, "a dog barking", sample_rate=16000, explainer=explainer)
    assert not e.mask.any()
    assert any("under the floor of tiny" in note for note in e.provenance.warnings)


class Coarse(BlackBoxToy):
    """Hears one band, and answers in half precision; what it says of every clip is the same but for rounding."""

    def __init__(self, dtype: torch.dtype, noise: float) -> None:
        self.dtype, self.noise = dtype, noise

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        ragged = torch.stack([torch.sin(1e4 * w.sum() + torch.arange(4)) for w in waveforms])
        return (torch.tensor([3.0, 2.0, 1.0, 0.5]) + self.noise * ragged).to(self.dtype)


@pytest.mark.parametrize(("dtype", "noise"), [(torch.float16, 1e-3), (torch.bfloat16, 8e-3), (torch.float32, 5e-7)])
def test_rounding_of_a_black_box_is_no_evidence(dtype: torch.dtype, noise: float) -> None:
    e = zsxai.explain(NOISE, "a dog", sample_rate=16000, model=Coarse(dtype, noise), among=["rain"])
    assert not e.mask.any()
    assert e.provenance.calibration == NOTHING
    assert any("nothing changes the score by more than its rounding" in note for note in e.provenance.warnings)
    assert e.verify(Coarse(dtype, noise)).ok


def test_what_is_heard_is_still_explained() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 2500 * np.arange(16000) / 16000).astype(np.float32) + 1e-3 * NOISE
    for model, prompt in ((BandToy(), "band 2"), (ConvToy(), "a dog")):
        e = zsxai.explain(tone, prompt, sample_rate=16000, model=model, explainer="occlusion")
        assert e.provenance.calibration != NOTHING
        assert e.mask.max() == 1
