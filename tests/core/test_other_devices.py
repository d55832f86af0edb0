"""The whole path on a device other than the CPU: on a GPU where there is one, and on one that is made up anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike

import zsxai
from tests.backends import tiny_hf_folder
from tests.far import FAR, far_device
from zsxai.adapters.tiny.model import WEIGHTS, TinyClap
from zsxai.model import SpectralModel

pytestmark = pytest.mark.filterwarnings("ignore:The reduce argument")


def noise(seconds: float) -> dict[str, Any]:
    samples = np.random.default_rng(0).normal(size=int(16000 * seconds)).astype(np.float32)
    return {"array": samples / 10, "sampling_rate": 16000}


def explained(model: SpectralModel, explainer: str, seconds: float = 1.0, **options: Any) -> ArrayLike:
    given: dict[str, Any] = {"verdict": False, "dark_windows": False, **options}
    e = zsxai.explain(noise(seconds), "rain", model=model, explainer=explainer, **given)
    return [e.score, e.score_in, e.score_out, e.score_heard, e.mask_mean, e.kept_energy]


def of_many(model: SpectralModel) -> ArrayLike:
    made = zsxai.explain_many([noise(1), noise(2)], "rain", model=model, verdict=False)
    return [(e.score, e.score_in, e.mask_mean) for e in made]


def trained(model: SpectralModel) -> ArrayLike:
    pytest.importorskip("accelerate")
    from tests.decoders import config, sounds
    from zsxai.lmac_zs.training.trainer import Trainer

    losses: list[float] = []
    Trainer(model, sounds(), [], config(precision="float32")).run(lambda progress: losses.append(progress.loss))
    return losses[:1]


PATHS: dict[str, Callable[[SpectralModel], ArrayLike]] = {
    "lmac-zs+": partial(explained, explainer="lmac-zs+", options={"steps": 2}),
    "gradcam of windows": partial(explained, explainer="gradcam", seconds=7.0, domain="mel", scale="log1p"),
    "integrated gradients": partial(explained, explainer="integrated-gradients", options={"n_steps": 2}),
    "smoothgrad": partial(explained, explainer="smoothgrad", options={"n_samples": 2}),
    "occlusion": partial(explained, explainer="occlusion"),
    "explain_many": of_many,
    "timeline": lambda model: zsxai.timeline(noise(7), "rain", model=model).cosines,
    "verdict": partial(explained, explainer="gradcam", verdict="full", dark_windows=True),
    "classify": lambda model: [c.similarity for c in zsxai.classify(noise(1), ["rain", "wind"], model=model)],
    "training": trained,
}
TOLERANCE = {"meta": 2e-5, "cuda": 1e-3}
"""Of scores, parts of a whole and losses; on a GPU sums go in another order, and cells at an edge fall elsewhere."""


@cache
def on(device: torch.device) -> SpectralModel:
    return TinyClap.from_folder(WEIGHTS, device)


@pytest.fixture(
    params=[
        FAR,
        pytest.param(
            torch.device("cuda"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
        ),
    ],
    ids=lambda device: "made up" if device == FAR else "cuda",
)
def elsewhere(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    with far_device() if request.param == FAR else nullcontext():
        yield request.param


@pytest.mark.parametrize("path", PATHS)
def test_it_gives_what_the_cpu_gives(path: str, elsewhere: torch.device) -> None:
    np.testing.assert_allclose(
        PATHS[path](on(elsewhere)), PATHS[path](on(torch.device("cpu"))), atol=TOLERANCE[elsewhere.type]
    )


def test_hugging_face_too(tmp_path: Path, elsewhere: torch.device) -> None:
    pytest.importorskip("transformers")
    from zsxai.adapters.hf import HuggingFaceClap

    loaded = zsxai.load_model(f"hf:{tiny_hf_folder(tmp_path / 'clap')}", device="cpu")
    assert isinstance(loaded, HuggingFaceClap)
    expected = explained(loaded, "gradcam")
    extractor = loaded_extractor(tmp_path / "clap")
    moved = HuggingFaceClap(loaded.model.to(elsewhere), extractor, loaded.tokenizer, loaded.card)
    np.testing.assert_allclose(explained(moved, "gradcam"), expected, atol=TOLERANCE[elsewhere.type])


def loaded_extractor(folder: Path) -> Any:
    from transformers import ClapFeatureExtractor

    return ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)


def test_the_one_that_is_made_up_refuses_what_a_gpu_refuses() -> None:
    with far_device() as device:
        far = torch.arange(4.0).to(device)
        assert (far + 1).tolist() == [1, 2, 3, 4]
        assert far[torch.tensor([2])].tolist() == [2]
        for wrong in (
            lambda: far + torch.ones(4),
            lambda: far.numpy(),
            lambda: torch.ones(4)[far.long()],
            lambda: torch.rand(4, device=device, generator=torch.Generator()),
        ):
            with pytest.raises((RuntimeError, TypeError)):
                wrong()
