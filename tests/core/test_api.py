"""explain, explain_many and classify as callers use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

import zsxai
from tests.toys import STRICT, BandToy, BlackBoxToy, ConvToy
from zsxai.conditions import evaluating
from zsxai.errors import InputError
from zsxai.model import SpectralModel, TextEncoding
from zsxai.registry import MODELS

pytestmark = STRICT


def noise(samples: int = 8000, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def explain(audio: Any = None, prompt: Any = "dog", **options: Any) -> Any:
    audio = noise() if audio is None else audio
    return zsxai.explain(audio, prompt, **{"sample_rate": 16000, "model": ConvToy(), **options})


# The lengths a stranger tries. The toy's window is 16,000 samples, its STFT window 512, its hop 160.
LENGTHS = {
    "one sample": 1,
    "10 ms": 160,
    "under the STFT window": 300,
    "the STFT window": 512,
    "no whole hop": 7999,
    "a sample under the window": 15999,
    "the window": 16000,
    "a sample over the window": 16001,
    "a tail over the window": 16481,
    "two and a half windows": 40000,
}


@pytest.mark.parametrize("fill", ["zero", "repeat", "repeat-pad", "box", "any length"])
@pytest.mark.parametrize("length", LENGTHS)
def test_any_length(length: str, fill: str) -> None:
    samples = LENGTHS[length]
    model: Any = BlackBoxToy() if fill == "box" else ConvToy(fill=fill) if " " not in fill else ConvToy(window=None)
    audio = noise(samples) + 0.01
    for explainer in ("occlusion", "gradcam") if fill != "box" else ("occlusion",):
        for options in ({}, {"domain": "mel", "scale": "gain"}) if fill != "box" else ({"scale": "gain"},):
            e = explain(audio, model=model, explainer=explainer, **options)
            assert e.original.shape == e.audio.shape == e.residue.shape == (samples,)
            assert e.mask.shape == (len(e.frequencies), len(e.times))
            assert np.isfinite(e.mask).all()
            assert np.isfinite([e.score, e.score_in, e.score_out, e.score_heard, e.kept_energy, e.mask_mean]).all()
            assert e.times[-1] <= e.seconds + 1e-9
            heard = 1.0 if (length, fill[0] in "rz") == ("a sample over the window", True) else e.seconds
            assert (e.windows[0].start, e.windows[-1].stop) == (0, pytest.approx(heard))
            if e.masking.scale == "gain":
                np.testing.assert_allclose(e.audio + e.residue, audio, atol=1e-5)
    windows = {"a tail over the window": 2, "two and a half windows": 4}.get(length, 1)
    assert len(e.windows) == {"box": {40000: 2}.get(samples, 1), "any length": 1}.get(fill, windows)


def test_audio_from_a_file_is_the_arrays_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "dog.wav"
    soundfile.write(path, noise(), 16000, subtype="FLOAT")
    before = path.read_bytes()
    e = zsxai.explain(path, "dog", model=ConvToy())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["dog.wav"]
    assert e.provenance.audio_name == "dog.wav"
    np.testing.assert_array_equal(e.mask, explain().mask)
    other_rate = zsxai.explain(noise(22050), "dog", sample_rate=44100, model=ConvToy())
    assert other_rate.sample_rate == 16000
    assert len(other_rate.original) == 8000
    assert other_rate.provenance.audio_sample_rate == 44100


def test_several_prompts_are_one_at_a_time() -> None:
    prompts = ["dog", "rain", zsxai.Contrast(prompt="bell", against=("rain",))]
    together = explain(noise(40000), prompts)
    assert isinstance(together, list)
    for prompt, e in zip(prompts, together, strict=True):
        alone = explain(noise(40000), prompt)
        assert e.target == alone.target
        np.testing.assert_allclose(e.mask, alone.mask, atol=1e-5)
        assert e.score_in == pytest.approx(alone.score_in, abs=1e-5)
    assert [type(e) for e in explain(prompt=("dog",))] == [zsxai.Explanation]


@pytest.mark.parametrize(
    ("explainer", "options", "forwards"),
    [("occlusion", {"seconds": 0.25, "bands": 2}, 1 + 4), ("gradcam", {}, 1), ("saliency", {}, 1 + 1)],
)
def test_several_prompts_share_the_audio_side(explainer: str, options: dict[str, float], forwards: int) -> None:
    class Counting(ConvToy):
        encoded = 0

        def encode(self, features: Any) -> Any:
            Counting.encoded += len(features.input)
            return super().encode(features)

    def count(prompts: list[str]) -> int:
        Counting.encoded = 0
        explain(prompt=prompts, model=Counting(), explainer=explainer, options=options)
        return Counting.encoded

    # The clip (what GradCAM makes of it), four patches (half a second, two bands) or log-mel; three versions a prompt
    # and two for its verdict.
    assert [count(["dog"]), count(["dog", "rain", "bell"])] == [forwards + 5, forwards + 15]


def test_text_is_embedded_in_eval_mode() -> None:
    class Dropping(ConvToy):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def encode_text(self, prompts: Any) -> TextEncoding:
            return TextEncoding(nn.functional.normalize(self.drop(super().encode_text(prompts).embedding), dim=1))

    model, expected = Dropping(), explain().score
    model.drop.train()
    state = torch.get_rng_state()
    assert explain(model=model).score == pytest.approx(expected, abs=1e-6)
    assert zsxai.classify(noise(), ["dog"], sample_rate=16000, model=model)[0].similarity == pytest.approx(expected)
    assert explain(model=model).verify(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.drop.training


def test_evaluating_restores_every_module_by_itself() -> None:
    model = ConvToy()
    model.norm.train()

    def fail() -> None:
        with evaluating(model):
            assert not model.norm.training
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert model.norm.training
    assert not model.first.training


def test_what_is_chosen_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain().provenance.explainer == "gradcam"
    assert explain(model=BlackBoxToy()).provenance.explainer == "occlusion"
    e = explain(explainer="integrated-gradients", options={"n_steps": 2}, seed=3, batch_size=2, template="a {}")
    assert e.provenance.options == {"calibration": e.provenance.calibration, "n_steps": 2}
    assert (e.provenance.seed, e.provenance.batch_size, e.provenance.template) == (3, 2, "a {}")
    assert (e.masking.domain, e.masking.scale) == ("stft", "log")
    zsxai.register_model("my-toy", ConvToy())
    try:
        named = explain(model="my-toy")
        assert named.provenance.model == "my-toy"
        assert named.verify()
    finally:
        MODELS.unregister("my-toy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": []}, "the list of prompts is empty"),
        ({"prompt": ["dog", None]}, "a prompt is a string, not NoneType"),
        ({"prompt": 3}, "a prompt is a string, not int"),
        ({"sample_rate": None}, "an array needs its sample rate"),
        ({"model": "no-such"}, "unknown model 'no-such'"),
        ({"model": 3}, "int is no zero-shot model"),
        ({"explainer": "no-such"}, "unknown explainer 'no-such'"),
        ({"explainer": 3}, "is no explainer"),
        ({"options": {"steps": 1}}, "unknown option 'steps'"),
        ({"options": {"calibration": "none"}}, "unknown calibration 'none'"),
        ({"options": {"tap": "third"}}, "no tap 'third': one of first, second"),
        ({"against": "rain"}, "against is a list of prompts"),
        ({"against": ["rain"], "among": ["bell"]}, "not both"),
        ({"template": "no place"}, "a template holds one {}"),
        ({"domain": "cqt"}, "domain is 'stft' or 'mel', not 'cqt'"),
        ({"domain": np.array([])}, "domain is 'stft' or 'mel', not array"),
        ({"scale": "db"}, "scale is 'log' or 'gain' or 'log1p', not 'db'"),
        ({"batch_size": 0}, "batch_size is a whole number from 1 to 1,024, not 0"),
        ({"audio": np.zeros(100)}, "silent"),
        ({"model": BlackBoxToy(), "explainer": "gradcam"}, "needs gradients and black-box-toy is a black box"),
        ({"model": BlackBoxToy(), "domain": "mel"}, "use domain='stft'"),
        ({"model": BlackBoxToy(), "explainer": "rolled", "options": {"of": "gradcam"}}, "black box, without gradients"),
    ],
)
def test_the_callers_mistakes_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        explain(**options)
    assert "\n" not in str(caught.value)


def test_probability_needs_a_scale() -> None:
    model = ConvToy()
    assert explain(among=["rain"], model=model).unit == "probability"
    model.logit_scale = None
    with pytest.raises(InputError, match="no logit scale"):
        explain(among=["rain"], model=model)
    target = zsxai.Probability(prompt="dog", among=("rain",), logit_scale=10.0)
    assert explain(prompt=target, model=model).score == pytest.approx(explain(among=["rain"]).score)


def test_explain_many_is_explain_one_by_one() -> None:
    prompts = ["dog", zsxai.Contrast(prompt="dog", against=("rain",)), "bell"]
    pairs = [({"array": noise(seed=s), "sampling_rate": 16000}, p) for s, p in enumerate(prompts)]
    model = ConvToy()
    made = zsxai.explain_many(iter(pairs), model=model, explainer="occlusion", seed=2, progress=False)
    for (audio, prompt), e in zip(pairs, made, strict=True):
        assert e == zsxai.explain(audio, prompt, model=model, explainer="occlusion", seed=2)
    arrays = list(zsxai.explain_many([(noise(), "dog")], model=model, sample_rate=16000))
    assert arrays[0] == explain(model=model)
    lazy = zsxai.explain_many(((noise(), p) for p in ("dog", "")), model=model, sample_rate=16000)
    assert next(lazy).prompt == "dog"
    with pytest.raises(InputError, match="empty"):
        next(lazy)
    with pytest.raises(InputError, match="an array needs its sample rate"):
        list(zsxai.explain_many([((16000, noise()), "dog")], model=model))
    assert list(zsxai.explain_many([], model=model)) == []


# classify


def tones(*hertz: float, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(round(16000 * seconds)) / 16000
    return np.concatenate([0.3 * np.sin(2 * np.pi * f * time) for f in hertz]).astype(np.float32)


LABELS = ["band 0", "band 1", "band 2", "band 3"]


@pytest.mark.parametrize(("hertz", "band"), [(400.0, 0), (1200.0, 1), (2500.0, 2), (5000.0, 3)])
def test_classify_hears_the_band(hertz: float, band: int) -> None:
    audio = tones(hertz) * np.hanning(16000).astype(np.float32) + 1e-3 * noise(16000)
    found = zsxai.classify(audio, LABELS, sample_rate=16000, model=BandToy())
    assert found[0].label == f"band {band}"
    assert {f.label for f in found} == set(LABELS)
    assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)
    cosines = np.array([f.similarity for f in found])
    by_hand = np.exp(10 * cosines) / np.exp(10 * cosines).sum()
    np.testing.assert_allclose([f.score for f in found], by_hand, rtol=1e-5)
    assert zsxai.classify(audio, LABELS, sample_rate=16000, model=BandToy(), top_k=2) == found[:2]
    assert len(zsxai.classify(audio, LABELS, sample_rate=16000, model=BandToy(), top_k=99)) == 4


def test_classify_and_explain_say_the_same() -> None:
    for pooling in ("mean", "max"):
        model = BandToy()
        model.audio_spec = model.audio_spec.model_copy(update={"pooling": pooling})
        audio = tones(400.0, 2500.0) + 1e-3 * noise(32000)
        found = zsxai.classify(audio, LABELS, sample_rate=16000, model=model, template="{}")
        for label, score, similarity in found:
            e = zsxai.explain(audio, label, sample_rate=16000, model=model, explainer="constant")
            assert similarity == pytest.approx(e.similarity, abs=1e-6)
            assert similarity == pytest.approx(getattr(np, pooling)([w.similarity for w in e.windows]), abs=1e-6)
            probability = explain(audio, label, model=model, among=LABELS, explainer="constant")
            assert len(probability.windows) == 3
            assert score == pytest.approx(probability.score, abs=1e-6)


def test_classify_without_a_scale_is_a_softmax_of_cosines() -> None:
    model = BandToy()
    model.logit_scale = None
    found = zsxai.classify(tones(400.0), LABELS, sample_rate=16000, model=model)
    cosines = np.array([f.similarity for f in found])
    np.testing.assert_allclose([f.score for f in found], np.exp(cosines) / np.exp(cosines).sum(), rtol=1e-5)


def test_labels_that_tie_keep_their_order() -> None:
    class Deaf(BlackBoxToy):
        def embed_text(self, prompts: Any) -> Tensor:
            return torch.ones(len(prompts), 4)

    found = zsxai.classify(noise(), ["c", "a", "b"], sample_rate=16000, model=Deaf())
    assert [f.label for f in found] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        ("dog", {}, "prompts is a list of prompts"),
        ([], {}, "classify takes a list of prompts"),
        (["dog", " "], {}, "the prompt is empty"),
        (["dog", 3], {}, "not int"),
        (["dog"], {"top_k": 0}, "top_k is a whole number, 1 or more, not 0"),
        (["dog"], {"template": "x"}, "a template holds one {}"),
        (["dog"], {"sample_rate": None}, "an array needs its sample rate"),
    ],
)
def test_classify_says_what_is_wrong(prompts: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        zsxai.classify(noise(), prompts, **{"sample_rate": 16000, "model": ConvToy(), **options})


def test_a_model_of_one_method_less() -> None:
    """What the base class gives: a subclass that says too little does not come into being."""
    with pytest.raises(TypeError, match="encode"):
        SpectralModel()  # type: ignore[abstract]
