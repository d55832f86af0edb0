"""The explainer ``lmac-zs``: a decoder found by name or beside its model, asked once per clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zsxai
from tests.decoders import constant_decoder, noise, random_decoder, saved, spec, toy, trained
from tests.toys import SPEC, STRICT, BandToy, BlackBoxToy, ConvToy
from zsxai.errors import InputError
from zsxai.lmac_zs.card import CARD, read_card
from zsxai.lmac_zs.checkpoint import WEIGHTS
from zsxai.lmac_zs.decoder import Decoder, DecoderSpec
from zsxai.lmac_zs.explainer import LMACZS, contrast_log_odds
from zsxai.lmac_zs.gradient import encode_with_evidence
from zsxai.lmac_zs.refine import LMACZSPlus, MaskOptimisation
from zsxai.model import Encoding, Features, TextEncoding
from zsxai.plugins import default_explainer, load_explainer
from zsxai.recording import Recording
from zsxai.testing import check_explainer

pytestmark = STRICT


def explain(model: Any, prompt: Any = "a dog barking", samples: int = 2000, **options: Any) -> Any:
    return zsxai.explain(noise(samples), prompt, sample_rate=16000, model=model, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path / "decoder", toy())


@pytest.fixture
def model(folder: Path) -> ConvToy:
    """Brings a decoder."""
    made = toy()
    made.decoders = (folder,)
    return made


def test_names_in_the_registry() -> None:
    assert {"lmac-zs", "lmac-zs+", "mask-optimisation"} <= set(zsxai.list_explainers())
    for name, kind in (("lmac-zs", LMACZS), ("lmac-zs+", LMACZSPlus), ("mask-optimisation", MaskOptimisation)):
        made = load_explainer(name)
        assert type(made) is kind
        assert made.name == name
        assert made.calibration == "steep-sigmoid"
        assert made.card.needs_gradients
        assert made.card.deterministic


def test_a_decoder_by_name(folder: Path) -> None:
    for name in ("lmac-zs", "lmac-zs+"):
        assert load_explainer(f"{name}:{folder}").decoder == str(folder)
        assert load_explainer(f"{name}:").decoder is None
        with pytest.raises(InputError, match=rf"'{name.replace('+', '.')}' is given decoder twice"):
            load_explainer(f"{name}:{folder}", decoder=str(folder))
    for name in ("mask-optimisation", "gradcam"):
        with pytest.raises(InputError, match=rf"the explainer '{name}' takes no argument: leave ':x' out"):
            load_explainer(f"{name}:x")
    named, told = (explain(toy(), explainer=e, options=o) for e, o in (
        (f"lmac-zs:{folder}", {}), ("lmac-zs", {"decoder": str(folder)}),
    ))  # fmt: skip
    assert named == told
    assert named.provenance.explainer == "lmac-zs"
    assert named.provenance.options["decoder"] == str(folder)


def test_the_mask_is_the_decoders(folder: Path) -> None:
    model, decoder = toy(), random_decoder()
    e = explain(model, samples=4000, explainer=f"lmac-zs:{folder}")
    text = model.encode_text(["a dog barking"])
    features = model.features(torch.from_numpy(noise(4000))[None])
    encoding, (gradient,) = encode_with_evidence(model, features, decoder.spec, [text.embedding])
    levels = decoder.trunk([m.values for m in encoding.feature_maps])
    log_odds = decoder.head(levels, text, gradient)
    wanted = encoding.feature_maps[0].grid.resample(log_odds.numpy(), e.grid)[0]
    np.testing.assert_allclose(e.relevance, wanted, atol=1e-4)
    band = e.grid.in_band
    np.testing.assert_allclose(e.mask[band], 1 / (1 + np.exp(-4 * wanted[band])), atol=4e-4)
    assert not e.mask[~band].any()
    assert e.mask[band].std() > 0.05, "the decoder says something"
    without = encoding.feature_maps[0].grid.resample(decoder.head(levels, text).numpy(), e.grid)[0]
    assert np.abs(without - wanted).max() > 1e-3, "the gradient is asked"


def reading(*maps: str) -> DecoderSpec:
    """Of a decoder that reads these maps."""
    return DecoderSpec(maps=maps, channels=(1,) * len(maps), widths=(4,) * len(maps), text_dim=1, conditioning="pooled")


@pytest.mark.parametrize("tap", ["first", "second"])
def test_the_gradient_is_gradcams(tap: str) -> None:
    """In units of the logit, and summed over the cells instead of their mean."""
    model = toy()
    clip = Recording(model, noise(4000)).clips[0]
    prompts = ["a dog", "rain"]
    groups = list(model.embed_text(prompts)[:, None])
    _, found = encode_with_evidence(model, clip.features, reading(tap), groups)
    for prompt, values in zip(prompts, found, strict=True):
        bound = zsxai.Similarity(prompt=prompt).bind(model)
        cam = load_explainer("gradcam", tap=tap).relevance(clip, [bound]).values[0]
        torch.testing.assert_close(values[0], model.logit_scale * cam.numel() * cam, atol=1e-4, rtol=1e-4)


def test_recordings_of_a_batch_have_their_own_gradients() -> None:
    model = toy()
    waves = torch.from_numpy(np.stack([noise(4000, seed=s) for s in range(3)]))
    text = model.embed_text(["a dog", "rain", "wind"])
    encoding, (together, turned) = encode_with_evidence(
        model, model.features(waves), reading("second"), [text, text.roll(1, dims=0)]
    )
    assert not encoding.embedding.requires_grad
    assert not any(m.values.requires_grad for m in encoding.feature_maps)
    torch.testing.assert_close(encoding.embedding, model.embed_audio(waves))
    for row in range(3):
        features = model.features(waves[[row]])
        _, (one, other) = encode_with_evidence(
            model, features, reading("second"), [text[[row]], text.roll(1, dims=0)[[row]]]
        )
        torch.testing.assert_close(together[[row]], one, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(turned[[row]], other, atol=1e-4, rtol=1e-4)
    assert (together - turned).abs().max() > 1e-3


def test_the_default_where_a_decoder_fits(model: ConvToy, folder: Path, tmp_path: Path) -> None:
    assert default_explainer(model) == "lmac-zs"
    found = explain(model)
    assert found.provenance.explainer == "lmac-zs"
    np.testing.assert_array_equal(found.mask, explain(toy(), explainer=f"lmac-zs:{folder}").mask)
    assert default_explainer(toy()) == "gradcam"
    other = toy()
    other.card = other.card.model_copy(update={"weights_sha256": "1" * 64})
    other.decoders = (folder,)
    assert default_explainer(other) == "gradcam"
    assert explain(other).provenance.explainer == "gradcam"
    unhashed = toy()
    unhashed.card = unhashed.card.model_copy(update={"weights_sha256": None})
    unhashed.decoders = (folder,)
    assert default_explainer(unhashed) == "gradcam"
    assert default_explainer(zsxai.load_model(BlackBoxToy())) == "occlusion"


def test_no_model_is_unusable_for_want_of_a_decoder(tmp_path: Path) -> None:
    """A folder that holds none, or is not there, brings no decoder; what is named and asked for is another matter."""
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "nowhere"):
        model = toy()
        model.decoders = (place,)
        assert default_explainer(model) == "gradcam"
        with pytest.raises(InputError, match="no decoder"):
            explain(model, explainer="lmac-zs")


def test_no_decoder(folder: Path) -> None:
    says = (
        "no decoder comes with ConvToy: train one with zsxai train lmac-zs and name it, "
        "explainer='lmac-zs:<folder or hub id>'"
    )
    for name in ("lmac-zs", "lmac-zs+"):
        with pytest.raises(InputError) as e:
            explain(toy(), explainer=name)
        assert str(e.value) == says
        with pytest.raises(InputError, match=r"no decoder at .*nowhere"):
            explain(toy(), explainer=f"{name}:{folder / 'nowhere'}")


def test_a_decoder_of_another_model_is_refused(folder: Path) -> None:
    other = toy()
    other.card = other.card.model_copy(update={"name": "other", "weights_sha256": "1" * 64})
    for name in ("lmac-zs", "lmac-zs+"):
        with pytest.raises(InputError, match=r"trained for ConvToy \(weights 0+\), not for other \(weights 1+\)"):
            explain(other, explainer=f"{name}:{folder}")


def test_black_boxes_are_refused(folder: Path) -> None:
    for name in (f"lmac-zs:{folder}", "lmac-zs", "lmac-zs+", "mask-optimisation"):
        with pytest.raises(InputError, match="needs gradients and black-box-toy is a black box"):
            explain(BlackBoxToy(), explainer=name)
    assert not LMACZS.fits(zsxai.load_model(BlackBoxToy()))
    assert LMACZS(decoder=str(folder)).weights(zsxai.load_model(BlackBoxToy())) == {}


def test_provenance_says_which_weights(model: ConvToy, folder: Path) -> None:
    sha = read_card(folder).weights_sha256
    assert len(sha) == 64
    for name in (f"lmac-zs:{folder}", "lmac-zs", "lmac-zs+"):
        options = {"steps": 1} if name == "lmac-zs+" else {}
        assert explain(model, explainer=name, options=options).provenance.explainer_weights == {"decoder of stft": sha}
    found = explain(model, explainer="mask-optimisation", options={"steps": 1})
    assert found.provenance.explainer_weights == {}
    assert explain(model, explainer="gradcam").provenance.explainer_weights == {}


@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_one_decoder_for_both_domains(domain: Any, tmp_path: Path) -> None:
    model = toy()
    saved(tmp_path / "one", model, random_decoder(seed=1), domain="both")
    found = explain(model, explainer=f"lmac-zs:{tmp_path / 'one'}", domain=domain)
    assert found.provenance.warnings == ()
    assert set(found.provenance.explainer_weights) == {"decoder of stft", "decoder of mel"}


@pytest.mark.parametrize(("domain", "scale"), [("mel", "log"), ("stft", "gain"), ("mel", "log1p")])
def test_masks_it_was_not_trained_for_are_noted(model: ConvToy, domain: Any, scale: Any) -> None:
    note = f"the decoder was trained for masks on stft (log); these lie on {domain} ({scale})"
    assert note in explain(model, domain=domain, scale=scale).provenance.warnings
    assert not [w for w in explain(model).provenance.warnings if "trained" in w]


def test_a_decoder_of_mel_is_read_on_hertz(tmp_path: Path) -> None:
    model = toy()
    model.decoders = (saved(tmp_path / "d", model, random_decoder(), domain="mel"),)
    found = explain(model, domain="stft")
    assert found.provenance.warnings == ()
    assert (found.masking.domain, list(found.provenance.explainer_weights)) == ("stft", ["decoder of mel"])


def test_another_calibration_than_trained_for_is_noted(model: ConvToy) -> None:
    found = explain(model, options={"calibration": "sigmoid"})
    assert "the decoder was trained for the calibration steep-sigmoid, not sigmoid" in found.provenance.warnings


def test_the_decoder_for_the_domain_is_taken(tmp_path: Path) -> None:
    model = toy()
    for place, domain, seed in (("a", "stft", 1), ("b", "mel", 2)):
        saved(tmp_path / "both" / place, model, random_decoder(seed=seed), domain=domain)
    both = f"lmac-zs:{tmp_path / 'both'}"
    hashes = {d: read_card(tmp_path / "both" / p).weights_sha256 for p, d in (("a", "stft"), ("b", "mel"))}
    for place, domain in (("a", "stft"), ("b", "mel")):
        found = explain(model, explainer=both, domain=domain)
        assert found.provenance.warnings == ()
        assert found.provenance.explainer_weights[f"decoder of {domain}"] == hashes[domain]
        one = explain(model, explainer=f"lmac-zs:{tmp_path / 'both' / place}", domain=domain)
        np.testing.assert_array_equal(found.mask, one.mask)
    model.decoders = (tmp_path / "both" / "a", tmp_path / "both" / "b")
    assert explain(model, domain="mel").provenance.warnings == ()
    np.testing.assert_array_equal(explain(model, domain="mel").mask, explain(model, explainer=both, domain="mel").mask)


def test_the_decoder_for_the_model_is_taken(tmp_path: Path) -> None:
    """One folder holds those of several models."""
    models = [toy(), toy()]
    models[1].card = models[1].card.model_copy(update={"weights_sha256": "1" * 64})
    folders = [saved(tmp_path / str(k), model, random_decoder(seed=k)) for k, model in enumerate(models)]
    for model, folder in zip(models, folders, strict=True):
        found = LMACZS(decoder=str(tmp_path)).weights(model)
        assert found == {"decoder of stft": read_card(folder).weights_sha256}
        assert explain(model, explainer=f"lmac-zs:{tmp_path}").provenance.explainer_weights == found
    stranger = toy()
    stranger.card = stranger.card.model_copy(update={"weights_sha256": "2" * 64})
    with pytest.raises(InputError, match="this decoder was trained for"):
        explain(stranger, explainer=f"lmac-zs:{tmp_path}")


def test_the_first_that_comes_with_a_model_counts(tmp_path: Path) -> None:
    model = toy()
    first, second = (saved(tmp_path / n, model, random_decoder(seed=s)) for n, s in (("a", 1), ("b", 2)))
    foreign = saved(tmp_path / "c", model, random_decoder(seed=3), model_sha256="1" * 64)
    model.decoders = (foreign, first, second)
    assert explain(model).provenance.explainer_weights == {"decoder of stft": read_card(first).weights_sha256}


def test_a_decoder_that_is_trained_again_is_read_again(model: ConvToy, folder: Path) -> None:
    """In a notebook: train, explain, train again into the same folder, explain."""
    before = explain(model)
    trained(model, random_decoder(seed=5)).save(folder, overwrite=True)
    after = explain(model)
    assert after.provenance.explainer_weights == {"decoder of stft": read_card(folder).weights_sha256}
    assert not np.array_equal(after.mask, before.mask)


def test_damage_is_said(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(InputError, match="is corrupt"):
        explain(toy(), explainer=f"lmac-zs:{folder}")
    (folder / CARD).unlink()
    with pytest.raises(InputError, match=r"card\.json is missing"):
        explain(toy(), explainer=f"lmac-zs:{folder.parent / 'decoder'}")


def test_saved_loaded_and_verified(model: ConvToy, tmp_path: Path) -> None:
    e = explain(model, "a dog", against=["rain"])
    again = zsxai.Explanation.load(e.save(tmp_path / "seen"))
    assert again == e
    report = again.verify(model)
    assert report.ok, report


def test_the_kit_passes_it(model: ConvToy) -> None:
    check_explainer(load_explainer("lmac-zs"), model).raise_if_failed()


def test_one_prompt_against_others() -> None:
    own, others = (
        torch.tensor([[2.0, 2.0, -1.0, -1.0]]),
        torch.tensor([[[-3.0, 1.0, -3.0, 2.0]], [[-9.0, 1.5, -9.0, 0.0]]]),
    )
    assert contrast_log_odds(own, others).tolist() == [[2.0, 0.5, -1.0, -3.0]]
    assert torch.equal(contrast_log_odds(own, others[:0]), own)


def test_a_contrast_keeps_what_is_the_prompts_and_no_others(model: ConvToy) -> None:
    prompts = ["a dog", "rain on a roof", "wind"]
    dog, rain, wind = explain(model, prompts)
    found = explain(model, "a dog", against=["rain on a roof", "wind"])
    others = np.maximum(rain.relevance, wind.relevance)
    # Compared cell by cell of the decoder and then resampled: between centres a minimum is no minimum.
    wanted = np.minimum(dog.relevance, dog.relevance - others)
    assert np.abs(found.relevance - wanted).mean() < 0.05 * np.abs(wanted).mean()
    band = found.grid.in_band
    assert (found.mask[band] <= dog.mask[band] + 1e-4).all()
    sure = np.abs(wanted) > 0.2 * np.abs(wanted).max()
    assert ((found.mask > 0.5) == (wanted > 0))[sure & band[:, None]].mean() > 0.99
    assert found.provenance.explainer == "lmac-zs"
    # Not against itself.
    assert explain(model, "a dog", against=["a dog", "wind"]).mask.max() <= 0.5 + 1e-4
    # A probability asks about its prompt alone.
    np.testing.assert_allclose(explain(model, "a dog", among=prompts).relevance, dog.relevance, atol=1e-4)


def test_a_template_is_around_what_is_asked(model: ConvToy) -> None:
    templated = explain(model, "a dog", template="the sound of {}")
    np.testing.assert_array_equal(templated.relevance, explain(model, "the sound of a dog").relevance)
    assert not np.array_equal(templated.relevance, explain(model, "a dog").relevance)


def test_many_prompts_are_asked_at_the_cost_of_one_trunk(model: ConvToy, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are decoded at once, targets of several prompts among them."""
    prompts: list[Any] = [f"sound {'very ' * (k % 4)}{k}" for k in range(20)]
    prompts[7] = zsxai.Contrast(prompt="sound 7", against=("rain", "wind in the trees"))
    singles = [explain(model, p).relevance for p in prompts]
    trunks, heads, encoded = [], [], []
    trunk, head, encode = Decoder.trunk, Decoder.head, ConvToy.encode

    def counting_trunk(self: Decoder, maps: Any) -> Any:
        trunks.append(maps[0].shape[0])
        return trunk(self, maps)

    def counting_head(self: Decoder, levels: Any, text: TextEncoding, *more: Any) -> Any:
        heads.append(len(text))
        return head(self, levels, text, *more)

    def counting_encode(self: ConvToy, features: Features) -> Encoding:
        encoded.append(features.input.shape[0])
        return encode(self, features)

    monkeypatch.setattr(Decoder, "trunk", counting_trunk)
    monkeypatch.setattr(Decoder, "head", counting_head)
    monkeypatch.setattr(ConvToy, "encode", counting_encode)
    clip = Recording(model, noise(2000)).clips[0]
    bound = [(p if isinstance(p, zsxai.Target) else zsxai.Similarity(prompt=p)).bind(model) for p in prompts]
    found = LMACZS().relevance(clip, bound)
    assert trunks == [1]
    assert encoded == [1]
    assert sum(heads) == 22
    assert max(heads) < 22, "not all at once: memory"
    together = clip.place(found)
    for row, single in enumerate(singles):
        np.testing.assert_allclose(together[row], single, atol=1e-4)


def test_every_window_is_asked(model: ConvToy, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trunks = []
    trunk = Decoder.trunk
    monkeypatch.setattr(Decoder, "trunk", lambda self, maps: trunks.append(len(maps[0])) or trunk(self, maps))
    e = explain(model, ["a dog", "rain"], samples=10000)
    assert len(e[0].windows) == sum(trunks) == 4
    # Where one window lies alone its map is the recording's.
    alone = zsxai.explain(noise(10000)[:4000], "a dog", sample_rate=16000, model=model)
    np.testing.assert_allclose(e[0].relevance[:, :12], alone.relevance[:, :12], atol=1e-4)
    assert e[0].provenance.warnings == ()


@pytest.mark.parametrize("fill", ["repeat", "zero", "repeat-pad"])
@pytest.mark.parametrize("samples", [1, 160, 300, 1120, 1999, 2000, 2080, 3999, 4000, 4001, 10000])
def test_a_decoder_that_says_one_thing_makes_a_constant_mask(tmp_path: Path, samples: int, fill: Any) -> None:
    """However the clip fills the window, and wherever its frames are cut: no frame is without an answer."""
    model = toy(fill=fill)
    model.decoders = (saved(tmp_path / "d", model, constant_decoder(1.5)),)
    for domain in ("stft", "mel") if samples == 1120 else ("stft",):
        e = explain(model, samples=samples, domain=domain)
        np.testing.assert_allclose(e.relevance[e.grid.in_band], 1.5, atol=1e-4)
        if samples > 1:  # one sample, repeated, is a constant, which no model hears
            np.testing.assert_allclose(e.mask[e.grid.in_band], 1 / (1 + np.exp(-4 * 1.5)), atol=1e-5)


def test_copies_of_a_short_clip_make_their_mean(folder: Path) -> None:
    """A mask is not twice as open because the clip is heard twice."""
    model = toy(window=0.2, fill="repeat")
    found = explain(model, samples=1600, explainer=f"lmac-zs:{folder}")
    clip = Recording(model, noise(1600)).clips[0]
    bound = [zsxai.Similarity(prompt="a dog barking").bind(model)]
    relevance = LMACZS(decoder=str(folder)).relevance(clip, bound)
    assert (relevance.on, relevance.copies) == ("window", "mean")
    filled = relevance.grid.resample(relevance.values.numpy(), clip.window_grid)[0]
    assert filled.shape[1] == 21
    np.testing.assert_allclose(found.relevance[:, 1:10], (filled[:, 1:10] + filled[:, 11:20]) / 2, atol=1e-4)
    assert np.abs(filled[:, 1:10] - filled[:, 11:20]).max() > 1e-3, "the copies are answered apart"


def test_two_calls_are_equal_to_the_bit(model: ConvToy) -> None:
    first = explain(model, seed=0)
    torch.manual_seed(3)
    assert explain(model, seed=0) == first
    np.testing.assert_array_equal(explain(model, seed=1).mask, first.mask)


def test_a_float64_front_end(folder: Path) -> None:
    plain = explain(toy(), explainer=f"lmac-zs:{folder}")
    fine = explain(
        toy(spec=SPEC.model_copy(update={"precision": "float64"})), explainer=f"lmac-zs:{folder}", domain="stft"
    )
    np.testing.assert_allclose(fine.mask, plain.mask, atol=1e-3)
    assert fine.mask.dtype == np.float32


def test_models_of_any_length(tmp_path: Path) -> None:
    model = toy(window=None)
    model.decoders = (saved(tmp_path / "d", model),)
    for samples in (300, 4000, 20000):
        e = explain(model, samples=samples)
        assert len(e.windows) == 1
        assert np.isfinite(e.relevance).all()
        assert e.mask[e.grid.in_band].std() > 0


def test_a_model_without_token_states(tmp_path: Path) -> None:
    model = BandToy(window=0.25)
    one = spec(maps=("bands",), channels=(4,), widths=(8,), text_dim=4, token_dim=None, conditioning="pooled")
    model.decoders = (saved(tmp_path / "d", model, random_decoder(one)),)
    low, high = explain(model, ["band 0", "band 3"])
    assert low.provenance.explainer == "lmac-zs"
    assert not np.array_equal(low.mask, high.mask)


def test_the_model_is_left_as_it_was(model: ConvToy) -> None:
    model.norm.train()
    for root in model.modules():
        root.requires_grad_(True)
    before = {k: v.clone() for k, v in model.norm.state_dict().items()}
    explain(model)
    assert model.norm.training
    assert all(torch.equal(v, before[k]) for k, v in model.norm.state_dict().items())
    assert all(p.requires_grad and p.grad is None for root in model.modules() for p in root.parameters())
