"""What every explainer promises before every model, generated from the registries.

A model from an entry point that loads by its bare name comes in by itself; one that needs more is one line in
``MODELS``. Explainers come in by themselves; ``QUICK`` holds options that make a slow one quick.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zsxai
from tests.backends import tiny_hf_folder
from tests.toys import STRICT, BandToy, BlackBoxToy, ConvToy
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.model import SpectralModel, ZeroShotModel, evaluating

pytestmark = STRICT

MODELS: dict[str, Callable[[Path], object]] = {
    "conv toy": lambda _: ConvToy(),
    "black box toy": lambda _: BlackBoxToy(),
    "hf tiny": lambda folder: zsxai.load_model(f"hf:{tiny_hf_folder(folder)}"),
}
WITH_ARGUMENT = ("hf", "laion", "msclap-2022", "msclap-2023")
MODELS |= {n: lambda _, n=n: zsxai.load_model(n) for n in zsxai.list_models() if n not in WITH_ARGUMENT}  # type: ignore[misc]
QUICK: dict[str, dict[str, Any]] = {
    "integrated-gradients": {"n_steps": 3},
    "smoothgrad": {"n_samples": 3},
    "occlusion": {"seconds": 0.4, "bands": 2},
    "rolled": {"of": "quick-occlusion"},
    "foil": {"of": "quick-occlusion"},
}
PROMPTS = ["a dog barking", "rain"]
EXPLAINERS = zsxai.list_explainers()


@pytest.fixture(autouse=True, scope="module")
def quick_occlusion() -> Iterator[None]:
    """What the controls roll and ask."""
    zsxai.register_explainer("quick-occlusion", zsxai.load_explainer("occlusion", **QUICK["occlusion"]))
    yield
    zsxai.registry.EXPLAINERS.unregister("quick-occlusion")


@cache
def _loaded(name: str, folder: Path) -> ZeroShotModel | str:
    try:
        return zsxai.load_model(MODELS[name](folder))
    except InputError as error:
        return str(error)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ZeroShotModel:
    folder = tmp_path_factory.getbasetemp() / "conformance" / request.param.replace(" ", "-")
    found = _loaded(request.param, folder)
    if isinstance(found, str):
        assert request.param != "tiny", found
        pytest.skip(f"{request.param} takes more than its name: {found}")
    return found


@pytest.fixture(params=EXPLAINERS)
def explainer(request: pytest.FixtureRequest, model: ZeroShotModel) -> Explainer:
    found = zsxai.load_explainer(request.param, **QUICK.get(request.param, {}))
    if found.card.needs_gradients and not isinstance(model, SpectralModel):
        with pytest.raises(InputError, match="black box"):
            explain(model, found)
        pytest.skip("needs gradients, and says so")
    return found


def clip(model: ZeroShotModel, seconds: float = 0.8) -> np.ndarray:
    time = np.arange(round(seconds * model.sample_rate)) / model.sample_rate
    tone = 0.3 * np.sin(2 * np.pi * 440 * time) * (time > 0.3) + 0.1 * np.sin(2 * np.pi * 3000 * time) * (time < 0.3)
    return (tone + 0.01 * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)


def explain(model: ZeroShotModel, explainer: Explainer, prompt: Any = PROMPTS[0], **options: Any) -> Any:
    options = {"sample_rate": model.sample_rate, "model": model, "explainer": explainer, **options}
    return zsxai.explain(clip(model), prompt, **options)


_made: dict[tuple[int, Explainer], zsxai.Explanation] = {}


def plain(model: ZeroShotModel, explainer: Explainer) -> zsxai.Explanation:
    """The explanation without any options, made once."""
    if (id(model), explainer) not in _made:
        _made[id(model), explainer] = explain(model, explainer)
    return _made[id(model), explainer]


def close(one: zsxai.Explanation, other: zsxai.Explanation) -> None:
    """The same up to rounding, measured on what the map itself spans."""
    span = float(np.abs(one.relevance).max()) or 1.0
    np.testing.assert_allclose(one.relevance / span, other.relevance / span, atol=1e-3)
    np.testing.assert_allclose(one.mask, other.mask, atol=1e-3)
    for name in ("score", "score_in", "score_out", "score_heard", "similarity"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-5), name


# Models alone.


def test_embeddings_are_unit_rows_and_a_batch_is_its_single_clips(model: ZeroShotModel) -> None:
    rows = torch.from_numpy(np.stack([clip(model), clip(model)[::-1], 0.1 * clip(model)]))
    texts = [*PROMPTS, "a very long prompt with many more words than the others have"]
    with torch.no_grad():
        audio, text = model.embed_audio(rows), model.embed_text(texts)
        assert audio.shape == (3, text.shape[1])
        for whole in (audio, text):
            torch.testing.assert_close(whole.norm(dim=1), torch.ones(3), atol=1e-5, rtol=0)
        single = torch.cat([model.embed_audio(row[None]) for row in rows])
        torch.testing.assert_close(audio, single, atol=1e-5, rtol=0)
        torch.testing.assert_close(text, torch.cat([model.embed_text([t]) for t in texts]), atol=1e-5, rtol=0)
        assert torch.equal(audio, model.embed_audio(rows))
        assert torch.equal(text, model.embed_text(texts))


@pytest.mark.parametrize("samples", [1, 2, 480, 513, -1, 0])
def test_any_length_up_to_the_window(model: ZeroShotModel, samples: int) -> None:
    """-1: one sample less than the window; 0: the window itself."""
    window = model.audio_spec.window_samples or model.sample_rate
    count = samples if samples > 0 else window + samples
    with torch.no_grad():
        found = model.embed_audio(torch.from_numpy(np.resize(clip(model), count))[None])
    assert found.isfinite().all()


def test_the_gradient_reaches_the_waveform_and_the_taps_fit_their_places(model: ZeroShotModel) -> None:
    if not isinstance(model, SpectralModel):
        pytest.skip("a black box")
    with state_kept(model), evaluating(model):
        waveform = torch.from_numpy(clip(model))[None].requires_grad_()
        encoding = model.encode(model.features(waveform))
        first = encoding.embedding[0, : encoding.embedding.shape[1] // 2]
        (gradient,) = torch.autograd.grad(first.square().sum(), waveform)
    assert gradient.isfinite().all()
    assert (gradient != 0).float().mean() > 0.9
    assert [m.name for m in encoding.feature_maps] == list(model.taps)
    for m in encoding.feature_maps:
        assert m.values.shape[2:] == m.grid.shape
        assert (np.diff(m.grid.frequencies) > 0).all()
        assert (np.diff(m.grid.times) > 0).all()


# Every explainer before every model.


@pytest.mark.parametrize(("domain", "scale"), [("stft", "log"), ("mel", "gain")])
def test_maps_fit_seconds_and_hertz(model: ZeroShotModel, explainer: Explainer, domain: str, scale: str) -> None:
    if not isinstance(model, SpectralModel):
        domain = "stft"
    e = explain(model, explainer, domain=domain, scale=scale)
    assert e.mask.shape == e.relevance.shape == e.grid.shape == (len(e.frequencies), len(e.times))
    assert e.mask.dtype == e.relevance.dtype == e.audio.dtype == e.residue.dtype == np.float32
    assert np.isfinite(e.relevance).all()
    assert 0 <= e.mask.min() <= e.mask.max() <= 1
    assert e.relevance.any(), "nothing would pass most of what follows"
    assert any("the mask is empty" in w for w in e.provenance.warnings) == (not e.mask.any())
    assert not e.mask[~e.grid.in_band].any()
    assert e.times[0] == 0
    assert e.times[-1] == pytest.approx(0.8, abs=0.02)
    assert 0 <= e.frequencies[0] < e.frequencies[-1] <= model.sample_rate / 2
    assert e.mask_stft.shape == (e.front_end.n_bins, len(e.times))
    assert e.audio.shape == e.residue.shape == e.original.shape == clip(model).shape
    assert np.isfinite(e.audio).all()
    np.testing.assert_array_equal(e.original, clip(model))
    assert all(np.isfinite([e.score, e.score_in, e.score_out, e.score_heard, e.similarity]))
    assert e.mask_mean == pytest.approx(float(e.mask[e.grid.in_band].mean()))
    assert 0 <= e.kept_energy <= 1.0001
    assert e.provenance.explainer == explainer.name
    assert e.provenance.options["calibration"] == e.provenance.calibration == explainer.calibration
    if scale == "gain":
        np.testing.assert_allclose(e.audio + e.residue, e.original, atol=1e-5)


def test_seeds_batches_and_company_change_nothing(model: ZeroShotModel, explainer: Explainer) -> None:
    first, second = explain(model, explainer, PROMPTS)
    assert explain(model, explainer) == plain(model, explainer), "same seed, same result"
    close(first, plain(model, explainer))
    close(second, explain(model, explainer, PROMPTS[1], batch_size=1))
    if explainer.card.deterministic:
        other = explain(model, explainer, seed=1)
        np.testing.assert_allclose(other.mask, first.mask, atol=1e-3)
    else:
        assert not np.array_equal(explain(model, explainer, seed=1).relevance, first.relevance)


class Failing(zsxai.Similarity):
    """Fails in the forward, or only once somebody wants a gradient."""

    def value(self, cosines: Tensor, logit_scale: float | None) -> Tensor:
        if self.prompt == "fails":
            raise RuntimeError("mine")
        return _FailsBackward.apply(cosines[:, 0])


class _FailsBackward(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        raise RuntimeError("mine")


def snapshot(model: ZeroShotModel) -> dict[str, Any]:
    roots = [v for v in vars(model).values() if isinstance(v, nn.Module)]
    roots += list(getattr(model, "taps", {}).values())
    modules = [m for root in roots for m in root.modules()]
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "hooks": [len(getattr(m, h)) for m in modules for h in hooks],
        "modes": [m.training for m in modules],
        "wants": [p.requires_grad for r in roots for p in r.parameters()],
        "grads": [None if p.grad is None else float(p.grad.sum()) for r in roots for p in r.parameters()],
        "weights": [float(t.detach().double().sum()) for r in roots for t in (*r.parameters(), *r.buffers())],
        "attributes": sorted(vars(model)),
        "torch": torch.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "python": random.getstate(),
        "settings": (torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype(), np.geterr()),
    }


@contextmanager
def state_kept(model: ZeroShotModel) -> Iterator[None]:
    """Leave nothing behind, starting from a model in a mixed state: some modules train, some weights hold gradients."""
    roots = [v for v in vars(model).values() if isinstance(v, nn.Module)]
    modules = [m for root in roots for m in root.modules()]
    parameters = [p for root in roots for p in root.parameters()]
    modes, wants = [m.training for m in modules], [p.requires_grad for p in parameters]
    try:
        for i, m in enumerate(modules):
            m.training = i % 3 > 0
        for i, p in enumerate(parameters):
            p.requires_grad_(i % 2 == 0)
            p.grad = torch.ones_like(p) if i % 4 == 0 else None
        before = snapshot(model)
        yield
        assert snapshot(model) == before
    finally:
        for m, mode in zip(modules, modes, strict=True):
            m.training = mode
        for p, want in zip(parameters, wants, strict=True):
            p.grad = None
            p.requires_grad_(want)


def test_nothing_is_left_behind(model: ZeroShotModel, explainer: Explainer) -> None:
    expected = plain(model, explainer)
    audio = clip(model)
    audio.flags.writeable = False
    with state_kept(model):
        e = zsxai.explain(audio, PROMPTS[0], sample_rate=model.sample_rate, model=model, explainer=explainer)
    close(expected, e)
    np.testing.assert_array_equal(audio, clip(model))
    with state_kept(model), pytest.raises(RuntimeError, match="mine"):
        explain(model, explainer, Failing(prompt="fails"))
    if explainer.card.needs_gradients:
        with state_kept(model), pytest.raises(RuntimeError, match="mine"):
            explain(model, explainer, Failing(prompt="fails backward"))


def test_saved_and_loaded(model: ZeroShotModel, explainer: Explainer, tmp_path: Path) -> None:
    e = plain(model, explainer)
    again = zsxai.Explanation.load(e.save(tmp_path / "saved"))
    assert again == e
    for name in ("mask", "relevance", "original", "audio", "residue", "mask_stft"):
        assert getattr(again, name).tobytes() == getattr(e, name).tobytes(), name
    report = again.verify(model)
    assert report, str(report)


def test_blind_explainers_do_not_look_at_the_prompt() -> None:
    """And the others do: two prompts that ask for different bands."""
    model = BandToy()
    audio = clip(model)  # type: ignore[arg-type]
    for name in EXPLAINERS:
        found = zsxai.load_explainer(name, **QUICK.get(name, {}), **({"prompt": "band 3"} if name == "foil" else {}))
        one, other = zsxai.explain(audio, ["band 0", "band 2"], sample_rate=16000, model=model, explainer=found)
        blind = name in ("constant", "random", "loudness", "energy", "foil")
        assert np.array_equal(one.relevance, other.relevance) == blind, name
