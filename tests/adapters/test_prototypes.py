"""``prototypes``: sounds of one's own, by a few recordings of each."""

from __future__ import annotations

import itertools
import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import zsxai
from tests.toys import STRICT
from zsxai.cli import main
from zsxai.data.esc50 import ESC50
from zsxai.errors import InputError
from zsxai.model import SpectralModel

pytestmark = STRICT

RATE = 32000
LABELS = ["pure tone", "white noise", "clicks"]
Generator = np.random.Generator


def a_tone(rng: Generator) -> np.ndarray:
    time = np.arange(2 * RATE) / RATE
    hertz = rng.uniform(600, 900)
    tone = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.1 * np.sin(4 * np.pi * hertz * time)
    return tone + 0.001 * rng.standard_normal(len(time))


def a_noise(rng: Generator) -> np.ndarray:
    return 0.1 * rng.standard_normal(2 * RATE)


def a_click_train(rng: Generator) -> np.ndarray:
    clicks = 0.0005 * rng.standard_normal(2 * RATE)
    for seconds in np.arange(rng.uniform(0, 0.2), 1.99, rng.uniform(0.12, 0.2)):
        start = int(seconds * RATE)
        clicks[start : start + 60] += rng.standard_normal(60) * np.exp(-np.arange(60) / 15)
    return clicks


SOUNDS: dict[str, Callable[[Generator], np.ndarray]] = {
    "pure_tone": a_tone,
    "White-Noise": a_noise,
    "clicks": a_click_train,
}


def sound(label: str, seed: int) -> np.ndarray:
    """A clip of two seconds; the prototypes are seeds 0 to 2."""
    make = {name.lower().replace("_", " ").replace("-", " "): make for name, make in SOUNDS.items()}[label]
    return make(np.random.default_rng(seed)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sounds")
    for name in SOUNDS:
        (root / name).mkdir()
        for seed in range(3):
            label = name.lower().replace("_", " ").replace("-", " ")
            soundfile.write(root / name / f"{seed}.wav", sound(label, seed), RATE, subtype="FLOAT")
    (root / "clicks" / "notes.txt").write_text("not a recording", encoding="utf-8")
    (root / "empty").mkdir()
    (root / "README.md").write_text("not a class", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def model(folder: Path) -> zsxai.ZeroShotModel:
    return zsxai.load_model(f"prototypes:{folder}")


def test_it_is_a_black_box_with_a_card_of_its_own(model: zsxai.ZeroShotModel, folder: Path) -> None:
    assert not isinstance(model, SpectralModel)
    assert model.card.name == f"prototypes:{folder}"
    assert model.card.training_data == "9 recordings of clicks, pure tone, white noise"
    assert len(str(model.card.weights_sha256)) == 64
    assert not model.embed_audio(torch.randn(1, 400).requires_grad_()).requires_grad


@pytest.mark.parametrize("label", LABELS)
def test_clips_it_never_heard_are_told_apart(model: zsxai.ZeroShotModel, label: str) -> None:
    for seed in range(10, 15):
        found = zsxai.classify(sound(label, seed), LABELS, model=model, sample_rate=RATE, template="the sound of {}")
        assert found[0].label == label


def test_a_class_is_the_mean_of_its_recordings(model: zsxai.ZeroShotModel) -> None:
    clips = torch.from_numpy(np.stack([sound("clicks", seed) for seed in range(3)]))
    mean = torch.nn.functional.normalize(model.embed_audio(clips).mean(dim=0), dim=0)
    torch.testing.assert_close(model.embed_text(["clicks"])[0], mean, atol=1e-5, rtol=0)


def test_what_the_recordings_share_is_taken_off(model: zsxai.ZeroShotModel) -> None:
    every = torch.from_numpy(np.stack([sound(label, seed) for label in LABELS for seed in range(3)]))
    cosines = model.embed_audio(every) @ model.embed_text(LABELS).T
    assert float(cosines.mean()) < 0.2, "without their mean all recordings look alike"


def test_it_hears_no_volume(model: zsxai.ZeroShotModel) -> None:
    clip = torch.from_numpy(sound("clicks", 7))[None]
    torch.testing.assert_close(model.embed_audio(clip), model.embed_audio(clip / 10), atol=1e-3, rtol=0)


def test_rows_do_not_depend_on_their_batch(model: zsxai.ZeroShotModel) -> None:
    clips = torch.from_numpy(np.stack([sound(label, 8) for label in LABELS]))
    assert torch.equal(model.embed_audio(clips)[1:2], model.embed_audio(clips[1:2]))


@pytest.mark.parametrize("samples", [1, 100, 1023, 5000])
def test_short_and_silent_clips_have_finite_embeddings(model: zsxai.ZeroShotModel, samples: int) -> None:
    for clip in (torch.zeros(1, samples), torch.full((1, samples), 0.1)):
        assert torch.isfinite(model.embed_audio(clip)).all()


@pytest.mark.parametrize(
    "prompt", ["white noise", "White_Noise", "the sound of white noise", "White-noise!", "I hear white noise."]
)
def test_a_prompt_names_a_class_alone_or_within_words(model: zsxai.ZeroShotModel, prompt: str) -> None:
    assert torch.equal(model.embed_text([prompt]), model.embed_text(["white noise"]))


@pytest.mark.parametrize("prompt", ["a dog barking", "noise", "unclicks", "clickss"])
def test_a_prompt_that_names_no_class_is_answered_with_the_classes(model: zsxai.ZeroShotModel, prompt: str) -> None:
    with pytest.raises(InputError, match="names no class: name one of clicks, pure tone, white noise") as caught:
        zsxai.explain(sound("clicks", 9), prompt, model=model, sample_rate=RATE)
    assert prompt in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_prompt_that_names_two_classes_is_refused(model: zsxai.ZeroShotModel) -> None:
    with pytest.raises(InputError, match=r"names several classes \(clicks, pure tone\)"):
        model.embed_text(["clicks over a pure tone"])


def test_the_longer_name_wins(tmp_path: Path) -> None:
    for name, label in (("dog", "clicks"), ("hot dog", "white noise")):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "1.flac", sound(label, 0), RATE)
    model = zsxai.load_model(f"prototypes:{tmp_path}")
    dog, hot, within = model.embed_text(["dog", "hot dog", "the sound of a hot dog"])
    assert torch.equal(hot, within)
    assert not torch.equal(hot, dog)


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(LABELS, 2)))
def test_occlusion_finds_the_half_of_the_class(model: zsxai.ZeroShotModel, first: str, second: str) -> None:
    joined = np.concatenate([sound(first, 20), sound(second, 21)])
    halves = []
    for prompt, other in ((first, second), (second, first)):
        made = zsxai.explain(joined, prompt, against=[other], model=model, sample_rate=RATE)
        assert made.provenance.explainer == "occlusion"
        middle = made.mask.shape[1] // 2
        halves.append(made.mask[:, :middle].sum() / made.mask.sum())
    assert halves[0] > 0.6, f"{first} sounds in the first half"
    assert halves[1] < 0.4, f"{second} sounds in the second half"


@pytest.mark.parametrize("explainer", ["constant", "random", "loudness", "energy", "rolled", "foil"])
def test_the_controls_run(model: zsxai.ZeroShotModel, explainer: str) -> None:
    options = {"rolled": {"of": "occlusion"}, "foil": {"of": "occlusion", "prompt": "clicks"}}.get(explainer, {})
    made = zsxai.explain(
        sound("pure tone", 3), "pure tone", model=model, explainer=explainer, options=options, sample_rate=RATE
    )
    assert np.isfinite(made.mask).all()


def test_gradients_are_refused_in_one_line(model: zsxai.ZeroShotModel) -> None:
    with pytest.raises(InputError, match="black box: use 'occlusion'"):
        zsxai.explain(sound("clicks", 3), "clicks", model=model, explainer="gradcam", sample_rate=RATE)


def test_loading_it_twice_gives_the_same(model: zsxai.ZeroShotModel, folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    again = zsxai.load_model(f"prototypes:{moved}")
    assert torch.equal(again.embed_text(LABELS), model.embed_text(LABELS))
    assert again.card.weights_sha256 == model.card.weights_sha256
    (moved / "clicks" / "0.wav").unlink()
    assert zsxai.load_model(f"prototypes:{moved}").card.weights_sha256 != model.card.weights_sha256


def test_recordings_of_any_rate_and_channels_are_read(folder: Path, tmp_path: Path) -> None:
    from zsxai.audio import read_audio

    for name in SOUNDS:
        (tmp_path / name).mkdir()
        for file in (folder / name).glob("*.wav"):
            low = read_audio(file).at(16000)
            soundfile.write(tmp_path / name / f"{file.stem}.FLAC", np.stack([low, low], axis=1), 16000)
    model = zsxai.load_model(f"prototypes:{tmp_path}")
    assert zsxai.classify(sound("pure tone", 5)[::2], LABELS, model=model, sample_rate=16000)[0].label == "pure tone"


def recorded(root: Path, *names: str) -> Path:
    """One recording in each of these folders."""
    for number, name in enumerate(names):
        (root / name).mkdir()
        soundfile.write(root / name / "1.wav", sound("clicks", number), RATE)
    return root


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_any_script_and_spelling(tmp_path: Path, form: str) -> None:
    names = ["café", "काला", "कीला", "ร้อง", "รอง"]
    model = zsxai.load_model(f"prototypes:{recorded(tmp_path, *(unicodedata.normalize(form, n) for n in names))}")
    rows = model.embed_text(names)
    assert len({tuple(row) for row in rows.tolist()}) == len(names)
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    assert torch.equal(model.embed_text([unicodedata.normalize(other, f"The sound of «{n}»!") for n in names]), rows)
    with pytest.raises(InputError, match="names no class"):
        model.embed_text(["cafe"])


def test_hidden_files_and_folders_are_none(tmp_path: Path) -> None:
    recorded(tmp_path, "dog", "rain", ".trash")
    (tmp_path / "dog" / "._1.wav").write_bytes(b"a Mac's attributes")
    assert zsxai.load_model(f"prototypes:{tmp_path}").card.training_data == "2 recordings of dog, rain"


@pytest.mark.parametrize("names", [("Dog-Bark", "dog_bark"), ("café noir", unicodedata.normalize("NFD", "café_noir"))])
def test_two_folders_of_one_class_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(InputError, match=r"are both the class .*: join them") as caught:
        zsxai.load_model(f"prototypes:{recorded(tmp_path, 'rain', *names)}")
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_word_in_its_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder '___' names no class"):
        zsxai.load_model(f"prototypes:{recorded(tmp_path, 'rain', '___')}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("prototypes", "prototypes needs a folder"),
        ("prototypes:", "prototypes needs a folder"),
        ("prototypes:{}/nowhere", "there is no folder"),
        ("prototypes:{}/README.md", "there is no folder"),
        ("prototypes:{}/empty", "holds recordings of no class"),
        ("prototypes:{}/clicks", "holds recordings of no class"),
    ],
)
def test_a_folder_without_classes_is_one_line(folder: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        zsxai.load_model(name.format(folder))
    assert "\n" not in str(caught.value)


def test_one_class_is_none(tmp_path: Path) -> None:
    (tmp_path / "clicks").mkdir()
    soundfile.write(tmp_path / "clicks" / "1.wav", sound("clicks", 0), RATE)
    with pytest.raises(InputError, match="holds recordings of 1 class"):
        zsxai.load_model(f"prototypes:{tmp_path}")


def test_a_broken_recording_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "clicks" / "broken.wav").write_text("no audio", encoding="utf-8")
    with pytest.raises(InputError, match=r"broken\.wav"):
        zsxai.load_model(f"prototypes:{tmp_path}")


def test_the_command_line_explains_and_verifies(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wav, out = tmp_path / "two.wav", tmp_path / "why"
    soundfile.write(wav, np.concatenate([sound("clicks", 30), sound("pure tone", 31)]), RATE)
    name = f"prototypes:{folder}"
    assert main(["explain", str(wav), "clicks", "--model", name, "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["provenance"]["model"] == name
    assert (out / "index.html").is_file()
    assert main(["verify", str(out)]) == 0
    assert main(["explain", str(wav), "a dog barking", "--model", name]) == 2
    assert "name one of clicks, pure tone, white noise" in capsys.readouterr().err


TEN = (
    *("dog", "rain", "sea waves", "crying baby", "clock tick"),
    *("sneezing", "helicopter", "chainsaw", "rooster", "crackling fire"),
)


def test_real_recordings(esc50: Path, tmp_path: Path) -> None:
    """Prototypes from fold 1, read on fold 3: another fold's recordings are other recordings."""
    clips = [clip for clip in ESC50(esc50, folds=[1, 3]) if clip.label in TEN]
    for clip in clips:
        if clip.fold == 1:
            target = tmp_path / clip.label.replace(" ", "_") / clip.path.name
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(clip.path)
    model = zsxai.load_model(f"prototypes:{tmp_path}")
    right: dict[str, list[bool]] = {}
    for clip in clips:
        if clip.fold == 3:
            found = zsxai.classify(clip.path, TEN, model=model, top_k=1)[0].label
            right.setdefault(clip.source, []).append(found == clip.label)
    # Clips of one recording are no independent trials: the interval is over recordings.
    shares = np.array([np.mean(part) for part in right.values()])
    low = shares.mean() - 1.96 * shares.std(ddof=1) / np.sqrt(len(shares))
    assert len(shares) >= 30
    assert low > 2 / len(TEN), f"{shares.mean():.3f}, from {low:.3f}, over {len(shares)} recordings"
