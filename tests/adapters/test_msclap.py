"""The MS-CLAP adapters against msclap's own wrapper, for 2022 (Cnn14, BERT) and 2023 (HTS-AT, GPT-2)."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

import zsxai
import zsxai.benchmarks.measure.parity as parity
from zsxai.adapters.msclap import MicrosoftClap, load_2022, load_2023
from zsxai.benchmarks.measure.libraries import msclap as library
from zsxai.benchmarks.measure.libraries.tokens import PROMPTS
from zsxai.errors import InputError, MissingExtraError
from zsxai.model import FeatureMap
from zsxai.spectral import mel_grid
from zsxai.spectral.front_end import mel_points

RATE = 44_100
LOADERS: dict[str, Any] = {"2022": load_2022, "2023": load_2023}
SECONDS = {"2022": 5, "2023": 7}
FRAMES = {"2022": 690, "2023": 965}
TAPS = {
    "2022": {f"conv_block{n}": s for n, s in enumerate([(32, 345), (16, 172), (8, 86), (4, 43), (2, 21), (2, 21)], 1)},
    "2023": {"stage1": (16, 256), "stage2": (8, 128), "stage3": (4, 64), "stage4": (2, 32), "norm": (2, 32)},
}
# Cnn14 drops what its pools leave over: its maps end earlier than the window.
ENDS = {"conv_block1": 690, "conv_block2": 688, "conv_block3": 688, "conv_block4": 688} | {
    f"conv_block{n}": 672 for n in (5, 6)
}
SIGNALS = list(parity.signals(RATE, 5))

pytestmark = pytest.mark.legacy


def load(version: str, file: Path, **options: Any) -> MicrosoftClap:
    return LOADERS[version](str(file), **{"tokenizer": str(library.tokenizer_folder(file)), **options})


@pytest.fixture(scope="module", params=["2022", "2023"])
def version(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("msclap")
    return {
        "2022": library.random_checkpoint(folder / "2022.pth", "2022"),
        "2023": library.random_checkpoint(folder / "2023.pth", "2023"),
    }


@pytest.fixture(scope="module")
def file(files: dict[str, Path], version: str) -> Path:
    return files[version]


@pytest.fixture(scope="module")
def model(file: Path, version: str) -> MicrosoftClap:
    return load(version, file)


@pytest.fixture(scope="module")
def reference(file: Path, version: Any) -> library.Reference:
    return library.Reference(file, version)


@pytest.fixture(scope="module")
def saved(file: Path) -> dict[str, torch.Tensor]:
    return torch.load(file)["model"]


@pytest.fixture
def spoiled(file: Path, tmp_path: Path) -> Any:
    """Saves a state beside a tokenizer and gives the file."""

    def save(state: object) -> Path:
        shutil.copytree(library.tokenizer_folder(file), tmp_path / "spoiled.tokenizer")
        torch.save(state, tmp_path / "spoiled.pth")
        return tmp_path / "spoiled.pth"

    return save


def embed(model: MicrosoftClap, waveform: np.ndarray | torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.embed_audio(torch.atleast_2d(torch.as_tensor(waveform)))


def noise(model: MicrosoftClap, batch: int = 1, samples: int | None = None, seed: int = 0) -> torch.Tensor:
    samples = samples or model.audio_spec.window_samples
    return torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed)) * 0.1


def hooks_of(model: MicrosoftClap) -> int:
    roots = [*model.modules(), *model.taps.values()]
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for root in roots for m in root.modules())


# Parity


@pytest.mark.parametrize("signal", SIGNALS)
def test_audio_is_the_wrappers(model: MicrosoftClap, reference: library.Reference, version: str, signal: str) -> None:
    waveform = parity.signals(RATE, SECONDS[version])[signal][: SECONDS[version] * RATE]
    assert torch.allclose(embed(model, waveform)[0], reference.embed_audio(waveform), atol=1e-5, rtol=0)


def test_signals_are_told_apart(model: MicrosoftClap, version: str) -> None:
    clips = parity.signals(RATE, SECONDS[version]).values()
    rows = torch.cat([embed(model, clip) for clip in clips if len(clip) == model.audio_spec.window_samples][:5])
    assert (rows @ rows.T).fill_diagonal_(0).max() < 0.99
    assert torch.allclose(rows.norm(dim=1), torch.ones(5), atol=1e-6)


def test_the_log_mel_is_the_librarys(model: MicrosoftClap, version: str) -> None:
    core = model._core
    for name, waveform in parity.signals(RATE, SECONDS[version]).items():
        clip = torch.from_numpy(waveform)[None, : model.audio_spec.window_samples]
        features = model.features(clip)
        assert features.input.shape == (1, 1, FRAMES[version], 64)
        filled = clip.repeat(1, 8)[:, : model.audio_spec.window_samples]
        theirs = core.logmel_extractor(core.spectrogram_extractor(filled))
        # The quieter the bands beside a tone, the more their float32 differs from our float64.
        tolerance = {"tone 1 kHz": 0.2, "chirp": 1e-2}.get(name, 1e-3)
        assert (features.input - theirs).abs().max() < tolerance, name
        assert (features.input - theirs).abs().mean() < 1e-2, name


def test_text_is_the_wrappers(model: MicrosoftClap, reference: library.Reference) -> None:
    ours = model.embed_text(PROMPTS)
    assert torch.allclose(ours, reference.embed_text(PROMPTS), atol=1e-5, rtol=0)
    assert (ours @ ours.T).fill_diagonal_(0).max() < 0.999


def test_logit_scale_is_the_models(model: MicrosoftClap, saved: dict[str, torch.Tensor]) -> None:
    assert model.logit_scale == pytest.approx(float(saved["logit_scale"].exp()))


def test_a_batch_is_its_single_items(model: MicrosoftClap) -> None:
    clips = noise(model, 3, 100_000)
    assert torch.allclose(embed(model, clips), torch.cat([embed(model, c) for c in clips]), atol=1e-5, rtol=0)
    alone = torch.cat([model.embed_text([prompt]) for prompt in PROMPTS])
    assert torch.allclose(model.embed_text(PROMPTS), alone, atol=1e-5, rtol=0)


def test_a_clip_longer_than_the_window_is_refused_and_explained_in_windows(model: MicrosoftClap) -> None:
    recording = noise(model, samples=12 * RATE)[0].numpy()
    with pytest.raises(InputError, match="529200 samples are more than"):
        embed(model, recording)
    explanation = zsxai.explain(recording, "rain", sample_rate=RATE, model=model, explainer="gradcam")
    assert len(explanation.windows) > 1
    assert explanation.mask.shape[1] == 12 * RATE // 320 + 1


@pytest.mark.slow
def test_the_published_sizes(tmp_path: Path, version: Any) -> None:
    file = library.random_checkpoint(tmp_path / "full.pth", version, "full")
    model, reference = load(version, file), library.Reference(file, version, "full")
    for name, waveform in parity.signals(RATE, SECONDS[version]).items():
        clip = waveform[: SECONDS[version] * RATE]
        assert (embed(model, clip)[0] - reference.embed_audio(clip)).abs().max() < 1e-5, name
    assert torch.allclose(model.embed_text(PROMPTS), reference.embed_text(PROMPTS), atol=1e-5, rtol=0)
    assert parity.gradient_error(model, noise(model)[0].numpy(), directions=1) < 1e-4
    maps = {m.name: tuple(m.values.shape[1:]) for m in model.encode(model.features(noise(model))).feature_maps}
    channels = {"2022": [64, 128, 256, 512, 1024, 2048], "2023": [96, 192, 384, 768, 768]}[version]
    assert maps == {name: (c, *shape) for c, (name, shape) in zip(channels, TAPS[version].items(), strict=True)}


# Text


def test_token_states_and_their_mask(model: MicrosoftClap, version: str) -> None:
    found = model.encode_text(["a dog", "This is the sound of rain"])
    assert found.token_mask.shape == found.tokens.shape[:2]
    short, long = found.token_mask.sum(dim=1)
    assert short < long == found.tokens.shape[1]
    at = 0 if version == "2022" else int(short) - 1
    projected = model.model.caption_encoder.projection(found.tokens[0, at])
    assert torch.allclose(nn.functional.normalize(projected, dim=-1), found.embedding[0], atol=1e-6)
    assert torch.equal(model.embed_text("a dog"), model.embed_text(["a dog"]))


def test_gpt2_reads_the_last_real_token_where_the_wrapper_miscounts(files: dict[str, Path]) -> None:
    model, reference = load("2023", files["2023"]), library.Reference(files["2023"], "2023")
    prompt = ["a dog barking!"]
    ids = reference.wrapper.tokenizer(f"{prompt[0]} <|endoftext|>", return_tensors="pt")["input_ids"]
    assert 0 in ids
    tower = model.model.caption_encoder
    with torch.no_grad():
        last = tower.projection(tower.base(input_ids=ids).last_hidden_state[:, -1])
    ours = model.embed_text(prompt)
    assert torch.allclose(ours, nn.functional.normalize(last, dim=-1), atol=1e-5)
    assert (ours - reference.embed_text(prompt)).abs().max() > 1e-3


def test_every_exclamation_mark_is_a_token_as_in_the_wrapper(files: dict[str, Path]) -> None:
    model, reference = load("2023", files["2023"]), library.Reference(files["2023"], "2023")
    assert {"!!", "\u0120!!"} & model.tokenizer.get_vocab().keys(), "which a tokenizer without padding would take"
    for prompt in ("stop !!", "watch out!!", "a dog!"):
        ids = model.tokenizer(prompt)["input_ids"]
        assert ids == reference.wrapper.tokenizer(prompt)["input_ids"]
        assert ids.count(0) == prompt.count("!")


def test_a_halved_network(model: MicrosoftClap, version: str, file: Path) -> None:
    halved = MicrosoftClap(load(version, file).model.bfloat16(), model.tokenizer)
    clip = noise(model, samples=30_000)
    assert embed(halved, clip).dtype == torch.float32
    assert (embed(halved, clip) * embed(model, clip)).sum() > 0.98


def test_the_users_tokenizer_stays_as_it_was(model: MicrosoftClap, file: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(library.tokenizer_folder(file))
    before = (tokenizer.pad_token, len(tokenizer))
    built = MicrosoftClap(model.model, tokenizer)
    assert torch.equal(built.embed_text(PROMPTS), model.embed_text(PROMPTS))
    assert (tokenizer.pad_token, len(tokenizer)) == before


def test_prompts_that_are_too_long_are_one_line(model: MicrosoftClap, version: str) -> None:
    # Besides the words, BERT takes [CLS] and [SEP]; GPT-2 a second token for the first word, a blank and the end.
    most, words = {"2022": (100, 98), "2023": (77, 74)}[version]
    assert model.embed_text([" ".join(["dog"] * words)]).isfinite().all()
    match = rf"the prompt 'dog dog .*' has {most + 1} tokens and msclap-{version}:.* takes {most}: shorten it"
    with pytest.raises(InputError, match=match) as caught:
        model.embed_text(["a dog", " ".join(["dog"] * (words + 1))])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("other", ["2022", "2023"])
def test_tokenizers_that_do_not_fit(files: dict[str, Path], other: str) -> None:
    version = {"2022": "2023", "2023": "2022"}[other]
    with pytest.raises(InputError, match="the tokenizer is not the model's: give that of"):
        load(version, files[version], tokenizer=str(library.tokenizer_folder(files[other])))


# Hertz


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 4000.0, 9000.0, 13000.0, 15000.0, 18500.0])
def test_a_tone_lights_the_band_that_the_axis_names(model: MicrosoftClap, version: str, hertz: float) -> None:
    time = torch.arange(RATE * SECONDS[version]) / RATE
    mel = model.features(0.5 * torch.sin(2 * torch.pi * hertz * time)[None]).mel[0].mean(dim=1)
    corners = mel_grid(model.front_end.spec, len(time))
    if hertz > corners.band[1]:
        assert version == "2022"
        assert mel.max() < 1e-2
        return
    loudest = int((mel / model.front_end.bank.sum(dim=1)).argmax())
    assert abs(loudest - corners.cell(0.0, hertz)[0]) <= 1
    edges = corners.frequency_edges
    assert edges[max(loudest - 1, 0)] <= hertz <= edges[min(loudest + 2, 64)]


def test_the_band(model: MicrosoftClap, version: str) -> None:
    points = mel_points(model.front_end.spec)
    expected = {"2022": (50.0, 14_000.0), "2023": (50 * 44.1 / 32, 14_000 * 44.1 / 32)}[version]
    assert (points[0], points[-1]) == pytest.approx(expected)
    assert expected[1] == pytest.approx({"2022": 14_000, "2023": 19_294}[version], abs=0.5)


# Gradients


@pytest.mark.parametrize("signal", ["noise", "chirp", "noise 1 s"])
def test_gradient_on_the_waveform_is_central_differences(model: MicrosoftClap, version: str, signal: str) -> None:
    assert parity.gradient_error(model, parity.signals(RATE, SECONDS[version])[signal]) < 1e-4


def test_gradient_does_not_hang_on_memory_order(model: MicrosoftClap) -> None:
    """torch's own batch norm gives wrong gradients for one of these two."""
    features = model.features(noise(model, 2))
    target = torch.randn(32, generator=torch.Generator().manual_seed(0))
    gradients = []
    for order in (features.input.contiguous(), features.input.transpose(2, 3).contiguous().transpose(2, 3)):
        leaf = order.detach().requires_grad_()
        score = (model.encode(replace(features, input=leaf)).embedding @ target).sum()
        gradients.append(torch.autograd.grad(score, leaf)[0])
    assert torch.allclose(gradients[0], gradients[1], rtol=0, atol=1e-5 * float(gradients[0].abs().max()))


def test_gradient_reaches_every_sample(model: MicrosoftClap) -> None:
    clip = noise(model, samples=100_000).requires_grad_()
    (gradient,) = torch.autograd.grad(model.embed_audio(clip)[0, 0], clip)
    assert gradient.isfinite().all()
    assert (gradient != 0).float().mean() > 0.999
    assert all(p.grad is None and not p.requires_grad for p in model.model.parameters())


# Taps and their places


def test_maps_and_their_places(model: MicrosoftClap, version: str) -> None:
    maps = model.encode(model.features(noise(model, 2))).feature_maps
    assert [m.name for m in maps] == list(model.taps) == list(TAPS[version])
    for m in maps:
        assert m.values.shape[2:] == m.grid.shape == TAPS[version][m.name]
        assert m.grid.time_edges[0] == pytest.approx(-0.5 * 320 / RATE)
        assert m.grid.time_edges[-1] == pytest.approx((ENDS.get(m.name, 965) - 0.5) * 320 / RATE)
        assert (np.diff(m.grid.frequencies) > 0).all()


@pytest.fixture(scope="module")
def local(file: Path, version: Any) -> MicrosoftClap:
    """Random weights under which a cell mostly tells of its own place."""
    from transformers import AutoTokenizer

    network = library.random_model(version)
    with torch.no_grad():
        if version == "2022":
            for number in range(1, 7):
                block = getattr(network.audio_encoder.base, f"conv_block{number}")
                for conv in (block.conv1, block.conv2):
                    middle = conv.weight[:, :, 1, 1].clone()
                    conv.weight.mul_(0.02)
                    conv.weight[:, :, 1, 1] = middle
        else:
            for layer in network.audio_encoder.base.htsat.layers:
                for block in layer.blocks:
                    block.attn.proj.weight.mul_(0.1)
                    block.mlp.fc2.weight.mul_(0.1)
    return MicrosoftClap(network, AutoTokenizer.from_pretrained(library.tokenizer_folder(file)))


def most_moved(before: FeatureMap, after: FeatureMap) -> tuple[int, int]:
    """The cell that changed most, in the mean over the batch."""
    change = (after.values - before.values).square().sum(dim=1).mean(dim=0)
    row, column = divmod(int(change.argmax()), change.shape[1])
    return row, column


def test_the_declared_cell_moves_most_when_mel_is_disturbed(local: MicrosoftClap, version: str) -> None:
    with torch.no_grad():
        mel = local.features(noise(local, 4)).mel
        before = local.encode(local.features_from_mel(mel)).feature_maps
        frame_times = np.arange(FRAMES[version]) * 320 / RATE
        for index, at in enumerate(before):
            rows, columns = at.grid.shape
            bands = 64 // rows
            for row in {0, rows // 2, rows - 1}:
                for column in {0, columns // 3, columns - 1}:
                    # The middle half of the cell, by the grid's own word, 12 dB louder.
                    left, right = at.grid.time_edges[column : column + 2]
                    inside = np.abs(frame_times - (left + right) / 2) <= max((right - left) / 4, 0.51 * 320 / RATE)
                    disturbed = mel.clone()
                    disturbed[:, row * bands : (row + 1) * bands, inside] *= 16.0
                    after = local.encode(local.features_from_mel(disturbed)).feature_maps[index]
                    assert most_moved(at, after) == (row, column), at.name


@pytest.mark.parametrize(("seconds", "hertz"), [(0.405, 400.0), (1.3, 6000.0), (2.0, 1650.0), (4.6, 9500.0)])
def test_the_declared_cell_moves_most_when_a_sound_is_added(
    local: MicrosoftClap, version: str, seconds: float, hertz: float
) -> None:
    time = torch.arange(RATE * SECONDS[version]) / RATE
    burst = torch.exp(-(((time - seconds) / 0.01) ** 2)) * torch.sin(2 * torch.pi * hertz * time)
    with torch.no_grad():
        before, after = (
            local.encode(local.features(clip)).feature_maps for clip in (noise(local, 4), noise(local, 4) + burst)
        )
    for old, new in zip(before, after, strict=True):
        row, column = most_moved(old, new)
        expected_row, expected_column = old.grid.cell(seconds, hertz)
        # A burst is wider than a cell of the finest maps.
        slack = 1 if old.grid.shape[1] > 200 else 0
        assert abs(row - expected_row) <= slack, old.name
        assert abs(column - expected_column) <= slack, old.name


def test_captum_on_a_tap_is_gradcam_by_hand(model: MicrosoftClap, version: str) -> None:
    features = model.features(noise(model))
    text = model.embed_text(["a dog barking"])[0]

    def score(values: torch.Tensor) -> torch.Tensor:
        return model.encode(replace(features, input=values)).embedding @ text

    for tap, shape in TAPS[version].items():
        theirs = LayerGradCam(score, model.taps[tap]).attribute(features.input)
        leaf = features.input.detach().requires_grad_()
        encoding = model.encode(replace(features, input=leaf))
        values = next(m.values for m in encoding.feature_maps if m.name == tap)
        (gradient,) = torch.autograd.grad((encoding.embedding @ text).sum(), values)
        ours = (gradient.mean(dim=(2, 3), keepdim=True) * values).sum(dim=1, keepdim=True)
        assert theirs.shape == (1, 1, *shape)
        assert theirs.abs().max() > 0
        assert torch.allclose(theirs, ours, rtol=1e-4, atol=1e-6 * float(ours.detach().abs().max())), tap
    assert hooks_of(model) == 0


def test_what_a_hook_on_a_tap_returns_is_what_the_model_goes_on_with(model: MicrosoftClap) -> None:
    features = model.features(noise(model))
    before = model.encode(features).embedding
    for name, tap in model.taps.items():
        handle = tap.register_forward_hook(lambda _m, _a, out: torch.zeros_like(out))
        after = model.encode(features)
        handle.remove()
        assert not torch.allclose(before, after.embedding, atol=1e-3), name
        assert next(m for m in after.feature_maps if m.name == name).values.eq(0).all()
    assert torch.equal(before, model.encode(features).embedding)


# Nothing is left behind


def test_modes_hooks_and_statistics_come_back(file: Path, version: str) -> None:
    model = load(version, file)
    clip = noise(model)
    expected = embed(model, clip), model.embed_text(PROMPTS)
    model.model.train()
    model.model.caption_encoder.base.eval()
    statistics = model._core.bn0.running_mean.clone()
    assert torch.equal(embed(model, clip), expected[0])
    assert torch.equal(model.embed_text(PROMPTS), expected[1])

    def fail(_module: nn.Module, _args: object, _output: object) -> None:
        raise RuntimeError("mine")

    handle = next(iter(model.taps.values())).register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="mine"):
        embed(model, clip)
    handle.remove()
    assert hooks_of(model) == 0
    assert model.model.training
    assert model._core.bn0.training
    assert model.model.caption_encoder.projection.training
    assert not model.model.caption_encoder.base.training
    assert torch.equal(model._core.bn0.running_mean, statistics)


def test_importing_loading_and_using_change_nothing_global(file: Path, version: str) -> None:
    script = f"""
import os, random, sys, warnings
import numpy, torch, transformers, huggingface_hub
from transformers import AutoModel, AutoTokenizer, BertModel, GPT2Model
from transformers.utils import logging as hf
import torch.utils.checkpoint
def state():
    return (list(warnings.filters), dict(os.environ), hf.get_verbosity(), list(sys.path),
            torch.get_rng_state().sum().item(), numpy.random.get_state()[1].sum(), random.getstate(),
            "from_pretrained" in vars(AutoModel))
before = state()
import zsxai
model = zsxai.load_model("msclap-{version}:{file}", tokenizer={str(library.tokenizer_folder(file))!r})
clip = torch.randn(1, 44100, generator=torch.Generator().manual_seed(0))
model.embed_audio(clip); model.embed_text(["a dog"])
after = state()
assert after == before, [pair for pair in zip(before, after) if pair[0] != pair[1]]
assert not {{"torchaudio", "torchvision", "msclap", "msclap.CLAPWrapper"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr == ""


# What is given


def test_the_card(file: Path, version: str, model: MicrosoftClap) -> None:
    assert model.card.name == f"msclap-{version}:{file}"
    assert model.card.source == str(file.resolve())
    assert model.card.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "MS-PL" in model.card.licence


def test_a_wrapper_and_a_bare_model_are_told_apart_by_their_classes(
    model: MicrosoftClap, reference: library.Reference, version: str
) -> None:
    for given in (reference.wrapper, reference.wrapper.clap):
        built = MicrosoftClap(given, reference.wrapper.tokenizer)
        assert built.audio_spec.window == SECONDS[version]
        assert built.card.name == f"msclap-{version}"
        clip = noise(model, samples=30_000)
        assert torch.allclose(embed(built, clip), embed(model, clip), atol=1e-6)
        assert torch.allclose(built.embed_text(PROMPTS), model.embed_text(PROMPTS), atol=1e-6)
    with pytest.raises(InputError, match="Linear is no msclap CLAP"):
        MicrosoftClap(nn.Linear(1, 1), reference.wrapper.tokenizer)


def test_a_foreign_front_end_is_refused(file: Path, version: str, spoiled: Any, saved: dict[str, torch.Tensor]) -> None:
    state = dict(saved)
    key = next(name for name in state if name.endswith("logmel_extractor.melW"))
    state[key] = state[key].roll(1, dims=0)
    with pytest.raises(InputError, match=r"another front end .*its mel filters differ"):
        load(version, spoiled({"model": state}))


def test_a_bare_state_is_the_same_model(version: str, spoiled: Any, saved: dict[str, torch.Tensor], model: Any) -> None:
    # Today's transformers saves no constants: the same file without them.
    bare = {k: v for k, v in saved.items() if not k.endswith((".position_ids", ".attn.bias", ".attn.masked_bias"))}
    assert len(bare) < len(saved)
    clip = noise(model, samples=30_000)
    loaded = load(version, spoiled(bare))
    assert torch.allclose(embed(loaded, clip), embed(model, clip), atol=1e-6)
    assert torch.allclose(loaded.embed_text(PROMPTS), model.embed_text(PROMPTS), atol=1e-6)


@pytest.mark.parametrize(
    "key", ["caption_encoder.projection.layer_norm.bias", "audio_encoder.projection.linear1.weight", "logit_scale"]
)
def test_missing_weights(version: str, spoiled: Any, saved: dict[str, torch.Tensor], key: str) -> None:
    state = {k: v for k, v in saved.items() if k != key}
    with pytest.raises(InputError, match=rf"lacks (weights of MS-CLAP {version}: 1, such as )?{key}$") as caught:
        load(version, spoiled({"model": state}))
    assert "\n" not in str(caught.value)


def test_unexpected_weights(version: str, spoiled: Any, saved: dict[str, torch.Tensor]) -> None:
    state = {**saved, "gpt.lm_head.weight": torch.zeros(2), "gpt.lm_head.bias": torch.zeros(2)}
    with pytest.raises(InputError, match=rf"has unknown weights of MS-CLAP {version}: 2, such as gpt.lm_head.bias$"):
        load(version, spoiled({"model": state}))


def test_weights_of_another_shape(version: str, spoiled: Any, saved: dict[str, torch.Tensor]) -> None:
    state = {**saved, "caption_encoder.projection.layer_norm.bias": torch.zeros(5)}
    with pytest.raises(
        InputError, match=r"has misshapen weights of MS-CLAP 20..: 1, such as .*layer_norm.bias"
    ) as caught:
        load(version, spoiled({"model": state}))
    assert "\n" not in str(caught.value)


def test_the_wrong_version(files: dict[str, Path], version: str) -> None:
    other = {"2022": "2023", "2023": "2022"}[version]
    with pytest.raises(InputError, match=f"holds MS-CLAP {other}: load it as 'msclap-{other}:<file>'"):
        load(version, files[other])


@pytest.mark.parametrize("content", [{"model": {"weight": torch.zeros(1)}}, [1, 2], {"model": {"epoch": 3}}, 7])
def test_files_without_ms_clap(version: str, spoiled: Any, content: object) -> None:
    with pytest.raises(InputError, match=r"holds no MS-CLAP|is no file of weights") as caught:
        load(version, spoiled(content))
    assert "\n" not in str(caught.value)


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("malicious-code-ran",)


def test_a_malicious_pickle_is_refused_and_nothing_runs(
    version: str, spoiled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="mkdir"):
        load(version, spoiled({"model": Malicious()}))
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(InputError, match=r"is no file that torch\.save wrote"):
        LOADERS[version](str(plain))
    assert not (tmp_path / "malicious-code-ran").exists()


def test_what_is_no_file_says_where_the_published_one_is(version: str) -> None:
    with pytest.raises(
        InputError, match=rf"CLAP_weights_{version}.pth of the hub repository microsoft/msclap"
    ) as caught:
        zsxai.load_model(f"msclap-{version}:/nowhere/at/all.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["nonsense", *([] if torch.cuda.is_available() else ["cuda"])])
def test_devices_that_are_not_there_are_one_line(file: Path, version: str, device: str) -> None:
    with pytest.raises(InputError, match=f"cannot load msclap-{version}:") as caught:
        load(version, file, device=device)
    assert "\n" not in str(caught.value)


def test_the_hub(file: Path, version: str, model: MicrosoftClap, tmp_path: Path, monkeypatch: Any) -> None:
    """Unknown without a connection: one line. In the cache: loaded from there, if it is what its name says."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    name, revision = f"CLAP_weights_{version}.pth", "0" * 40
    tokenizer = str(library.tokenizer_folder(file))
    for argument in ("", f":{name}"):
        with pytest.raises(
            InputError, match=rf"cannot get 'microsoft/msclap' from .* and give the file {name}"
        ) as caught:
            zsxai.load_model(f"msclap-{version}{argument}", tokenizer=tokenizer)
        assert "\n" not in str(caught.value)
    cached = tmp_path / "models--microsoft--msclap"
    for part in ("refs", "blobs", f"snapshots/{revision}"):
        (cached / part).mkdir(parents=True)
    (cached / "refs" / "main").write_text(revision)
    blob = cached / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
    shutil.copy(file, blob)
    link = cached / "snapshots" / revision / name
    link.symlink_to(blob)
    for argument in ("", f":{name}"):
        loaded: Any = zsxai.load_model(f"msclap-{version}{argument}", tokenizer=tokenizer)
        assert loaded.card.source == f"https://huggingface.co/microsoft/msclap/blob/{revision}/{name}"
        assert loaded.card.licence == "MS-PL"
        assert torch.allclose(loaded.embed_text(["a dog"]), model.embed_text(["a dog"]), atol=1e-6)
    with pytest.raises(InputError, match=r"needs a tokenizer, .* give its folder as tokenizer=<folder>") as caught:
        zsxai.load_model(f"msclap-{version}")
    assert "\n" not in str(caught.value)
    damaged = blob.with_name("f" * 64)
    shutil.copy(file, damaged)
    link.unlink()
    link.symlink_to(damaged)
    with pytest.raises(InputError, match=r"is damaged: its SHA-256 is not the hub's"):
        zsxai.load_model(f"msclap-{version}", tokenizer=tokenizer)


def test_without_msclap_the_extra_is_named(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "msclap" else find(name, *a))
    for name in [name for name in sys.modules if name.partition(".")[0] == "msclap"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match=r"needs the package 'msclap': pip install 'zsxai\[msclap\]'"):
        zsxai.load_model(f"msclap-{version}:any.pth")


def test_the_captioner_is_refused(reference: library.Reference) -> None:
    captioner = SimpleNamespace(clapcap=reference.wrapper.clap, tokenizer=None)
    with pytest.raises(InputError, match="SimpleNamespace is no msclap CLAP"):
        MicrosoftClap(captioner, reference.wrapper.tokenizer)


@pytest.mark.parametrize("shape", [(), (3,), (0, 1), (0, 0, 4, 4)])
@pytest.mark.parametrize("which", ["audio", "text"])
def test_weights_that_tell_no_size_are_one_line(
    version: str, spoiled: Any, saved: dict[str, torch.Tensor], which: str, shape: tuple[int, ...]
) -> None:
    key = {
        ("2022", "audio"): "audio_encoder.base.conv_block1.conv2.weight",
        ("2023", "audio"): "audio_encoder.base.htsat.patch_embed.proj.weight",
        ("2022", "text"): "caption_encoder.base.embeddings.word_embeddings.weight",
        ("2023", "text"): "caption_encoder.base.wte.weight",
    }[version, which]
    with pytest.raises(InputError, match=rf"as MS-CLAP {version}: its {key} has the shape \(") as caught:
        load(version, spoiled({"model": {**saved, key: torch.zeros(shape)}}))
    assert "\n" not in str(caught.value)
