"""Masks optimised for one clip: better by the objective, each target by itself, and nothing of them left behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zsxai
from tests.decoders import noise, saved, toy
from tests.toys import STRICT, BandToy, ConvToy
from zsxai.errors import InputError
from zsxai.lmac_zs import refine
from zsxai.lmac_zs.bank import SAME, SOUNDS, bank_of
from zsxai.lmac_zs.refine import LMACZSPlus, MaskOptimisation
from zsxai.model import TextEncoding
from zsxai.plugins import load_explainer
from zsxai.recording import Recording
from zsxai.spectral import patch_grid
from zsxai.spectral.grid import interpolation
from zsxai.target import as_target
from zsxai.testing import check_explainer

pytestmark = STRICT

LABELS = ["a dog", "rain", "wind", "bells"]


def explain(model: Any, prompt: Any = "a dog", samples: int = 2000, **options: Any) -> Any:
    return zsxai.explain(noise(samples), prompt, sample_rate=16000, model=model, **options)


@pytest.fixture
def model(tmp_path: Path) -> ConvToy:
    made = toy()
    made.decoders = (saved(tmp_path / "decoder", made),)
    return made


def objective(model: ConvToy, mask: Any, samples: int, *, removed: float, size: float, **how: Any) -> float:
    """``-log p(M x) - removed log(1 - p((1 - M) x)) + size mean(M)``, through the library's other path."""
    clip = Recording(model, noise(samples), **how).clips[0]
    masks = torch.from_numpy(np.stack([mask, 1 - mask])).float()
    text = model.embed_text(LABELS)
    with torch.no_grad():
        inside, outside = torch.softmax(model.logit_scale * clip.embed_masked(masks) @ text.T, dim=1)[:, 0].tolist()
    mean = float(mask[clip.grid.in_band].mean())
    return -np.log(inside) - removed * np.log(1 - outside) + size * mean


@pytest.mark.parametrize(("domain", "scale"), [("stft", "log"), ("mel", "gain"), ("stft", "log1p")])
def test_mask_optimisation_improves_on_an_open_mask(domain: Any, scale: Any) -> None:
    model = toy()
    how = {"domain": domain, "scale": scale}
    start = explain(model, samples=4000, among=LABELS, explainer="constant", **how)
    opened = np.where(start.grid.in_band[:, None], 1 / (1 + np.exp(-2.0)), 0.0) * np.ones(start.grid.shape)
    weights = {"removed": 1.0, "size": 0.5}
    before = objective(model, opened, 4000, **weights, **how)
    losses = [before]
    for steps in (5, 20):
        found = explain(
            model, samples=4000, among=LABELS, explainer="mask-optimisation", options={"steps": steps}, **how
        )
        losses.append(objective(model, found.mask, 4000, **weights, **how))
    assert losses == sorted(losses, reverse=True), "the longer, the better"
    assert losses[2] < 0.98 * losses[0]


@pytest.mark.parametrize("prompt", LABELS)
def test_mask_optimisation_raises_the_probability(prompt: str) -> None:
    model = toy()
    clip = Recording(model, noise(4000)).clips[0]
    target = as_target(prompt, among=LABELS).bind(model)
    start = torch.full((1, *clip.grid.shape), 1 / (1 + np.exp(-2.0))) * torch.from_numpy(clip.grid.in_band)[:, None]
    with torch.no_grad():
        before = float(target(clip.embed_masked(start)))
    options = {"steps": 10, "removed": 0.0, "size": 0.0}
    found = explain(model, prompt, samples=4000, among=LABELS, explainer="mask-optimisation", options=options)
    assert found.score_in > before + 1e-3
    assert found.score_in > found.score


def test_its_weights_do_what_they_say() -> None:
    model = toy()

    def made(**options: float) -> Any:
        options = {"steps": 10, "removed": 0.0, "size": 0.0, **options}
        return explain(model, samples=4000, among=LABELS, explainer="mask-optimisation", options=options)

    plain = made()
    assert made(size=5.0).mask_mean < plain.mask_mean - 0.1
    assert made(removed=5.0).score_out < plain.score_out
    assert made(rate=0.001).mask_mean == pytest.approx(1 / (1 + np.exp(-2.0)), abs=0.01)


def test_no_steps_leave_the_decoders_mask(model: ConvToy) -> None:
    for options in ({}, {"domain": "mel"}, {"samples": 10000}, {"samples": 1200}, {"against": ["rain", "wind"]}):
        plain = explain(model, explainer="lmac-zs", **options)
        refined = explain(model, explainer="lmac-zs+", options={"steps": 0}, **options)
        # Windows share the decoder's forward in the one and not in the other.
        np.testing.assert_allclose(refined.relevance, plain.relevance, atol=1e-5)
        np.testing.assert_allclose(refined.mask, plain.mask, atol=1e-5)


def test_steps_improve_on_the_decoders_mask(model: ConvToy) -> None:
    weights = {"removed": 1.0, "size": 0.5}
    losses = []
    for steps in (0, 5, 12):
        found = explain(model, samples=4000, among=LABELS, explainer="lmac-zs+", options={"steps": steps})
        losses.append(objective(model, found.mask, 4000, **weights))
    assert losses == sorted(losses, reverse=True)
    assert losses[2] < losses[0] - 1e-3


@pytest.mark.parametrize("name", ["lmac-zs+", "mask-optimisation"])
def test_a_repeated_clip_is_given_what_was_optimised(
    model: ConvToy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    reached: list[float] = []
    loss_of = refine.Optimisation._loss

    def noted(*args: Any) -> torch.Tensor:
        reached.append(float(loss_of(*args).detach()))
        return loss_of(*args)

    monkeypatch.setattr(refine.Optimisation, "_loss", noted)
    how = {"samples": 4000, "among": LABELS, "explainer": name}
    explain(model, **how, options={"steps": 11, "size": 0.0})
    found = explain(model, **how, options={"steps": 10, "size": 0.0})
    assert objective(model, found.mask, 4000, removed=1.0, size=0.0) == pytest.approx(reached[10], abs=1e-4)
    assert reached[10] < reached[0] - 1e-3


def test_steps_change_patches(model: ConvToy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not single cells: the decoder's detail stays."""
    monkeypatch.setattr(refine, "PATCHES", (4, 3))
    clip = Recording(model, noise(4000)).clips[0]
    bound = [as_target("a dog", among=LABELS).bind(model)]
    (start,), grid = LMACZSPlus().decode([clip], bound)
    change = (LMACZSPlus(steps=5).relevance(clip, bound).values - start)[0].double().numpy()
    assert np.abs(change).max() > 0.1
    window = clip.window_grid
    patches = patch_grid(window, float(window.time_edges[-1]) / 4, 3)
    frequency, time = interpolation(patches, grid)
    within = frequency @ np.linalg.pinv(frequency) @ change @ np.linalg.pinv(time.T) @ time.T
    np.testing.assert_allclose(within, change, atol=1e-5)


@pytest.mark.parametrize("name", ["lmac-zs+", "mask-optimisation"])
def test_each_target_by_itself(model: ConvToy, name: str) -> None:
    options = {"steps": 3}
    prompts = ["a dog", "rain on a roof", "bells"]
    together = explain(model, prompts, explainer=name, options=options)
    for prompt, found in zip(prompts, together, strict=True):
        alone = explain(model, prompt, explainer=name, options=options)
        np.testing.assert_allclose(found.mask, alone.mask, atol=1e-3)
    narrow = explain(model, prompts, explainer=name, options=options, batch_size=1)
    for one, other in zip(together, narrow, strict=True):
        np.testing.assert_allclose(one.mask, other.mask, atol=1e-3)
    assert np.abs(together[0].mask - together[1].mask).max() > 0.05, "the prompt is read"
    assert explain(model, prompts, explainer=name, options=options) == together, "to the bit"


@pytest.mark.parametrize("name", ["lmac-zs+", "mask-optimisation"])
def test_the_kit_passes_it(model: ConvToy, name: str) -> None:
    check_explainer(load_explainer(name, steps=1), model).raise_if_failed()


@pytest.mark.parametrize("name", ["lmac-zs+", "mask-optimisation"])
@pytest.mark.parametrize(
    ("samples", "fill"), [(1, "repeat"), (300, "zero"), (1120, "repeat"), (1120, "repeat-pad"), (10000, "repeat")]
)
def test_any_length(tmp_path: Path, name: str, samples: int, fill: Any) -> None:
    model = toy(fill=fill)
    model.decoders = (saved(tmp_path / "d", model),)
    e = explain(model, samples=samples, explainer=name, options={"steps": 1})
    assert np.isfinite(e.relevance).all()
    assert e.relevance.all(axis=None), "no frame is without an answer"
    assert e.mask.shape == e.grid.shape


@pytest.mark.parametrize("name", ["lmac-zs+", "mask-optimisation"])
def test_the_model_is_left_as_it_was(model: ConvToy, name: str) -> None:
    for root in model.modules():
        root.requires_grad_(True)
    explain(model, explainer=name, options={"steps": 2})
    with torch.no_grad():
        without = explain(model, explainer=name, options={"steps": 2})
    assert all(p.grad is None and p.requires_grad for root in model.modules() for p in root.parameters())
    assert without == explain(model, explainer=name, options={"steps": 2}), "a caller's no_grad does no harm"


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("lmac-zs+", {"steps": -1}, "steps"),
        ("mask-optimisation", {"steps": 0}, "steps"),
        ("mask-optimisation", {"rate": 0}, "rate"),
        ("lmac-zs+", {"size": -0.1}, "size"),
        ("mask-optimisation", {"decoder": "x"}, "decoder"),
    ],
)
def test_options_that_are_wrong(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_explainer(name, **options)


# What a prompt is distinguished from.


def test_the_others_of_a_target_are_its_bank() -> None:
    model = toy()
    contrast = as_target("a dog", against=["rain", "wind"]).bind(model)
    assert torch.equal(bank_of(model, contrast), model.embed_text(["rain", "wind"]))
    among = as_target("rain", among=LABELS).bind(model)
    assert torch.equal(bank_of(model, among), model.embed_text(["a dog", "wind", "bells"]))


def test_everyday_sounds_where_there_are_none() -> None:
    model = toy()
    everyday = model.embed_text(list(SOUNDS))
    assert len(set(SOUNDS)) == len(SOUNDS) == 48
    for prompt, template in (("a dog barking", None), ("a violin", None), ("rain", "the sound of {}")):
        target = as_target(prompt).bind(model, template)
        words = everyday if template is None else model.embed_text([template.format(s) for s in SOUNDS])
        found = bank_of(model, target)
        assert torch.equal(found, words[words @ target.text[0] < SAME])
        assert (found @ target.text[0] < SAME).all()
    own = bank_of(model, as_target("a dog barking").bind(model))
    assert len(own) <= 47, "the prompt itself is not distinguished from itself"


def test_everything_means_the_same_to_a_model_that_knows_no_words() -> None:
    class Deaf(ConvToy):
        def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
            return super().encode_text(["one"] * len(prompts))

    e = explain(Deaf(window=0.25), explainer="mask-optimisation", options={"steps": 2})
    assert np.isfinite(e.relevance).all()


class Reading(ConvToy):
    """Its text tower has a weight."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.text = torch.nn.Linear(8, 8, bias=False).requires_grad_(False).eval()
        self.text.weight.copy_(torch.eye(8))

    def encode_text(self, prompts: Sequence[str]) -> TextEncoding:
        plain = super().encode_text(prompts)
        return TextEncoding(torch.nn.functional.normalize(self.text(plain.embedding), dim=1))


def test_the_bank_is_of_the_weights_as_they_are() -> None:
    """Sanity checks draw weights anew in place: prompts and bank must come from one text tower."""
    model = Reading(window=0.25)
    before = bank_of(model, as_target("a violin").bind(model))
    model.text.weight.copy_(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))
    target = as_target("a violin").bind(model)
    words = model.embed_text(list(SOUNDS))
    found = bank_of(model, target)
    assert torch.equal(found, words[words @ target.text[0] < SAME])
    assert found.shape != before.shape or not torch.equal(found, before)


def test_no_model_is_held_for_its_bank() -> None:
    """A model of half a gigabyte goes when its owner lets it go."""
    model = toy()
    explain(model, explainer="mask-optimisation", options={"steps": 1})
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_bands_are_found() -> None:
    """On a model whose answer is known: the mask keeps the band that is asked for, and lets the others go."""
    model = BandToy(window=0.25)
    mel = explain(
        model,
        "band 2",
        samples=4000,
        among=[f"band {k}" for k in range(4)],
        explainer="mask-optimisation",
        domain="mel",
        options={"steps": 30},
    )
    by_band = [float(mel.mask[8 * k : 8 * k + 8].mean()) for k in range(4)]
    assert by_band[2] > 0.15 + max(by_band[k] for k in (0, 1, 3)), by_band
    assert mel.score_in > mel.score


def test_the_decoder_is_not_asked_by_mask_optimisation(monkeypatch: pytest.MonkeyPatch) -> None:
    from zsxai.lmac_zs.decoder import Decoder

    def never(self: Any, maps: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(Decoder, "trunk", never)
    explain(toy(), explainer="mask-optimisation", options={"steps": 1})
    assert MaskOptimisation.argument is None
