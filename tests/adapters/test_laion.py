"""The LAION adapter against laion-clap's own calls, through both sets of classes."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

import zsxai
import zsxai.benchmarks.measure.parity as parity
from zsxai.adapters.laion import KNOWN, LaionClap, load
from zsxai.adapters.laion_keys import sizes_of, state_of
from zsxai.adapters.laion_networks import hf_network
from zsxai.adapters.tokenizers import load_tokenizer
from zsxai.benchmarks.measure.libraries import laion
from zsxai.benchmarks.measure.libraries.tokens import PROMPTS, save_bert_tokenizer, save_tokenizer
from zsxai.errors import InputError, MissingExtraError
from zsxai.weights import load_weights

RATE, WINDOW = 48_000, 480_000
LEGACY = pytest.mark.legacy
CLASSES = ("hf", pytest.param("laion", marks=LEGACY))
SIGNALS = {name: clip for name, clip in parity.signals(RATE, 10).items() if len(clip) <= WINDOW}
TAPS = {"stage1": (16, 256), "stage2": (8, 128), "stage3": (4, 64), "stage4": (2, 32), "norm": (2, 32)}
MEL_W = "module.audio_branch.logmel_extractor.melW"
KERNEL = "module.audio_branch.spectrogram_extractor.stft.conv_real.weight"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return laion.random_checkpoint(tmp_path_factory.mktemp("laion") / "tiny.pt")


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return laion.random_checkpoint(tmp_path_factory.mktemp("laion") / "fused.pt", fusion=True)


@pytest.fixture(scope="module")
def reference(file: Path) -> laion.Reference:
    return laion.Reference(file)


@pytest.fixture(scope="module")
def both(file: Path) -> dict[str, Any]:
    """Of tests marked ``legacy``."""
    return {classes: load(str(file), classes=classes) for classes in ("hf", "laion")}  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=CLASSES)
def classes(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def model(file: Path, classes: Any) -> Any:
    return load(str(file), classes=classes)


Change = Callable[[Callable[[dict[str, Any]], None]], Path]


@pytest.fixture
def changed(file: Path, tmp_path: Path) -> Change:
    """``changed(edit)`` saves the checkpoint anew after ``edit(state dict)``."""

    def save(edit: Callable[[dict[str, Any]], None]) -> Path:
        checkpoint = torch.load(file, weights_only=False)
        edit(checkpoint["state_dict"])
        torch.save(checkpoint, tmp_path / "changed.pt")
        save_tokenizer(tmp_path)
        return tmp_path / "changed.pt"

    return save


def embed(model: Any, waveform: np.ndarray | Tensor) -> Tensor:
    with torch.no_grad():
        return model.embed_audio(torch.atleast_2d(torch.as_tensor(waveform)))


def close(one: Tensor, other: Tensor, atol: float = 1e-5) -> bool:
    return torch.allclose(one, other, atol=atol, rtol=0)


def script(lines: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", lines],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr


# Parity


@LEGACY
@pytest.mark.parametrize("signal", SIGNALS)
def test_audio_is_the_librarys(model: Any, reference: laion.Reference, signal: str) -> None:
    assert close(embed(model, SIGNALS[signal])[0], reference.embed_audio(SIGNALS[signal]))


@LEGACY
def test_what_is_left_on_a_tone_is_the_librarys_float32_filters(both: dict[str, Any], file: Path) -> None:
    library, tone = laion.Reference(file), SIGNALS["tone 1 kHz"]
    encoder, front_end = library.module.double().model.audio_branch, both["laion"].front_end
    turns = torch.outer(torch.arange(513), torch.arange(1024)).double() / 1024 * 2 * torch.pi
    stft = encoder.spectrogram_extractor.stft
    stft.conv_real.weight.data = (turns.cos() * front_end.window)[:, None]
    stft.conv_imag.weight.data = (turns.sin() * front_end.window)[:, None]
    encoder.logmel_extractor.melW.data = front_end.bank.T.clone()
    for model in both.values():
        assert close(embed(model, tone)[0].double(), library.embed_audio(tone.astype(np.float64)), 1e-6)


def test_signals_are_told_apart(model: Any) -> None:
    rows = torch.cat([embed(model, SIGNALS[name]) for name in ("noise", "chirp", "tone 1 kHz", "silence")])
    assert (rows @ rows.T).fill_diagonal_(0).max() < 0.999
    assert close(rows.norm(dim=1), torch.ones(len(rows)), 1e-6)


@LEGACY
def test_files_differ_by_the_librarys_rounding_alone(model: Any, reference: laion.Reference, tmp_path: Path) -> None:
    noise = SIGNALS["noise 5 s"]
    soundfile.write(tmp_path / "noise.wav", noise, RATE, subtype="FLOAT")
    theirs = reference.embed_file(tmp_path / "noise.wav")
    rounded = ((noise * 32767).astype(np.int16) / 32767).astype(np.float32)
    assert close(embed(model, noise)[0], theirs)
    assert close(embed(model, rounded)[0], theirs, 1e-6)
    assert not close(embed(model, noise)[0], theirs, 2e-7)


@LEGACY
def test_text_is_the_librarys(model: Any, reference: laion.Reference) -> None:
    assert close(model.embed_text(PROMPTS), reference.embed_text(PROMPTS))
    text = model.encode_text(PROMPTS)
    assert text.tokens.shape == (*text.token_mask.shape, 768)
    assert text.token_mask.sum(dim=1).unique().numel() > 1


@LEGACY
def test_logit_scale_is_the_audio_sides(model: Any, reference: laion.Reference) -> None:
    assert model.logit_scale == pytest.approx(float(reference.module.model.logit_scale_a.detach().exp()))


@LEGACY
@pytest.mark.parametrize("signal", ["chirp", "tone 1 kHz", "noise, then silence"])
def test_both_classes_explain_alike(both: dict[str, Any], signal: str) -> None:
    one, other = (
        zsxai.explain(SIGNALS[signal], "a dog barking", sample_rate=RATE, model=model, explainer="gradcam").relevance
        for model in both.values()
    )
    span = np.ptp(one)
    assert span > 1e-6
    assert np.abs(one - other).max() < 1e-5 * min(span, 1)
    assert close(*(embed(model, SIGNALS[signal]) for model in both.values()))


@LEGACY
def test_both_classes_are_one_network(file: Path) -> None:
    """In float64 nothing of float32's rounding, which a faint map shows, is left between them."""
    found = []
    for classes in ("hf", "laion"):
        model = load(str(file), classes=classes)  # type: ignore[arg-type]
        model.model.double()
        features = model.features(torch.from_numpy(SIGNALS["noise"])[None])
        encoding = model.encode(replace(features, input=features.input.double().requires_grad_()))
        target = torch.randn(128, generator=torch.Generator().manual_seed(0)).double()
        maps = [m.values for m in encoding.feature_maps]
        gradients = torch.autograd.grad((encoding.embedding @ target).sum(), maps)
        pairs = zip(gradients, maps, strict=True)
        found.append([(g.mean(dim=(2, 3), keepdim=True) * m).sum(dim=1).detach() for g, m in pairs])
    for one, other in zip(*found, strict=True):
        assert close(one, other, 1e-11 * float(one.abs().max()))


def test_a_batch_is_its_single_clips(model: Any) -> None:
    clips = torch.randn(3, 200_000, generator=torch.Generator().manual_seed(0)) * 0.1
    assert close(embed(model, clips), torch.cat([embed(model, clip) for clip in clips]))


@LEGACY
@pytest.mark.slow
@pytest.mark.parametrize(("size", "fusion"), [("full", False), ("base", False), ("full", True)])
def test_published_sizes(tmp_path: Path, size: laion.Size, fusion: bool) -> None:
    """630k-* are 'full', music_* are 'base'."""
    file = laion.random_checkpoint(tmp_path / "checkpoint.pt", size, fusion=fusion)
    reference = laion.Reference(file)
    for classes in ("hf", "laion")[: 2 if (size, fusion) == ("full", False) else 1]:
        model = load(str(file), classes=classes)  # type: ignore[arg-type]
        for name, clip in SIGNALS.items():
            assert close(embed(model, clip)[0], reference.embed_audio(clip)), (classes, name)
        assert close(model.embed_text(PROMPTS), reference.embed_text(PROMPTS))
        assert parity.gradient_error(model, SIGNALS["noise"], directions=1) < 1e-4


# Gradients and places


@pytest.mark.parametrize("signal", ["noise", "chirp", "noise 1 s"])
def test_gradient_on_the_waveform_is_central_differences(classes_model: Any, signal: str) -> None:
    assert parity.gradient_error(classes_model, SIGNALS[signal]) < 1e-4


@pytest.fixture
def classes_model(file: Path, classes: Any) -> Any:
    """A model of one's own: turning it to float64 and back rounds its constants."""
    return load(str(file), classes=classes)


def test_maps_and_taps(model: Any) -> None:
    maps = model.encode(model.features(torch.from_numpy(SIGNALS["noise"])[None])).feature_maps
    assert {m.name: (*m.values.shape[2:],) for m in maps} == TAPS
    assert list(model.taps) == list(TAPS)


def test_maps_lie_where_the_sound_is(changed: Change, classes: Any) -> None:
    def soften(state: dict[str, Tensor]) -> None:  # so that a token mostly tells of its own patch
        for key, tensor in state.items():
            if key.endswith(("attn.proj.weight", "mlp.fc2.weight")):
                tensor.mul_(0.1)

    model = load(str(changed(soften)), classes=classes)
    time = torch.arange(WINDOW) / RATE
    noise = torch.from_numpy(SIGNALS["noise"])
    for seconds, hertz in [(0.405, 400.0), (3.3, 6000.0), (6.0, 1650.0), (9.6, 9500.0)]:
        burst = torch.exp(-(((time - seconds) / 0.01) ** 2)) * torch.sin(2 * torch.pi * hertz * time) * 0.2
        with torch.no_grad():
            before, after = (model.encode(model.features(c[None])).feature_maps for c in (noise, noise + burst))
        for old, new in zip(before, after, strict=True):
            moved = (new.values - old.values)[0].norm(dim=0)
            assert divmod(int(moved.argmax()), moved.shape[1]) == old.grid.cell(seconds, hertz), old.name


# Checkpoints


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("plain", [False, True], ids=["as published", "no prefix, no position_ids"])
def test_every_way_a_checkpoint_was_saved(tmp_path: Path, model: Any, classes: Any, protocol: int, plain: bool) -> None:
    file = laion.random_checkpoint(
        tmp_path / "a.pt", protocol=protocol, module_prefix=not plain, position_ids=not plain
    )
    again = load(str(file), classes=classes)
    assert close(embed(again, SIGNALS["noise"]), embed(model, SIGNALS["noise"]), 1e-6)
    assert close(again.embed_text(PROMPTS), model.embed_text(PROMPTS), 1e-6)
    assert again.card.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert again.card.name == f"laion:{file}"


def test_bare_and_reduced_state_dicts_and_safetensors(tmp_path: Path, file: Path, model: Any, classes: Any) -> None:
    from safetensors.torch import save_file

    state = torch.load(file, weights_only=False)["state_dict"]
    constants = ("_extractor", "relative_position_index", "attn_mask", "position_ids", "tscam_conv", "_transform")
    reduced = {key: tensor.clone() for key, tensor in state.items() if not any(part in key for part in constants)}
    torch.save(state, tmp_path / "bare.pt")
    save_file(reduced, tmp_path / "reduced.safetensors")
    save_tokenizer(tmp_path)
    for name in ("bare.pt", "reduced.safetensors"):
        again = load(str(tmp_path / name), classes=classes)
        assert close(embed(again, SIGNALS["noise"]), embed(model, SIGNALS["noise"]), 1e-6)


def test_pickles_that_run_code_are_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"state_dict": {}, "extra": Evil()}, tmp_path / "evil.pt", pickle_module=pickle)
    save_tokenizer(tmp_path)
    with pytest.raises(InputError, match="refused"):
        load(str(tmp_path / "evil.pt"))
    assert not (tmp_path / "ran").exists()


def drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda state: state.pop(f"module.{key}")


def put(key: str, *shape: int) -> Callable[[dict[str, Any]], None]:
    return lambda state: state.update({f"module.{key}": torch.zeros(shape)})


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop("audio_projection.2.bias"), "lacks 1 weights of a LAION-CLAP, such as audio_projection"),
        (drop("audio_branch.patch_embed.proj.weight"), "lacks the weight 'audio_branch.patch_embed.proj.weight'"),
        (drop("audio_branch.layers.2.blocks.0.attn.qkv.bias"), "lacks [13] weights .*layers.2.blocks.0"),
        (put("surplus.weight", 3), "has 1 tensors that are none of a LAION-CLAP, such as surplus.weight"),
        (put("text_projection.0.bias", 127), "has 1 weights unlike those in shape of a LAION-CLAP, such as text_pro"),
        (put("text_branch.embeddings.token_type_embeddings.weight", 2, 768), "BERT text encoder"),
        (put("text_branch.shared.weight", 9, 9), "BART text encoder"),
        (put("text_branch.resblocks.0.ln_1.weight", 9), "CLIP's text encoder"),
        (put("audio_branch.conv_block1.conv1.weight", 9), "PANN audio encoder"),
        (put("audio_branch.mel_conv1d.0.weight", 9), "fusion in one dimension"),
        (put("audio_branch.patch_embed.mel_conv2d.weight", 16, 1, 4, 12), "another fusion"),
        (put("audio_branch.patch_embed.proj.weight", 16, 4, 4, 4), "another fusion"),
        (put("audio_branch.patch_embed.fusion_model.local_att2.0.weight", 9), "iaff_2d"),
        (put("text_model.anything", 9), "load its folder as hf:<folder>"),
        (lambda state: state[MEL_W].mul_(1.001), "another front end .*its mel filters differ"),
        (
            lambda state: state.update({KERNEL: torch.zeros(769, 1, 1536)}),
            "another front end .*its STFT filters differ",
        ),
        (lambda state: state.update({"module.epoch": 3}), "no LAION-CLAP checkpoint"),
        (lambda state: state.clear(), "no whole LAION-CLAP checkpoint"),
    ],
)
def test_checkpoints_that_are_none(changed: Change, edit: Any, message: str, classes: Any) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(str(changed(edit)), classes=classes)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_of_another_model(file: Path, tmp_path: Path, classes: Any) -> None:
    save_bert_tokenizer(tmp_path)
    with pytest.raises(InputError, match="the tokenizer pads with token 0 and the model with 1: give the model's own"):
        load(str(file), classes=classes, tokenizer=str(tmp_path))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_halved_files(file: Path, tmp_path: Path, kind: torch.dtype, model: Any, classes: Any) -> None:
    saved = load_weights(file)
    state = {key: t.to(kind) if t.is_floating_point() else t for key, t in saved["state_dict"].items()}
    torch.save({**saved, "state_dict": state}, tmp_path / "half.pt")
    save_tokenizer(tmp_path)
    half = load(str(tmp_path / "half.pt"), classes=classes)
    assert (embed(half, SIGNALS["noise"]) * embed(model, SIGNALS["noise"])).sum() > 0.98


# Fusion


@LEGACY
@pytest.mark.skipif(find_spec("torchaudio") is None, reason="laion-clap's fused mel is torchaudio's")
def test_fusion_runs_every_window_as_a_short_clip(fused: Path) -> None:
    model, reference = load(str(fused)), laion.Reference(fused)
    assert model.front_end.spec.mel_scale == "htk"
    for name, clip in SIGNALS.items():
        # A tone too: the mel is computed in float32, as torchaudio does, whose rounding fills a tone's quiet bands.
        assert close(embed(model, clip)[0], reference.embed_audio(clip)), name
        features = model.features(torch.from_numpy(clip)[None])
        sample = {"mel_fusion": features.input[0].detach(), "longer": torch.tensor([False])}
        with torch.no_grad():
            theirs = reference.module.model.get_audio_embedding([sample])
        assert close(embed(model, clip), theirs), name
    assert close(model.embed_text(PROMPTS), reference.embed_text(PROMPTS))
    assert parity.gradient_error(model, SIGNALS["noise"], directions=1) < 1e-4


@LEGACY
def test_all_of_the_fusion_weights_are_mapped(fused: Path) -> None:
    """No window of ours is a long clip, whose four mels the fusion weights join; the map is right for one too."""
    library = laion.random_network(fusion=True)
    state = state_of(library.state_dict(), "laion")
    network = hf_network(state, sizes_of(state, "laion"), "laion").eval()
    mel = torch.randn(2, 4, 1001, 64, generator=torch.Generator().manual_seed(0)) * 20 - 45
    found = []
    for longer in ([False, False], [True, False], [True, True]):
        flags = torch.tensor(longer)[:, None]
        samples = [{"mel_fusion": m, "longer": flag} for m, flag in zip(mel.clone(), flags, strict=True)]
        with torch.no_grad():
            theirs = library.get_audio_embedding(samples)
            output = network.audio_model(input_features=mel, is_longer=flags, return_dict=True)
            ours = nn.functional.normalize(network.audio_projection(output.pooler_output), dim=-1)
        assert close(ours, theirs), longer
        found.append(ours)
    assert not close(found[0][0], found[1][0], 1e-3)


@LEGACY
def test_fusion_in_laions_classes_is_refused(fused: Path) -> None:
    with pytest.raises(InputError, match="is a fusion model: load it with classes='hf'"):
        load(str(fused), classes="laion")
    with pytest.raises(InputError, match="is a fusion model"):
        LaionClap(laion.random_network(fusion=True), load_tokenizer(fused.parent))


# Objects, text, and what is left behind


@LEGACY
def test_from_built_objects(both: dict[str, Any], reference: laion.Reference) -> None:
    wrapper = LaionClap(reference.module, reference.module.tokenize)
    bare = LaionClap(reference.module.model, reference.module.tokenize)
    for built in (wrapper, bare):
        assert close(embed(built, SIGNALS["noise"]), embed(both["laion"], SIGNALS["noise"]), 1e-6)
        assert close(built.embed_text(PROMPTS), both["laion"].embed_text(PROMPTS), 1e-6)
    other = LaionClap(laion.random_network(seed=1), reference.module.tokenize)
    assert wrapper.card.weights_sha256 == bare.card.weights_sha256 != other.card.weights_sha256


def test_long_prompts_are_refused(model: Any) -> None:
    words = (len(model.tokenizer("dog " * 20)["input_ids"]) - 2) / 20
    assert model.embed_text(["dog " * int(74 / words)]).shape == (1, 128)
    with pytest.raises(InputError, match=r"the prompt 'dog dog .*' has \d+ tokens and laion:.* takes 77: shorten it"):
        model.embed_text(["a dog", "dog " * 80])
    with pytest.raises(InputError, match="no prompts"):
        model.embed_text([])


@LEGACY
def test_modes_hooks_statistics_and_generators_come_back(file: Path) -> None:
    model: Any = load(str(file), classes="laion")
    expected = embed(model, SIGNALS["noise"])
    model.model.train()
    model.model.text_branch.eval()
    before = model.model.audio_branch.bn0.running_mean.clone()
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert torch.equal(embed(model, SIGNALS["noise"]), expected)
    model.embed_text(["a dog"])

    def fail(_module: nn.Module, _args: object, _output: object) -> None:
        raise RuntimeError("mine")

    handle = model.taps["stage3"].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="mine"):
        embed(model, SIGNALS["noise"])
    handle.remove()
    assert not any(m._forward_hooks for root in [*model.modules(), *model.taps.values()] for m in root.modules())
    assert model.model.training
    assert model.model.audio_branch.bn0.training
    assert not model.model.text_branch.training
    assert torch.equal(model.model.audio_branch.bn0.running_mean, before)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002
    assert all(p.grad is None and not p.requires_grad for p in model.model.parameters())


def test_loading_is_silent(file: Path, classes: Any, capfd: pytest.CaptureFixture[str]) -> None:
    state = torch.get_rng_state()
    model = load(str(file), classes=classes)
    model.embed_text(["a dog"])
    embed(model, SIGNALS["noise 1 s"])
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), state)


def test_the_process_is_left_as_it_was(file: Path, classes: str) -> None:
    script(f"""
import logging, os, sys, warnings
import torch
from transformers import ClapModel, ClapFeatureExtractor, AutoTokenizer, RobertaModel
from transformers.utils import logging as hf
state = lambda: (list(warnings.filters), dict(os.environ), hf.get_verbosity(), logging.root.level,
                 list(logging.root.handlers), torch.get_rng_state().sum().item(), list(sys.path))
before = state()
from zsxai.adapters.laion import load
load({str(file)!r}, classes={classes!r}).embed_text(["a dog"])
assert state() == before
loaded = [name for name in sys.modules if name.partition(".")[0] in
          ("tests", "torchvision", "torchaudio", "clap_module", "training", "hook")]
assert not loaded, loaded
assert "laion_clap" not in sys.modules
assert ("laion_clap.clap_module" in sys.modules) == ({classes!r} == "laion")
assert "from_pretrained" not in vars(RobertaModel)
""")


def test_without_laion_clap(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["laion_clap", *(name for name in sys.modules if name.startswith("laion_clap."))]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "laion_clap.clap_module", raising=False)
    assert zsxai.load_model(f"laion:{file}").embed_text(["a dog"]).shape == (1, 128)
    with pytest.raises(MissingExtraError) as caught:
        zsxai.load_model(f"laion:{file}", classes="laion")
    assert str(caught.value) == "classes='laion' needs the package 'laion_clap': pip install 'zsxai[laion]'"


# Names


@pytest.mark.parametrize("argument", [None, "", "nowhere.pt", "/", "630k-audio", "a\0b"])
def test_what_is_no_checkpoint_is_one_line(argument: str | None) -> None:
    with pytest.raises(InputError, match=r"known names: 630k-best, |is a folder") as caught:
        load(argument)
    assert "\n" not in str(caught.value)


def test_options_that_are_none(file: Path) -> None:
    with pytest.raises(InputError, match="classes is 'hf' or 'laion', not 'fused'"):
        load(str(file), classes="fused")  # type: ignore[arg-type]


def test_devices_that_are_none(file: Path, classes: Any) -> None:
    with pytest.raises(InputError, match="cannot load laion:") as caught:
        load(str(file), classes=classes, device="nonsense")
    assert "\n" not in str(caught.value)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def in_cache(cache: Path, repository: str, *files: Path, blob: str | None = None) -> Path:
    """Lay files into the cache as the hub does: under their SHA-256, with a link."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0" * 40)
    for made in (snapshot, folder / "blobs", folder / "refs"):
        made.mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    for file in files:
        stored = folder / "blobs" / (blob or hashlib.sha256(file.read_bytes()).hexdigest())
        stored.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(stored)
    return snapshot


def test_known_names_offline_are_one_line(cache: Path) -> None:
    for argument in (*KNOWN, "630k-audioset-best.pt"):
        name = argument.removesuffix(".pt")
        with pytest.raises(InputError, match=rf"'lukewys/laion_clap' .* give the file {name}\.pt") as caught:
            load(argument)
        assert "\n" not in str(caught.value)


def test_known_names_in_the_cache(cache: Path, file: Path, tmp_path: Path) -> None:
    named = tmp_path / "630k-audioset-best.pt"
    named.write_bytes(file.read_bytes())
    in_cache(cache, "lukewys/laion_clap", named)
    with pytest.raises(InputError, match=r"'roberta-base' cannot be had .*give its folder as tokenizer=<folder>"):
        load("630k-audioset-best")
    in_cache(cache, "roberta-base", file.parent / "tokenizer.json", file.parent / "tokenizer_config.json")
    for argument in ("630k-audioset-best", "630k-audioset-best.pt"):
        loaded = load(argument)
        assert close(loaded.embed_text(PROMPTS), load(str(file)).embed_text(PROMPTS), 1e-6)
        assert loaded.card.name == f"laion:{argument}"
        assert loaded.card.licence == "CC0-1.0"
        assert loaded.card.source.startswith("https://huggingface.co/lukewys/laion_clap/blob/0000")
        assert loaded.card.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_damaged_downloads_are_refused(cache: Path, file: Path, tmp_path: Path) -> None:
    named = tmp_path / "630k-best.pt"
    named.write_bytes(file.read_bytes())
    in_cache(cache, "lukewys/laion_clap", named, blob="f" * 64)
    with pytest.raises(InputError, match="damaged"):
        load("630k-best")


def test_the_tokenizer_named_or_beside_or_none(cache: Path, file: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / "tiny.pt"
    alone.parent.mkdir()
    alone.write_bytes(file.read_bytes())
    with pytest.raises(InputError, match=r"give its folder as tokenizer=<folder>") as caught:
        load(str(alone))
    assert "\n" not in str(caught.value)
    named = load(str(alone), tokenizer=str(file.parent))
    assert close(named.embed_text(PROMPTS), load(str(file)).embed_text(PROMPTS), 1e-6)


@pytest.mark.parametrize(
    "key",
    [
        "audio_branch.patch_embed.proj.weight",
        "audio_branch.layers.0.blocks.0.attn.relative_position_bias_table",
        "audio_branch.bn0.weight",
        "text_branch.embeddings.word_embeddings.weight",
        "audio_branch.tscam_conv.bias",
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (0, 1, 4, 4), (2, 2, 2)])
def test_weights_that_tell_no_size_are_one_line(changed: Change, key: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"is no LAION-CLAP checkpoint: its weight '{key}' has the shape") as caught:
        load(str(changed(put(key, *shape))))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("saved", [None, [1], torch.ones(2), {"state_dict": None}, {"state_dict": [torch.ones(2)]}])
def test_files_without_a_state_dict_are_one_line(tmp_path: Path, saved: object) -> None:
    torch.save(saved, tmp_path / "x.pt")
    save_tokenizer(tmp_path)
    with pytest.raises(InputError, match="no LAION-CLAP checkpoint") as caught:
        load(str(tmp_path / "x.pt"))
    assert "\n" not in str(caught.value)
