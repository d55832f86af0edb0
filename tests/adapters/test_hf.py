"""The Hugging Face adapter against transformers' own pipeline."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

import zsxai
import zsxai.benchmarks.measure.parity as parity
from tests.backends import full_hf_model, tiny_hf_folder
from zsxai.adapters.hf import HuggingFaceClap, load
from zsxai.benchmarks.measure.libraries import hf
from zsxai.benchmarks.measure.libraries.tokens import PROMPTS
from zsxai.errors import InputError, first_line
from zsxai.hub import licence
from zsxai.model import FeatureMap

RATE, WINDOW = 48_000, 480_000
TAPS = {"stage1": (16, 256), "stage2": (8, 128), "stage3": (4, 64), "stage4": (2, 32), "norm": (2, 32)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hf_folder(tmp_path_factory.mktemp("hf") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> HuggingFaceClap:
    return load(str(folder))


@pytest.fixture(scope="module")
def reference(folder: Path) -> hf.Reference:
    return hf.Reference(folder)


@pytest.fixture
def clone(folder: Path, tmp_path: Path) -> Path:
    """A checkpoint of one's own, to spoil."""
    return Path(shutil.copytree(folder, tmp_path / "clone"))


def embed(model: HuggingFaceClap, waveform: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return model.embed_audio(torch.from_numpy(np.atleast_2d(waveform)))


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Equal up to rounding: where a copy of the weights lies in memory decides how torch vectorises."""
    return torch.allclose(one, other, atol=1e-6, rtol=0)


def noise(batch: int = 1, samples: int = WINDOW, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed)) * 0.1


def hooks_of(model: HuggingFaceClap) -> int:
    roots = [*model.modules(), *model.taps.values()]
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for root in roots for m in root.modules())


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


# Parity


@pytest.mark.parametrize("signal", list(parity.signals(RATE, 10)))
def test_audio_is_the_extractors_and_the_models(model: HuggingFaceClap, reference: hf.Reference, signal: str) -> None:
    waveform = parity.signals(RATE, 10)[signal]
    assert torch.allclose(embed(model, waveform)[0], reference.embed_audio(waveform), atol=1e-6, rtol=0)


def test_the_input_is_the_extractors_in_decibels(model: HuggingFaceClap, reference: hf.Reference) -> None:
    for name, waveform in parity.signals(RATE, 10).items():
        theirs = reference.extractor(waveform, sampling_rate=RATE, return_tensors="pt")["input_features"]
        ours = model.features(torch.from_numpy(waveform)[None]).input
        assert torch.allclose(ours, theirs, atol=1e-4, rtol=0), name


def test_signals_are_told_apart(model: HuggingFaceClap) -> None:
    """Parity of a model that says the same of everything would prove nothing."""
    # Stretches of one noise are rightly nearly alike.
    rows = torch.cat([embed(model, w) for w in parity.signals(RATE, 10).values() if len(w) == WINDOW])
    cosines = rows @ rows.T
    assert cosines.fill_diagonal_(0).max() < 0.999
    assert torch.allclose(rows.norm(dim=1), torch.ones(len(rows)), atol=1e-6)


def test_every_window_of_a_long_recording_is_its_crop(model: HuggingFaceClap, reference: hf.Reference) -> None:
    recording = noise(samples=25 * RATE)[0].numpy()
    for start in (0, WINDOW // 2, WINDOW, 2 * WINDOW):
        crop = recording[start : start + WINDOW]
        assert torch.allclose(embed(model, crop)[0], reference.embed_audio(crop), atol=1e-6, rtol=0)
    with pytest.raises(InputError, match="1200000 samples are more than the 480000"):
        embed(model, recording)


def test_text_is_the_tokenizers_and_the_models(model: HuggingFaceClap, reference: hf.Reference) -> None:
    assert torch.allclose(model.embed_text(PROMPTS), reference.embed_text(PROMPTS), atol=1e-5, rtol=0)


def test_logit_scale_is_the_models(model: HuggingFaceClap, reference: hf.Reference) -> None:
    assert model.logit_scale == pytest.approx(float(reference.model.logit_scale_a.detach().exp()))


@pytest.mark.parametrize(("padding", "fill"), [("repeatpad", "repeat-pad"), ("repeat", "repeat"), ("pad", "zero")])
@pytest.mark.parametrize("truncation", ["rand_trunc", "fusion"])
def test_paddings_and_fusion(tmp_path: Path, truncation: str, padding: str, fill: str) -> None:
    """Fusion: the same mel four times, ``is_longer`` False, on the HTK bank, as the extractor has short clips."""
    folder = tiny_hf_folder(tmp_path / "hf", truncation=truncation, padding=padding)
    model, reference = load(str(folder)), hf.Reference(folder)
    assert model.audio_spec.fill == fill
    bank = reference.extractor.mel_filters if truncation == "fusion" else reference.extractor.mel_filters_slaney
    assert torch.equal(model.front_end.bank, torch.from_numpy(bank.T))
    for samples in (70_000, 200_000, WINDOW):
        clip = noise(samples=samples)
        features = model.features(clip)
        theirs = reference.extractor(clip[0].numpy(), sampling_rate=RATE, return_tensors="pt")["input_features"]
        assert features.input.shape == theirs.shape == (1, 4 if truncation == "fusion" else 1, 1001, 64)
        assert torch.allclose(features.input, theirs, atol=1e-4, rtol=0)
        assert not features.extras["is_longer"].any()
        assert torch.allclose(embed(model, clip.numpy())[0], reference.embed_audio(clip[0].numpy()), atol=1e-6, rtol=0)
    assert parity.gradient_error(model, noise()[0].numpy(), directions=1) < 1e-4


def test_a_batch_is_its_single_clips(model: HuggingFaceClap) -> None:
    clips = noise(3, 200_000)
    assert torch.allclose(
        embed(model, clips.numpy()), torch.cat([embed(model, c.numpy()) for c in clips]), atol=1e-5, rtol=0
    )
    alone = torch.cat([model.embed_text([p]) for p in PROMPTS])
    assert torch.allclose(model.embed_text(PROMPTS), alone, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_the_full_configuration(folder: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    shutil.copytree(folder, full)
    full_hf_model().save_pretrained(full)
    model, reference = load(str(full)), hf.Reference(full)
    for name, waveform in parity.signals(RATE, 10).items():
        difference = (embed(model, waveform)[0] - reference.embed_audio(waveform)).abs().max()
        assert difference < 1e-4, name
    assert torch.allclose(model.embed_text(PROMPTS), reference.embed_text(PROMPTS), atol=1e-5, rtol=0)
    assert parity.gradient_error(model, noise()[0].numpy(), directions=1) < 1e-4
    maps = {m.name: tuple(m.values.shape[1:]) for m in model.encode(model.features(noise())).feature_maps}
    assert maps == {n: (min(96 * 2**i, 768), *shape) for i, (n, shape) in enumerate(TAPS.items())}


# Gradients


@pytest.mark.parametrize("signal", ["noise", "chirp", "noise 1 s"])
def test_gradient_on_the_waveform_is_central_differences(model: HuggingFaceClap, signal: str) -> None:
    assert parity.gradient_error(model, parity.signals(RATE, 10)[signal]) < 1e-4


def test_gradient_does_not_hang_on_memory_order(model: HuggingFaceClap) -> None:
    """torch's own batch norm gives wrong gradients for one of these two."""
    features = model.features(noise())
    target = torch.randn(32, generator=torch.Generator().manual_seed(0))
    gradients = []
    for order in (features.input.contiguous(), features.input.transpose(2, 3).contiguous().transpose(2, 3)):
        leaf = order.detach().requires_grad_()
        score = model.encode(replace(features, input=leaf)).embedding[0] @ target
        gradients.append(torch.autograd.grad(score, leaf)[0])
    assert torch.allclose(gradients[0], gradients[1], rtol=0, atol=1e-5 * float(gradients[0].abs().max()))


def test_gradient_reaches_every_sample(model: HuggingFaceClap) -> None:
    clip = noise(samples=100_000).requires_grad_()
    (gradient,) = torch.autograd.grad(model.embed_audio(clip)[0, 0], clip)
    assert gradient.isfinite().all()
    assert (gradient != 0).float().mean() > 0.999
    assert all(p.grad is None for p in model.model.parameters())


# Taps and their places


def test_maps_and_their_places(model: HuggingFaceClap) -> None:
    maps = model.encode(model.features(noise(2))).feature_maps
    assert [m.name for m in maps] == list(model.taps) == list(TAPS)
    for i, m in enumerate(maps):
        assert m.values.shape == (2, min(16 * 2**i, 128), *TAPS[m.name])
        assert m.grid.shape == TAPS[m.name]
        # All 1001 frames, stretched to 1024 columns, and all 64 bands.
        assert m.grid.time_edges[0] == pytest.approx(-0.005)
        assert m.grid.time_edges[-1] == pytest.approx(10.005)
        assert (np.diff(m.grid.frequencies) > 0).all()


@pytest.fixture(scope="module")
def local(reference: hf.Reference) -> HuggingFaceClap:
    """Random weights whose blocks speak softly, so that a token mostly tells of its own patch."""
    model = hf.random_model()
    with torch.no_grad():
        for layer in model.audio_model.audio_encoder.layers:
            for block in layer.blocks:
                block.attention.output.dense.weight.mul_(0.1)
                block.output.dense.weight.mul_(0.1)
    return HuggingFaceClap(model, reference.extractor, reference.tokenizer)


def most_moved(before: FeatureMap, after: FeatureMap) -> tuple[int, int]:
    """The cell that changed most, in the mean over the batch."""
    change = (after.values - before.values).square().sum(dim=1).mean(dim=0)
    row, column = divmod(int(change.argmax()), change.shape[1])
    return row, column


def test_the_declared_cell_moves_most_when_mel_is_disturbed(local: HuggingFaceClap) -> None:
    with torch.no_grad():
        mel = local.features(noise(4)).mel
        before = local.encode(local.features_from_mel(mel)).feature_maps
        frame_times = np.arange(1001) * 0.01
        for index, at in enumerate(before):
            rows, columns = at.grid.shape
            bands = 64 // rows
            for row in {0, rows // 2, rows - 1}:
                for column in {0, columns // 3, columns - 1}:
                    # The middle half of the cell, by the grid's own word, 6 dB louder.
                    left, right = at.grid.time_edges[column : column + 2]
                    inside = np.abs(frame_times - (left + right) / 2) <= max((right - left) / 4, 0.0051)
                    disturbed = mel.clone()
                    disturbed[:, row * bands : (row + 1) * bands, inside] *= 4.0
                    after = local.encode(local.features_from_mel(disturbed)).feature_maps[index]
                    assert most_moved(at, after) == (row, column), at.name


@pytest.mark.parametrize(("seconds", "hertz"), [(0.405, 400.0), (3.3, 6000.0), (6.0, 1650.0), (9.6, 9500.0)])
def test_the_declared_cell_moves_most_when_a_sound_is_added(
    local: HuggingFaceClap, seconds: float, hertz: float
) -> None:
    time = torch.arange(WINDOW) / RATE
    burst = torch.exp(-(((time - seconds) / 0.01) ** 2)) * torch.sin(2 * torch.pi * hertz * time) * 0.2
    with torch.no_grad():
        before, after = (local.encode(local.features(clip)).feature_maps for clip in (noise(4), noise(4) + burst))
    for old, new in zip(before, after, strict=True):
        assert most_moved(old, new) == old.grid.cell(seconds, hertz), old.name


def test_places_follow_the_configuration(reference: hf.Reference) -> None:
    """128 bands lie in two stretches of time instead of four."""
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor(
        feature_size=128, fft_window_size=2048, max_length_s=5, frequency_min=50, truncation="rand_trunc"
    )
    built = HuggingFaceClap(hf.random_model(num_mel_bins=128), extractor, reference.tokenizer)
    shapes = {m.name: (*m.values.shape[2:],) for m in built.encode(built.features(noise(1, 5 * RATE))).feature_maps}
    assert shapes == {"stage1": (32, 128), "stage2": (16, 64), "stage3": (8, 32), "stage4": (4, 16), "norm": (4, 16)}
    assert built._places[0].grid.time_edges[-1] == pytest.approx(5.005)


@pytest.mark.parametrize("tap", list(TAPS))
def test_captum_on_a_tap_is_gradcam_by_hand(model: HuggingFaceClap, tap: str) -> None:
    features = model.features(noise())
    text = model.embed_text(["a dog barking"])[0]

    def score(values: torch.Tensor) -> torch.Tensor:
        return model.encode(replace(features, input=values)).embedding @ text

    theirs = LayerGradCam(score, model.taps[tap]).attribute(features.input)
    leaf = features.input.detach().requires_grad_()
    encoding = model.encode(replace(features, input=leaf))
    values = next(m.values for m in encoding.feature_maps if m.name == tap)
    (gradient,) = torch.autograd.grad((encoding.embedding @ text).sum(), values)
    ours = (gradient.mean(dim=(2, 3), keepdim=True) * values).sum(dim=1, keepdim=True)
    assert theirs.shape == (1, 1, *TAPS[tap])
    assert theirs.abs().max() > 0
    assert torch.allclose(theirs, ours, rtol=1e-5, atol=1e-7 * float(ours.detach().abs().max()))
    assert hooks_of(model) == 0


def test_what_a_hook_on_a_tap_returns_is_what_the_model_goes_on_with(model: HuggingFaceClap) -> None:
    features = model.features(noise())
    before = model.encode(features).embedding
    for name, tap in model.taps.items():
        handle = tap.register_forward_hook(lambda _m, _a, out: torch.zeros_like(out))
        after = model.encode(features)
        handle.remove()
        assert not torch.allclose(before, after.embedding, atol=1e-3), name
        assert next(m for m in after.feature_maps if m.name == name).values.eq(0).all()
    assert torch.equal(before, model.encode(features).embedding)


# Nothing is left behind


def test_modes_hooks_and_statistics_come_back(folder: Path) -> None:
    model = load(str(folder))
    expected = embed(model, noise().numpy())
    model.model.train()
    model.model.text_model.eval()
    statistics = model.model.audio_model.audio_encoder.batch_norm.running_mean.clone()
    assert torch.equal(embed(model, noise().numpy()), expected)
    model.embed_text(["a dog"])

    def fail(_module: nn.Module, _args: object, _output: object) -> None:
        raise RuntimeError("mine")

    handle = model.taps["stage3"].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="mine"):
        embed(model, noise().numpy())
    handle.remove()
    assert hooks_of(model) == 0
    assert model.model.training
    assert model.model.audio_model.audio_encoder.batch_norm.training
    assert not model.model.text_model.training
    assert torch.equal(model.model.audio_model.audio_encoder.batch_norm.running_mean, statistics)


def test_no_global_rng(model: HuggingFaceClap) -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = embed(model, noise().numpy()), embed(model, noise().numpy())
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


def test_loading_is_silent_and_leaves_no_setting(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging as hf_logging

    hf_logging.set_verbosity_warning()
    filters, handlers = list(warnings.filters), list(logging.getLogger().handlers)
    model = load(str(folder))
    model.embed_text(["a dog"])
    embed(model, noise(samples=1000).numpy())
    assert capfd.readouterr() == ("", "")
    assert warnings.filters == filters
    assert logging.getLogger().handlers == handlers
    assert hf_logging.get_verbosity() == logging.WARNING
    if hasattr(hf_logging, "set_tqdm_hook"):
        assert hf_logging.set_tqdm_hook(None) is None


# Text


def test_token_states_and_mask(model: HuggingFaceClap) -> None:
    text = model.encode_text(["a dog", "the sound of rain falling on a tin roof"])
    assert text.tokens is not None
    assert text.token_mask is not None
    assert text.tokens.shape[:2] == text.token_mask.shape
    assert text.tokens.shape[2] == 32
    lengths = text.token_mask.sum(dim=1)
    assert lengths[0] < lengths[1] == text.tokens.shape[1]
    # Padding lies on the right: the mask never rises again.
    assert (text.token_mask.int().diff(dim=1) <= 0).all()


def test_padding_is_right_whatever_the_tokenizer_says(clone: Path, model: HuggingFaceClap) -> None:
    edit(clone / "tokenizer_config.json", padding_side="left")
    assert same(load(str(clone)).embed_text(PROMPTS), model.embed_text(PROMPTS))


def test_long_prompts_are_refused(model: HuggingFaceClap, capfd: pytest.CaptureFixture[str]) -> None:
    def words(count: int) -> str:
        return " ".join(["dog"] * count)

    # 80 positions, of which RoBERTa uses those after the padding token's: 78 with <s> and </s>.
    tokens_per_word = (len(model.tokenizer(words(20))["input_ids"]) - 2) / 20
    fits = int(76 / tokens_per_word)
    assert model.embed_text([words(fits)]).shape == (1, 32)
    with pytest.raises(InputError, match=r"the prompt 'dog dog .*' has \d+ tokens and hf:.* takes 78: shorten it"):
        model.embed_text(["a dog", words(fits + 10)])
    assert capfd.readouterr() == ("", "")
    with pytest.raises(InputError, match="no prompts"):
        model.embed_text([])


# Loading


def test_card(model: HuggingFaceClap, folder: Path, clone: Path) -> None:
    assert model.card.weights_sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert model.card.source == str(folder)
    assert model.card.licence == "unknown"
    (clone / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Mine\n")
    assert load(str(clone)).card.licence == "apache-2.0"


def test_from_built_objects(folder: Path, model: HuggingFaceClap, reference: hf.Reference) -> None:
    built = HuggingFaceClap(reference.model, reference.extractor, reference.tokenizer)
    assert same(embed(built, noise().numpy()), embed(model, noise().numpy()))
    again = HuggingFaceClap(hf.Reference(folder).model, reference.extractor, reference.tokenizer)
    other = HuggingFaceClap(hf.random_model(seed=1), reference.extractor, reference.tokenizer)
    assert built.card.weights_sha256 == again.card.weights_sha256 != other.card.weights_sha256


def test_sharded_weights(clone: Path, model: HuggingFaceClap) -> None:
    (clone / "model.safetensors").unlink()
    hf.random_model().save_pretrained(clone, max_shard_size="200KB")
    assert len(list(clone.glob("model-*.safetensors"))) > 1
    sharded = load(str(clone))
    assert same(embed(sharded, noise().numpy()), embed(model, noise().numpy()))
    assert sharded.card.weights_sha256 != model.card.weights_sha256


def test_another_tokenizer(clone: Path, folder: Path, model: HuggingFaceClap) -> None:
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
        (clone / file).unlink()
    with pytest.raises(InputError, match="has no tokenizer: give tokenizer="):
        load(str(clone))
    borrowed = load(str(clone), tokenizer=str(folder))
    assert same(borrowed.embed_text(["a dog"]), model.embed_text(["a dog"]))


def test_pickled_weights_are_read_as_tensors_only(clone: Path, model: HuggingFaceClap, tmp_path: Path) -> None:
    (clone / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"cannot load hf:.*there is no file .*pytorch_model\.bin"):
        load(str(clone))
    torch.save(hf.random_model().state_dict(), clone / "pytorch_model.bin")
    assert same(embed(load(str(clone)), noise().numpy()), embed(model, noise().numpy()))
    torch.save({**hf.random_model().state_dict(), "run": Touch(tmp_path / "touched")}, clone / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"names posix\.system.*refused"):
        load(str(clone))
    assert not (tmp_path / "touched").exists()


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


def test_missing_weights_are_an_error(clone: Path) -> None:
    from safetensors.torch import load_file, save_file

    whole = shutil.copy(clone / "model.safetensors", clone / "whole")
    state = load_file(whole)  # mapped into memory: the file that is written over must be another
    constants = [k for k in state if k.endswith(("position_ids", "relative_position_index"))]
    assert constants
    for key in constants:
        del state[key]
    save_file(state, clone / "model.safetensors", metadata={"format": "pt"})
    load(str(clone))  # constants are computed
    del state["audio_projection.linear1.weight"]
    save_file(state, clone / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        InputError, match=r"is no ClapModel: 1 weights missing, such as audio_projection\.linear1\.weight"
    ):
        load(str(clone))
    state |= load_file(whole) | {"mine": torch.ones(1)}
    save_file(state, clone / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="is no ClapModel: 1 weights unexpected, such as mine"):
        load(str(clone))


def test_broken_files_are_one_line(clone: Path) -> None:
    (clone / "model.safetensors").write_bytes(b"\x10" * 100)
    with pytest.raises(InputError, match=r"^cannot load hf:.*") as caught:
        load(str(clone))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["nonsense", *([] if torch.cuda.is_available() else ["cuda"])])
def test_devices_that_are_not_there_are_one_line(folder: Path, device: str) -> None:
    with pytest.raises(InputError, match="cannot load hf:") as caught:
        load(str(folder), device=device)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature_size": 32}, "has 32 mel bands and the model 64"),
        ({"max_length_s": 11}, "has 1101 frames and the model takes 1024"),
        ({"padding": "wrap"}, "'rand_trunc' and 'wrap', known are"),
        ({"truncation": "fusion"}, "set truncation to 'rand_trunc'"),
    ],
)
def test_extractors_that_do_not_fit(clone: Path, changes: dict[str, object], message: str) -> None:
    edit(clone / "preprocessor_config.json", **changes)
    with pytest.raises(InputError, match=message):
        load(str(clone))


def test_tokenizers_that_do_not_fit(model: HuggingFaceClap, reference: hf.Reference) -> None:
    class Foreign:
        pad_token_id = 0

        def __len__(self) -> int:
            return 30_522

    with pytest.raises(InputError, match="30522 tokens and the model 600"):
        HuggingFaceClap(reference.model, reference.extractor, Foreign())  # type: ignore[arg-type]
    Foreign.__len__ = lambda _self: 600  # type: ignore[method-assign]
    with pytest.raises(InputError, match="pads with token 0 and the model with 1"):
        HuggingFaceClap(reference.model, reference.extractor, Foreign())  # type: ignore[arg-type]


@pytest.mark.parametrize("argument", [None, "", "./nowhere", "/nowhere/at/all", "no//id", "a b"])
def test_what_is_no_checkpoint_is_one_line(argument: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError) as caught:
        load(argument)
    assert "\n" not in str(caught.value)


def test_the_hub_offline(folder: Path, tmp_path: Path, model: HuggingFaceClap, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown without a connection: one line. In the cache: loaded from there, nothing is asked for."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"cannot get 'laion/clap-htsat-unfused' from the Hugging Face hub .*folder"):
        load("laion/clap-htsat-unfused")
    revision = "0" * 40
    cached = tmp_path / "models--laion--clap-htsat-unfused"
    shutil.copytree(folder, cached / "snapshots" / revision)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(revision)
    for argument in ("laion/clap-htsat-unfused", f"laion/clap-htsat-unfused@{revision}"):
        loaded = load(argument)
        assert loaded.card.name == f"hf:{argument}"
        assert loaded.card.source == f"https://huggingface.co/laion/clap-htsat-unfused/tree/{revision}"
        assert same(loaded.embed_text(["a dog"]), model.embed_text(["a dog"]))


def test_import_changes_nothing_global() -> None:
    script = """
import logging, os, sys, warnings
import transformers, torch, huggingface_hub
from transformers import ClapModel, ClapFeatureExtractor, AutoTokenizer
from transformers.utils import logging as hf
state = lambda: (list(warnings.filters), dict(os.environ), hf.get_verbosity(), logging.root.level,
                 list(logging.root.handlers), torch.get_rng_state().sum().item(), list(sys.path))
before = state()
import zsxai.adapters.hf
assert state() == before
assert "torchvision" not in sys.modules and "torchaudio" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# What users' files hold


@pytest.mark.parametrize(
    ("readme", "found"),
    [
        (b"---\nlicense: mit\n---\nmod\xe8le", "unknown"),
        (b"---\nlicense: [mit,\n---\n", "unknown"),
        (b"---\n- mit\n---\n", "unknown"),
        (b"---\nlicense:\n---\n", "unknown"),
        (b"---\nlicense:\n- mit\n- apache-2.0\n---\n", "mit OR apache-2.0"),
    ],
)
def test_no_readme_keeps_a_model_from_loading(tmp_path: Path, readme: bytes, found: str) -> None:
    assert licence(tmp_path) == "unknown"
    (tmp_path / "README.md").write_bytes(readme)
    assert licence(tmp_path) == found


@pytest.mark.parametrize("saved", [[1, 2], torch.ones(3), 7, {"state_dict": {}}, {"epoch": 3}, {1: torch.ones(1)}])
def test_pickles_of_something_else_are_one_line(clone: Path, saved: object) -> None:
    (clone / "model.safetensors").unlink()
    torch.save(saved, clone / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin is no file of weights") as caught:
        load(str(clone))
    assert "\n" not in str(caught.value)


def test_a_pickle_of_nothing_lacks_all_weights(clone: Path) -> None:
    (clone / "model.safetensors").unlink()
    torch.save({}, clone / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"is no ClapModel: \d+ weights missing"):
        load(str(clone))


@pytest.mark.parametrize("key", ["max_length_s", "hop_length", "sampling_rate"])
@pytest.mark.parametrize("value", [0, -1, "ten"])
def test_extractors_without_a_size_are_one_line(clone: Path, key: str, value: object) -> None:
    edit(clone / "preprocessor_config.json", **{key: value})
    with pytest.raises(InputError, match=r"^(hf|cannot load hf):") as caught:
        load(str(clone))
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_are_told(clone: Path) -> None:
    config = json.loads((clone / "config.json").read_text())
    config["text_config"]["intermediate_size"] += 8
    edit(clone / "config.json", **config)
    with pytest.raises(InputError, match=r"cannot load hf:.*[^:]$") as caught:
        load(str(clone))
    assert "\n" not in str(caught.value)


def test_the_line_of_an_error_goes_on_after_a_colon() -> None:
    assert first_line(RuntimeError("\nErrors in X:\n\tsize mismatch\n\tanother")) == "Errors in X: size mismatch"
    assert first_line(RuntimeError("Only:")) == "Only:"
    assert first_line(OSError()) == "OSError"


@pytest.mark.parametrize("config", [None, {"model_type": "bert"}, [], {}])
def test_a_folder_of_something_else_is_told_before_its_tokenizer(tmp_path: Path, config: object) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="is no CLAP: ") as caught:
        load(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_models_in_another_precision(reference: hf.Reference, model: HuggingFaceClap, kind: torch.dtype) -> None:
    other = HuggingFaceClap(hf.random_model().to(kind), reference.extractor, reference.tokenizer)
    wanted = torch.float64 if kind == torch.float64 else torch.float32
    assert other.embed_text(["a dog"]).dtype == embed(other, noise().numpy()).dtype == wanted
    clip = noise()[0].numpy()
    for explainer in ("gradcam", "saliency"):
        ours, theirs = (
            zsxai.explain(clip, "a dog", sample_rate=RATE, model=m, explainer=explainer).relevance
            for m in (other, model)
        )
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95, explainer


def test_a_damaged_file_in_the_hubs_cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache keeps a large file under its hash, and a link to it under its name."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cached, revision = tmp_path / "models--somebody--clap", "0" * 40
    shutil.copytree(folder, cached / "snapshots" / revision)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(revision)
    (cached / "blobs").mkdir()
    weights = cached / "snapshots" / revision / "model.safetensors"
    stored = cached / "blobs" / hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.rename(stored)
    weights.symlink_to(stored)
    load("somebody/clap")
    content = bytearray(stored.read_bytes())
    content[-1] ^= 1
    stored.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors' is damaged: its SHA-256 is not the hub's"):
        load("somebody/clap")
