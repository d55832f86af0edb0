"""The bundled model: its files, its tokenizer, its geometry, its training."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from zsxai.adapters.tiny import load, load_twin
from zsxai.adapters.tiny.audio import TAPS, AudioEncoder
from zsxai.adapters.tiny.model import TinyClap
from zsxai.adapters.tiny.spec import FRONT_END, WINDOW
from zsxai.adapters.tiny.store import AUDIO, MANIFEST, TEXT, VOCABULARY, packed, unpacked, write_weights
from zsxai.adapters.tiny.text import LIMIT
from zsxai.adapters.tiny.tokenizer import WordPiece
from zsxai.adapters.tiny.training.augment import FLOOR, Augment, Strength
from zsxai.adapters.tiny.training.captions import UNHEARD, load_captions, normal
from zsxai.adapters.tiny.training.corpus import generate
from zsxai.adapters.tiny.training.evaluate import CONDITIONS, accuracy_differences, figures, white_noise
from zsxai.adapters.tiny.training.fit import Recipe, Texts, contrastive_loss, fit, right_captions
from zsxai.adapters.tiny.training.scoring import macro, mean_average_precision, micro, replicate_weights
from zsxai.data.clip import LabelledClip
from zsxai.data.esc50 import ESC50
from zsxai.errors import InputError
from zsxai.model import SpectralModel
from zsxai.spectral import FrontEnd

WEIGHTS = Path(importlib.util.find_spec("zsxai.adapters.tiny").origin).parent / "weights"


@pytest.fixture(scope="module")
def model() -> TinyClap:
    return load()


def clips(n: int, seconds: float = 5.0, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(n, round(seconds * 32000), generator=generator)


# Loading


def test_importing_the_package_is_light() -> None:
    code = "import sys, zsxai.adapters.tiny; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_loads_frozen_in_eval_mode_with_its_card(model: TinyClap) -> None:
    assert isinstance(model, SpectralModel)
    assert not any(p.requires_grad for m in model.modules() for p in m.parameters())
    assert not any(m.training for root in model.modules() for m in root.modules())
    assert model.sample_rate == 32000
    assert 5 < model.logit_scale < 100
    assert "CC-BY-4.0" in model.card.licence
    assert len(model.card.weights_sha256) == 64


def test_the_weights_stay_small() -> None:
    assert sum(f.stat().st_size for f in WEIGHTS.iterdir() if f.is_file()) < 12 * 2**20


def test_loads_without_transformers() -> None:
    code = "import sys; from zsxai.adapters.tiny import load; load(); print('transformers' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in (AUDIO, TEXT, VOCABULARY, MANIFEST):
        shutil.copy(WEIGHTS / name, tmp_path / name)
    return tmp_path


def test_loads_from_a_folder_of_the_same_format(model: TinyClap, copy: Path) -> None:
    x = clips(1)
    assert torch.equal(load(str(copy)).embed_audio(x), model.embed_audio(x))


@pytest.mark.parametrize("name", [AUDIO, TEXT, VOCABULARY])
def test_refuses_corrupt_weights(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(InputError, match="corrupt") as caught:
        load(str(copy))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [AUDIO, TEXT, VOCABULARY, MANIFEST])
def test_refuses_missing_files(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(InputError, match=name):
        load(str(copy))


@pytest.mark.parametrize("argument", [None, "", "4", "1/../1", "0"])
def test_twins_are_three(argument: str | None) -> None:
    with pytest.raises(InputError, match="tiny-twin:1, tiny-twin:2, tiny-twin:3"):
        load_twin(argument)


def test_a_twin_has_the_text_side_of_the_bundled_weights(model: TinyClap, copy: Path) -> None:
    """Its folder holds its audio weights alone; the manifest pins the text side that it was made beside."""
    for name in (TEXT, VOCABULARY):
        (copy / name).unlink()
    twin = TinyClap.from_folder(copy, torch.device("cpu"), twin=2)
    assert twin.card.name == "tiny-twin:2"
    assert twin.decoders == (copy / "decoders",)
    assert torch.equal(twin.embed_text(["a dog"]), model.embed_text(["a dog"]))
    with pytest.raises(InputError, match=f"lack {TEXT}"):
        TinyClap.from_folder(copy, torch.device("cpu"))
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["sha256"][TEXT] = "0" * 64
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="is corrupt"):
        TinyClap.from_folder(copy, torch.device("cpu"), twin=2)


def test_weights_are_written_as_they_are_read(model: TinyClap, tmp_path: Path) -> None:
    text, vocabulary = ((WEIGHTS / name).read_bytes() for name in (TEXT, VOCABULARY))
    write_weights(tmp_path, model.audio, text, vocabulary, {"folds": [1, 2]})
    again = load(str(tmp_path))
    assert "folds 1, 2" in again.card.training_data
    for name, value in model.audio.state_dict().items():
        assert torch.equal(again.audio.state_dict()[name], value), name
    assert (tmp_path / TEXT).read_bytes() == text


def test_the_stored_mel_bank_is_the_one_of_its_numbers(model: TinyClap) -> None:
    """Bit for bit: a saved explanation on mel, which holds no bank, sounds the same."""
    assert torch.equal(model.front_end.bank, FrontEnd(FRONT_END).bank)


def test_refuses_a_bank_that_is_corrupt_or_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = tmp_path / "mel_bank.safetensors"
    monkeypatch.setattr("zsxai.adapters.tiny.store.BANK", bank)
    with pytest.raises(InputError, match=r"lack mel_bank\.safetensors; install again"):
        load()
    bank.write_bytes(b"\0")
    with pytest.raises(InputError, match="is corrupt"):
        load()


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_refuses_tensors_of_another_network(copy: Path, change: str) -> None:
    import hashlib

    from safetensors.torch import load_file, save_file

    tensors = load_file(WEIGHTS / AUDIO)  # mapped into memory: the file that is written over must be another
    if change == "missing":
        del tensors["out.bias"]
    elif change == "extra":
        tensors["surplus"] = torch.zeros(1)
    else:
        tensors["out.bias"] = torch.zeros(7)
    save_file(tensors, copy / AUDIO)
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["sha256"][AUDIO] = hashlib.sha256((copy / AUDIO).read_bytes()).hexdigest()
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="do not fit"):
        load(str(copy))


def test_refuses_a_manifest_that_is_none(copy: Path) -> None:
    (copy / MANIFEST).write_text("[]")
    with pytest.raises(InputError, match="manifest"):
        load(str(copy))


def test_packing_keeps_the_values() -> None:
    state = {"matrix": torch.randn(8, 16, generator=torch.Generator().manual_seed(0)), "vector": torch.arange(4.0)}
    for rows, most in ((True, 0.02), (False, 2e-3)):
        back = unpacked(packed(state, rows=rows))
        assert torch.equal(back["vector"], state["vector"])
        assert (back["matrix"] - state["matrix"]).abs().max() < most
        # What was rounded once stays as it is.
        again = unpacked(packed(back, rows=rows))
        assert torch.allclose(again["matrix"], back["matrix"], atol=1e-7)


# Text


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return WordPiece.from_file(WEIGHTS / VOCABULARY, LIMIT)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("the sound of a dog", ["[CLS]", "the", "sound", "of", "a", "dog", "[SEP]"]),
        ("Café, NAÏVE!", ["[CLS]", "cafe", ",", "naive", "!", "[SEP]"]),
        ("chainsaws", ["[CLS]", "chains", "##aw", "##s", "[SEP]"]),
        ("", ["[CLS]", "[SEP]"]),
        ("a" * 101, ["[CLS]", "[UNK]", "[SEP]"]),
    ],
)
def test_tokenizer(tokenizer: WordPiece, text: str, pieces: list[str]) -> None:
    names = {i: t for t, i in tokenizer.ids.items()}
    assert [names[i] for i in tokenizer.tokenize(text)] == pieces


def test_tokenizer_equals_hugging_faces(tokenizer: WordPiece) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertTokenizer(str(WEIGHTS / VOCABULARY))
    captions = load_captions()
    texts = [c for label in list(captions.phrases)[::5] for c in captions.captions(label)]
    texts += [p for phrases in captions.held_out.values() for p in phrases]
    texts += [
        "汽车 喇叭 horn",
        "don't $5^2 … “x”",
        "İstanbul ÅNGSTRÖM ǅ",
        "tab\tnew\nline",
        "emoji 😀 ok",
        "\u200bzero\x00",
        "½ ﬁ",
    ]
    wrong = [t for t in texts if theirs(t)["input_ids"] != tokenizer.tokenize(t)]
    assert wrong == []


def test_text_embeddings_are_unit_and_batched_as_single(model: TinyClap) -> None:
    prompts = ["rain", "the sound of a dog barking", "a very long description of bells that ring in a far village"]
    encoding = model.encode_text(prompts)
    assert torch.allclose(encoding.embedding.norm(dim=1), torch.ones(3), atol=1e-6)
    assert encoding.tokens.shape[:2] == encoding.token_mask.shape
    assert encoding.token_mask.sum(dim=1).tolist() == [len(model.tokenizer.tokenize(p)) for p in prompts]
    for i, prompt in enumerate(prompts):
        assert torch.allclose(model.embed_text([prompt])[0], encoding.embedding[i], atol=1e-5)


def test_a_prompt_that_is_too_long_is_the_callers_mistake(model: TinyClap) -> None:
    assert model.embed_text(["dog " * (LIMIT - 2)]).shape == (1, 384)
    with pytest.raises(InputError, match="tokens"):
        model.embed_text(["dog " * (LIMIT - 1)])


def test_wording_means_something(model: TinyClap) -> None:
    labels = model.embed_text(
        ["the sound of dog", "the sound of rain", "the sound of church bells", "the sound of engine"]
    )
    said = model.embed_text(["a puppy that barks", "raindrops on the roof", "a bell tower", "a motorcycle"])
    assert (said @ labels.T).argmax(dim=1).tolist() == [0, 1, 2, 3]


# Wording


def test_held_out_wording_is_never_trained_on() -> None:
    captions = load_captions()
    assert len(captions.phrases) == 50
    assert all(len(p) >= 2 for p in captions.held_out.values())
    assert len(captions.held_out_normal) >= 100
    trained = {normal(p) for phrases in captions.phrases.values() for p in phrases} | {
        normal(p) for p in captions.others
    }
    assert not trained & captions.held_out_normal
    for label in captions.phrases:
        assert not [c for c in captions.captions(label) if captions.is_held_out(c)]
    assert not [c for c in captions.other_captions if captions.is_held_out(c)]


def test_no_phrase_is_in_two_classes() -> None:
    captions = load_captions()
    both = [normal(p) for table in (captions.phrases, captions.held_out) for ps in table.values() for p in ps]
    assert len(both) == len(set(both))
    assert set(UNHEARD) < set(captions.phrases)


def test_generated_texts_are_seeded_and_without_the_held_out(tokenizer: WordPiece) -> None:
    captions, vocabulary = load_captions(), list(tokenizer.ids)
    texts = generate(captions, vocabulary, 1000, seed=0)
    assert texts == generate(captions, vocabulary, 1000, seed=0)
    assert texts != generate(captions, vocabulary, 1000, seed=1)
    assert len(set(texts)) == 1000
    assert not [t for t in texts if captions.is_held_out(t)]


# Audio


def test_audio_embeddings_are_unit_repeatable_and_batched_as_single(model: TinyClap) -> None:
    x = clips(3)
    rows = model.embed_audio(x)
    assert torch.allclose(rows.norm(dim=1), torch.ones(3), atol=1e-6)
    assert torch.equal(rows, model.embed_audio(x))
    for i in range(3):
        assert torch.allclose(model.embed_audio(x[i : i + 1])[0], rows[i], atol=1e-5)


@pytest.mark.parametrize("seconds", [0.01, 0.4, 2.5])
def test_short_clips_fill_the_window(model: TinyClap, seconds: float) -> None:
    assert model.embed_audio(clips(1, seconds)).isfinite().all()


def test_silence_is_finite(model: TinyClap) -> None:
    assert model.embed_audio(torch.zeros(1, WINDOW)).isfinite().all()


def test_longer_than_the_window_is_the_callers_mistake(model: TinyClap) -> None:
    with pytest.raises(InputError, match="window"):
        model.embed_audio(clips(1, 5.1))


def test_taps_lie_in_the_graph_of_the_embedding(model: TinyClap) -> None:
    assert len(model.taps) >= 4
    encoding = model.encode(model.features(clips(1).requires_grad_()))
    assert [m.name for m in encoding.feature_maps] == list(model.taps)
    for feature_map in encoding.feature_maps:
        gradient = torch.autograd.grad(encoding.embedding[0, 0], feature_map.values, retain_graph=True)[0]
        assert gradient.abs().sum() > 0
        assert feature_map.values.shape[2:] == feature_map.grid.shape
    sizes = [m.values.shape[2:].numel() for m in encoding.feature_maps]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) >= 4


def test_taps_replace_what_flows_through_them(model: TinyClap) -> None:
    x = clips(1)
    plain = model.embed_audio(x)
    for tap in model.taps.values():
        handle = tap.register_forward_hook(lambda _module, _inputs, out: out * 0)
        try:
            assert not torch.allclose(model.embed_audio(x), plain)
        finally:
            handle.remove()
    assert torch.equal(model.embed_audio(x), plain)


@pytest.mark.parametrize("at", [(0.02, 130.0), (1.0, 600.0), (2.47, 2500.0), (4.0, 9000.0), (4.97, 1300.0)])
def test_a_touched_time_and_band_moves_its_own_cell_most(at: tuple[float, float]) -> None:
    """Geometry, on weights that hide nothing: every kernel a mean, so a cell sees its surroundings symmetrically."""
    seconds, hertz = at
    with torch.random.fork_rng(devices=[]):
        encoder = AudioEncoder().eval().requires_grad_(False)
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            size = module.kernel_size
            profile = torch.tensor({1: [1.0], 3: [1.0, 2.0, 1.0], 4: [1.0, 2.0, 2.0, 1.0]}[size[0]])
            module.weight.copy_(torch.outer(profile, profile).expand_as(module.weight) / module.weight[0].numel())
    model = load()
    model.audio = encoder
    model.taps = dict(encoder.taps.items())
    before = torch.full((1, 1, FRONT_END.n_mels, 501), 1.0)
    frame = min(round(seconds * 100), 500)
    mels = model.front_end.spec
    from zsxai.spectral import mel_grid

    band = int(np.abs(mel_grid(mels, WINDOW).frequencies - hertz).argmin())
    after = before.clone()
    after[0, 0, band, frame] += 1.0
    for name, span in TAPS.items():
        moved = (encoder(after)[1][name] - encoder(before)[1][name])[0].sum(dim=0)
        row, column = divmod(int(moved.abs().argmax()), moved.shape[1])
        grid = model.encode(_features(before)).feature_maps[list(TAPS).index(name)].grid
        low, high = grid.frequency_edges[row : row + 2]
        start, end = grid.time_edges[column : column + 2]
        centre = mel_grid(mels, WINDOW).frequencies[band]
        assert low <= centre <= high, (name, span)
        assert start <= frame * 0.01 <= end, (name, span)


@pytest.mark.parametrize("at", [(0.4, 300.0), (1.1, 700.0), (2.5, 2500.0), (4.1, 9000.0), (4.6, 1300.0)])
def test_a_short_tone_moves_the_trained_maps_where_it_sounds(model: TinyClap, at: tuple[float, float]) -> None:
    seconds, hertz = at
    time = torch.arange(WINDOW) / 32000
    tone = 0.3 * torch.sin(2 * torch.pi * hertz * time) * torch.exp(-(((time - seconds) / 0.03) ** 2))
    silent, sounding = (model.encode(model.features(x)).feature_maps for x in (clips(1) * 0.03, clips(1) * 0.03 + tone))
    for before, after in zip(silent, sounding, strict=True):
        moved = (after.values - before.values)[0].square().sum(dim=0)
        row, column = divmod(int(moved.argmax()), moved.shape[1])
        grid = after.grid
        # Edges of the tone excite a trained stem more than its middle does: one row and 100 ms off are allowed.
        assert abs(row - (np.searchsorted(grid.frequency_edges, hertz) - 1)) <= 1, before.name
        assert grid.time_edges[column] - 0.1 <= seconds <= grid.time_edges[column + 1] + 0.1, before.name


def _features(log_mel: torch.Tensor) -> object:
    from zsxai.model import Features

    return Features(None, log_mel[:, 0], log_mel)


# Training


def test_augmentation_is_finite_in_range_and_from_its_generator_alone() -> None:
    x = torch.full((8, 64, 501), -20.0) + 10 * torch.randn(8, 64, 501, generator=torch.Generator().manual_seed(0))
    x[0] = FLOOR
    x[1, :, 100:] = FLOOR
    strength = Strength(mixup=0.7, noise=0.7, low_pass=0.7, masked=0.7, short=0.7)
    state = torch.random.get_rng_state()
    for whole, length in ((False, 256), (True, 501)):
        runs = [
            Augment(torch.Generator().manual_seed(3), strength)(x, length, whole=whole, mixing=True) for _ in range(2)
        ]
        out, partner, share = runs[0]
        assert out.shape == (8, 64, length)
        assert out.isfinite().all()
        assert out.min() >= FLOOR
        assert sorted(partner.tolist()) == list(range(8))
        assert ((share >= 0.5) & (share <= 1)).all()
        assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    assert torch.equal(state, torch.random.get_rng_state())


def test_nothing_is_steady_noise_or_silence() -> None:
    made = Augment(torch.Generator().manual_seed(0), Strength()).nothing(64, 100)
    assert made.shape == (64, 64, 100)
    assert made.min() >= FLOOR
    silent = (made == FLOOR).all(dim=(1, 2))
    assert 8 <= int(silent.sum()) <= 24, "a quarter"
    over_time = made[~silent].mean(dim=1)
    assert float(over_time.std(dim=1).max()) < 1.5, "steady"
    assert float(made[~silent].amax(dim=(1, 2)).max()) < 21


def test_mixed_targets_sum_to_one_and_the_loss_is_least_at_the_truth() -> None:
    labels, partner = torch.tensor([0, 2]), torch.tensor([1, 0])
    right = right_captions(labels, partner, torch.tensor([0.75, 1.0]), classes=3, each=2, others=1)
    assert torch.allclose(right.sum(dim=1), torch.ones(2))
    assert right[0].tolist() == pytest.approx([0.375, 0.375, 0, 0, 0.125, 0.125, 0])
    good, bad = contrastive_loss(10 * right, right), contrastive_loss(-10 * right, right)
    assert good < bad


def _texts(classes: int) -> Texts:
    generator = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(classes + 1, 3, 384, generator=generator), dim=-1)
    return Texts(tuple(rows[:classes]), rows[classes])


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(8, 64, 400, generator=generator) * 20 - 20, torch.arange(8) % 2
    recipe = Recipe(epochs=3, batch=4)

    class Killed(Exception):
        pass

    def kill(step: object, _: AudioEncoder) -> None:
        if step.epoch is None and step.step == 3:
            raise Killed

    unbroken = fit(x, y, _texts(2), tmp_path / "a", recipe=recipe)
    with pytest.raises(Killed):
        fit(x, y, _texts(2), tmp_path / "b", recipe=recipe, report=kill)
    resumed = fit(x, y, _texts(2), tmp_path / "b", recipe=recipe, resume=True)
    for name, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


# Measuring


def test_scores_of_known_rankings() -> None:
    ones = np.ones((1, 4))
    right = np.array([1, 1, 0, 1], dtype=bool)
    assert micro(right)(ones)[0] == pytest.approx(0.75)
    assert macro(right, np.array([0, 0, 0, 1]))(ones)[0] == pytest.approx((2 / 3 + 1) / 2)
    scores = np.array([[0.9], [0.8], [0.7], [0.6]])
    found = mean_average_precision(scores, np.array([[True], [False], [True], [False]]))(ones)[0]
    assert found == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_equals_sklearns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    scores, relevant = rng.normal(size=(50, 3)), rng.random((50, 3)) < 0.3
    ours = mean_average_precision(scores, relevant)(np.ones((1, 50)))[0]
    assert ours == pytest.approx(metrics.average_precision_score(relevant, scores, average="macro"))


def test_the_bootstrap_draws_recordings() -> None:
    weights = replicate_weights(["a", "a", "b"], seed=0, replicates=50)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 0] + weights[:, 2] == 2).all()


def test_two_models_are_compared_clip_by_clip() -> None:
    """Of four recordings, two with two clips: one model names all, the other one half."""
    clips = [LabelledClip(name=f"{i}", label="ab"[i % 2], source=f"s{i % 4}", audio="none.wav") for i in range(6)]
    texts = torch.eye(2)
    truth = torch.eye(2)[[0, 1, 0, 1, 0, 1]]
    half = torch.eye(2)[[0, 0, 0, 0, 0, 0]]
    found = accuracy_differences(clips, [truth] * 5, [half] * 5, texts, ["a", "b"], seed=0)
    assert list(found) == [f"accuracy, {name}" for name in CONDITIONS]
    figure = found["accuracy, clean"]
    assert (figure.value, figure.n, figure.chance) == (0.5, 6, 0.0)
    assert 0 <= figure.low < 0.5 < figure.high <= 1
    same = accuracy_differences(clips, [truth] * 5, [truth] * 5, texts, ["a", "b"], seed=0)["accuracy, clean"]
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_conditions_do_what_they_say() -> None:
    x = clips(2)
    noisy = white_noise(x, seed=0)
    ratio = x.square().mean() / (noisy - x).square().mean()
    assert float(10 * ratio.log10()) == pytest.approx(10, abs=0.1)
    assert CONDITIONS["first half"](x, 0).shape == (2, WINDOW // 2)
    low = CONDITIONS["8 kHz source"](x, 0)
    spectrum = torch.fft.rfft(low).abs()
    assert spectrum[:, 4500 * 5 :].max() < 0.01 * spectrum.max()


@pytest.mark.esc50
@pytest.mark.slow
def test_accuracy_on_recordings_never_heard(model: TinyClap, esc50: Path) -> None:
    """A floor well under the card's figure, with the evaluation's own code."""
    data = ESC50(esc50, [4])
    from zsxai.adapters.tiny.training.evaluate import embed

    with torch.inference_mode():
        embeddings = embed(model, list(data), progress=False)
        found = figures(model, list(data), embeddings, load_captions(), data.labels, seed=0)
    assert found["accuracy, clean"].value > 0.65
    assert found["mAP, held-out paraphrases"].value > 0.5
    assert found["accuracy, first half"].value > 0.5


def test_loading_draws_no_global_random_number() -> None:
    before = torch.get_rng_state()
    load()
    assert torch.equal(torch.get_rng_state(), before)
