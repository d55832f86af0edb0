"""Networks in bfloat16: what goes in and comes out of them stays float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zsxai
from tests.toys import BlackBoxToy, ConvToy
from zsxai.errors import InputError

NOISE = {"array": np.random.default_rng(0).normal(size=8000).astype(np.float32) / 10, "sampling_rate": 16000}


@pytest.fixture(scope="module")
def halved() -> zsxai.ZeroShotModel:
    return zsxai.load_model("tiny", dtype="bfloat16")


def test_what_is_cast_and_what_is_not(halved: zsxai.SpectralModel) -> None:
    assert halved.audio.stem.weight.dtype == halved.text.positions.weight.dtype == torch.bfloat16
    assert halved.front_end.bank.dtype == torch.float32
    features = halved.features(torch.from_numpy(NOISE["array"])[None])
    text = halved.encode_text(["rain"])
    assert features.input.dtype == halved.encode(features).embedding.dtype == text.embedding.dtype == torch.float32
    assert halved.rounding == torch.finfo(torch.bfloat16).eps


@pytest.mark.parametrize("explainer", ["lmac-zs", "gradcam", "occlusion"])
def test_explanations_are_near_those_in_float32(explainer: str) -> None:
    exact, coarse = (
        zsxai.explain(NOISE, "rain", explainer=explainer, dtype=dtype, verdict=False)
        for dtype in ("float32", torch.bfloat16)
    )
    assert (exact.provenance.dtype, coarse.provenance.dtype) == ("float32", "bfloat16")
    assert 0 < abs(exact.score - coarse.score) < 0.02
    assert coarse.mask.dtype == np.float32
    assert coarse.verify().ok


def test_a_classification_takes_it() -> None:
    [exact], [coarse] = (zsxai.classify(NOISE, ["rain"], dtype=dtype) for dtype in (None, "bfloat16"))
    assert 0 < abs(exact.similarity - coarse.similarity) < 0.02
    assert zsxai.timeline(NOISE, "rain", model=ConvToy()).provenance.dtype == "float32"


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="unknown dtype 'float16': did you mean 'bfloat16' or 'float32'"):
        zsxai.load_model("tiny", dtype="float16")
    with pytest.raises(InputError, match="ConvToy computes in float32: cast it, or leave dtype out"):
        zsxai.explain(NOISE, "rain", model=ConvToy(), dtype="bfloat16")
    zsxai.register_model("boxed", lambda argument, *, device: BlackBoxToy(), overwrite=True)
    with pytest.raises(InputError, match="black-box-toy is a black box and computes as it likes: leave dtype out"):
        zsxai.load_model("boxed", dtype="bfloat16")
    assert zsxai.load_model("boxed", dtype="float32").sample_rate == 16000
