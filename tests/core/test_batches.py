"""Many clips at once: what each gets alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

import zsxai
from tests.toys import STRICT, BandToy, ConvToy
from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer
from zsxai.model import SpectralModel
from zsxai.recording import Recording
from zsxai.target import Contrast, Similarity

pytestmark = STRICT
TARGETS = (Similarity(prompt="dog"), Contrast(prompt="rain", against=("dog", "wind")))
BATCHED = [n for n in zsxai.list_explainers() if type(zsxai.load_explainer(n)).relevances is not Explainer.relevances]


def clips_of(model: SpectralModel, lengths: tuple[float, ...] = (1.0, 1.0, 0.4)) -> list[Clip]:
    rate, made = model.sample_rate, np.random.default_rng(0)
    return [
        Recording(model, (gain * made.normal(size=round(s * rate))).astype(np.float32)).clips[0]
        for gain, s in zip((0.01, 0.1, 0.3), lengths, strict=True)
    ]


@cache
def load(name: str) -> SpectralModel:
    found = ConvToy(fill="repeat") if name == "conv toy" else zsxai.load_model(name)
    assert isinstance(found, SpectralModel)
    return found


def test_these_share_a_forward() -> None:
    assert {"gradcam", "gradcam++", "saliency", "input-x-gradient", "lmac-zs"} <= set(BATCHED)


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("of", ["conv toy", "tiny"])
def test_together_as_alone(name: str, of: str) -> None:
    model = load(of)
    explainer = zsxai.load_explainer(name)
    if not explainer.fits(model):
        pytest.skip(f"no {name} for {of}")
    bound = [target.bind(model) for target in TARGETS]
    together, single = clips_of(model), clips_of(model)
    for found, clip, one in zip(explainer.relevances(together, bound), together, single, strict=True):
        wanted = explainer.relevance(one, bound)
        assert (found.grid.shape, found.on, found.copies) == (wanted.grid.shape, wanted.on, wanted.copies)
        span = float(wanted.values.abs().max())
        assert span > 0
        torch.testing.assert_close(found.values, wanted.values, rtol=0, atol=1e-5 * max(span, 1.0))
        torch.testing.assert_close(clip.embedding, one.embedding, rtol=0, atol=1e-5)


class Own(zsxai.load_explainer("gradcam").__class__):  # type: ignore[misc,name-defined]
    """Explains one clip in a way of its own."""

    def relevance(self, clip: Clip, targets: object) -> Relevance:
        return Relevance(torch.full((1, 1, 1), float(clip.samples)), clip.grid, "clip")


def test_what_explains_one_clip_otherwise_explains_many_so() -> None:
    assert Own.relevances is Explainer.relevances
    clips = clips_of(BandToy(), (1.0, 0.5, 0.4))
    assert [float(r.values) for r in Own().relevances(clips, [])] == [c.samples for c in clips]
