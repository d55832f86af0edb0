"""Whatever is wrong with the input: one clear line, exit code 2, nothing half-written."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import zsxai
from tests.toys import BlackBoxToy, ConvToy
from zsxai.cli import main
from zsxai.errors import InputError

RATE = 16000
WEIGHTS = Path(__file__).resolve().parents[2] / "adapters" / "tiny" / "weights"


@pytest.fixture(scope="module", autouse=True)
def toys() -> Iterator[None]:
    """Models the command line finds by name, in this process."""
    zsxai.register_model("toy", ConvToy(window=None))
    zsxai.register_model("black-box-toy", BlackBoxToy())
    yield
    from zsxai.registry import MODELS

    MODELS.unregister("toy")
    MODELS.unregister("black-box-toy")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with recordings of every kind of fault, which is where the command line runs."""
    monkeypatch.chdir(tmp_path)
    sine = (0.5 * np.sin(np.arange(RATE) / 10)).astype(np.float32)
    write = partial(soundfile.write, samplerate=RATE, subtype="FLOAT")
    write("good.wav", sine)
    write("empty.wav", sine[:0])
    write("silent.wav", 0 * sine)
    write("opposite.wav", np.stack([sine, -sine], axis=1))
    for name, fault in (("nan", np.nan), ("inf", np.inf)):
        broken = sine.copy()
        broken[100] = fault
        write(f"{name}.wav", broken)
    Path("text.wav").write_text("this is no audio", encoding="utf-8")
    Path("zero.wav").write_bytes(b"")
    Path("cut.wav").write_bytes(Path("good.wav").read_bytes()[:30])
    Path("folder").mkdir()
    Path("taken").mkdir()
    Path("taken/precious.txt").write_text("precious", encoding="utf-8")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@dataclass(frozen=True)
class Case:
    """One mistake: how to make it, from Python and from the shell, and what the answer says."""

    name: str
    says: str
    python: Callable[[], object] | None = None
    shell: tuple[str, ...] = ()


def explain(audio: Any = "good.wav", prompt: Any = "a dog", model: Any = "toy", **options: Any) -> Callable[[], object]:
    return lambda: zsxai.explain(audio() if callable(audio) else audio, prompt, model=model, **options)


def classify(prompts: Any, **options: Any) -> Callable[[], object]:
    return lambda: zsxai.classify("good.wav", prompts, model="toy", **options)


def said(*words: str, audio: str = "good.wav", prompt: str = "a dog", model: str = "toy") -> tuple[str, ...]:
    return ("explain", audio, prompt, "--model", model, *words)


def array(*shape: int) -> Callable[[], np.ndarray]:
    return lambda: np.full(shape, 0.5, dtype=np.float32)


def corrupt(name: str, change: Callable[[Path], object]) -> Case:
    """A case in which one file of the bundled weights is damaged."""

    def damaged() -> object:
        shutil.copytree(WEIGHTS, "weights", ignore=shutil.ignore_patterns("__pycache__"))
        victim = max(Path("weights").glob("*.safetensors"), key=lambda p: p.stat().st_size)
        change(victim)
        return zsxai.load_model("tiny:weights")

    return Case(f"weights-{name}", "safetensors", damaged)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


CASES = [
    # The recording
    Case("missing", "no such file: gone.wav", explain("gone.wav"), said(audio="gone.wav")),
    Case("folder", "folder is a folder, not an audio file", explain("folder")),
    Case("no-recordings", "folder holds no audio", lambda: zsxai.explain_folder("folder", "a"), said(audio="folder")),
    Case("no-audio", "text.wav is not audio", explain("text.wav"), said(audio="text.wav")),
    Case("no-bytes", "zero.wav is not audio", explain("zero.wav"), said(audio="zero.wav")),
    Case("cut-short", "cut.wav", explain("cut.wav"), said(audio="cut.wav")),
    Case("stream", "is not audio", explain(lambda: io.BytesIO(b"no audio"))),
    Case("no-samples", "empty.wav holds no samples", explain("empty.wav"), said(audio="empty.wav")),
    Case("silence", "silent.wav is silent", explain("silent.wav"), said(audio="silent.wav")),
    Case("cancelling", "opposite channels cancel", explain("opposite.wav"), said(audio="opposite.wav")),
    Case("nan", "nan.wav holds NaN or infinite samples", explain("nan.wav"), said(audio="nan.wav")),
    Case("inf", "inf.wav holds NaN or infinite samples", explain("inf.wav"), said(audio="inf.wav")),
    Case("array-nan", "NaN", explain(lambda: np.full(RATE, np.nan), sample_rate=RATE)),
    Case("array-empty", "no samples", explain(array(0), sample_rate=RATE)),
    Case("array-of-no-rows", "no samples", explain(array(2, 0), sample_rate=RATE)),
    Case("no-rate", "an array needs its sample rate", explain(array(RATE))),
    Case("rate-0", "sample rate", explain(array(RATE), sample_rate=0)),
    Case("rate-negative", "sample rate", explain(array(RATE), sample_rate=-RATE)),
    Case("rate-text", "sample rate", explain(array(RATE), sample_rate="16k")),
    Case("rate-bool", "sample rate", explain(array(RATE), sample_rate=True)),
    Case("rate-unlike-file", "leave it out", explain("good.wav", sample_rate=8000)),
    Case("three-axes", "shape", explain(array(1, 2, RATE), sample_rate=RATE)),
    Case("no-axis", "shape", explain(lambda: np.float32(1), sample_rate=RATE)),
    Case("samples-first", "transpose", explain(array(RATE, 2), sample_rate=RATE)),
    Case("complex", "no array of numbers", explain(lambda: np.ones(RATE, complex), sample_rate=RATE)),
    Case("words", "no array of numbers", explain(lambda: ["a", "b"], sample_rate=RATE)),
    Case("ragged", "no array", explain(lambda: [[1.0, 2.0], [3.0]], sample_rate=RATE)),
    Case("none", "no array of numbers", explain(None, sample_rate=RATE)),
    Case("mapping", "'array' and 'sampling_rate'", explain(lambda: {"array": np.ones(RATE)})),
    Case("mapping-rate", "sample rate", explain(lambda: {"array": np.ones(RATE, np.float32), "sampling_rate": None})),
    Case("too-large", "too large", explain(lambda: np.full(RATE, 1e300), sample_rate=RATE)),
    # The prompt
    Case("prompt-empty", "the prompt is empty", explain(prompt=""), said(prompt="")),
    Case("prompt-blank", "the prompt is empty", explain(prompt=" \t\n"), said(prompt=" \t\n")),
    Case("prompt-number", "a prompt is a string, not int", explain(prompt=3)),
    Case("prompt-none", "a prompt is a string, not NoneType", explain(prompt=None)),
    Case("prompt-bytes", "a prompt is a string, not bytes", explain(prompt=b"a dog")),
    Case("prompts-none", "list of prompts is empty", explain(prompt=[])),
    Case("prompts-one-blank", "the prompt is empty", explain(prompt=["a dog", ""])),
    Case("prompts-one-number", "a prompt is a string", explain(prompt=["a dog", 3])),
    Case("against-blank", "the prompt is empty", explain(against=[" "]), said("--against", " ")),
    Case("against-text", "a list of prompts", explain(against="rain")),
    Case("among-blank", "the prompt is empty", explain(among=[""]), said("--among", "")),
    Case("among-itself", "always 1", explain(prompt="a dog", among=["a dog"])),
    Case("both", "either against", explain(against=["x"], among=["y"]), said("--against", "x", "--among", "y")),
    Case("template-bare", "one {}", explain(template="the sound of"), said("--template", "the sound of")),
    Case("template-twice", "one {}", explain(template="{} {}"), said("--template", "{} {}")),
    Case("template-number", "template", explain(template=3)),
    Case("classify-text", "a list of prompts", classify("a dog")),
    Case("classify-none", "a list of prompts", classify([])),
    Case("classify-blank", "the prompt is empty", classify(["a", " "]), ("classify", "good.wav", "a", " ")),
    Case(
        "classify-top-0",
        "top_k",
        classify(["a"], top_k=0),
        ("classify", "good.wav", "a", "--model", "toy", "--top-k", "0"),
    ),
    Case("classify-no-prompt", "PROMPT", None, ("classify", "good.wav")),
    # Names and options
    Case("model", "unknown model 'tinny': did you mean 'tiny'", explain(model="tinny"), said(model="tinny")),
    Case("model-blank", "unknown model ''", explain(model=""), said(model="")),
    Case("model-object", "no zero-shot model: it lacks", explain(model=object())),
    Case("model-none", "no zero-shot model", explain(model=None)),
    Case("model-folder", "gone", explain(model="tiny:gone"), said(model="tiny:gone")),
    Case("device", "device", explain(model="tiny", device="abacus"), said("--device", "abacus", model="tiny")),
    Case("explainer", "did you mean 'gradcam'", explain(explainer="gradcma"), said("--explainer", "gradcma")),
    Case("explainer-object", "no explainer", explain(explainer=object())),
    Case("explainer-class", "no explainer", explain(explainer=dict)),
    Case(
        "option",
        "unknown option 'stepz'; it takes",
        explain(explainer="occlusion", options={"stepz": 3}),
        said("--explainer", "occlusion", "--option", "stepz=3"),
    ),
    Case(
        "calibration",
        "calibration",
        explain(explainer="saliency", options={"calibration": "none-such"}),
        said("--explainer", "saliency", "--option", "calibration=none-such"),
    ),
    Case(
        "option-value",
        "n_steps",
        explain(explainer="integrated-gradients", options={"n_steps": "many"}),
        said("--explainer", "integrated-gradients", "--option", "n_steps=many"),
    ),
    Case(
        "option-range",
        "n_steps",
        explain(explainer="integrated-gradients", options={"n_steps": 0}),
        said("--explainer", "integrated-gradients", "--option", "n_steps=0"),
    ),
    Case("option-without-value", "KEY=VALUE", None, said("--option", "steps")),
    Case("option-twice", "twice", None, said("--option", "steps=1", "--option", "steps=2")),
    Case("domain", "domain", explain(domain="cepstrum"), said("--domain", "cepstrum")),
    Case("scale", "scale", explain(scale="decibel"), said("--scale", "decibel")),
    Case("seed-text", "--seed", None, said("--seed", "many")),
    Case("seed-negative", "seed", explain(seed=-1), said("--seed", "-1")),
    Case("batch-0", "batch", explain(batch_size=0)),
    Case(
        "black-box-gradients",
        "black box",
        explain(model="black-box-toy", explainer="saliency"),
        said("--explainer", "saliency", model="black-box-toy"),
    ),
    corrupt("flipped", flip),
    corrupt("cut", lambda path: path.write_bytes(path.read_bytes()[:1000])),
    corrupt("gone", lambda path: path.unlink()),
    # Where it goes
    Case(
        "out-taken",
        "taken exists",
        lambda: zsxai.explain("good.wav", "a", model="toy").save("taken"),
        said("--out", "taken"),
    ),
    Case(
        "out-not-ours",
        "precious.txt",
        lambda: zsxai.explain("good.wav", "a", model="toy").save("taken", overwrite=True),
        said("--out", "taken", "--overwrite"),
    ),
    Case(
        "out-is-a-file",
        "good.wav",
        lambda: zsxai.explain("good.wav", "a", model="toy").save("good.wav", overwrite=True),
        said("--out", "good.wav", "--overwrite"),
    ),
    Case(
        "out-under-a-file",
        "good.wav",
        lambda: zsxai.explain("good.wav", "a", model="toy").save("good.wav/x"),
        said("--out", "good.wav/x"),
    ),
    Case("load-nothing", "no saved explanation", lambda: zsxai.Explanation.load("folder"), ("verify", "folder")),
    Case("load-missing", "no saved explanation", lambda: zsxai.Explanation.load("gone"), ("verify", "gone")),
    # The command line itself
    Case("command", "unknown command 'expalin': did you mean 'explain'", None, ("expalin",)),
    Case("no-argument", "Missing argument 'AUDIO'", None, ("explain",)),
    Case("no-prompt", "PROMPT", None, ("explain", "good.wav")),
    Case("option-name", "--explaner", None, said("--explaner", "gradcam")),
    Case("top-option", "--nothing", None, ("--nothing",)),
    Case("too-many", "extra", None, ("list", "models", "extra")),
    Case("list", "'modles'", None, ("list", "modles")),
    Case("list-nothing", "models|explainers", None, ("list",)),
    Case("demo-taken", "taken exists", None, ("demo", "--out", "taken")),
]


@pytest.mark.parametrize("case", [c for c in CASES if c.python], ids=lambda c: c.name)
def test_from_python(case: Case, place: Path) -> None:
    assert case.python is not None
    before = contents(place)
    with pytest.raises(InputError) as caught:
        case.python()
    message = str(caught.value)
    assert case.says in message
    assert message.strip()
    assert "\n" not in message
    shutil.rmtree("weights", ignore_errors=True)  # what a case of damaged weights laid out itself
    assert contents(place) == before, "something was written"


@pytest.mark.parametrize("case", [c for c in CASES if c.shell], ids=lambda c: c.name)
def test_from_the_shell(case: Case, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(place)
    code = main(list(case.shell))
    out, err = capsys.readouterr()
    assert code == 2, err
    assert out == ""
    assert err.startswith("zsxai: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert case.says in err
    assert contents(place) == before, "something was written"


SINE = (0.5 * np.sin(np.arange(RATE) / 10)).astype(np.float32)

GOOD: dict[str, Callable[[], Any]] = {
    "array": lambda: SINE,
    "list": lambda: SINE.tolist(),
    "float64": lambda: SINE.astype(np.float64),
    "int16": lambda: (SINE * 32767).astype(np.int16),
    "uint8": lambda: (SINE * 127 + 128).astype(np.uint8),
    "tensor": lambda: torch.from_numpy(SINE),
    "tensor-with-graph": lambda: torch.from_numpy(SINE).requires_grad_(),
    "stereo": lambda: np.stack([SINE, SINE]),
    "stereo-tensor": lambda: torch.from_numpy(np.stack([SINE, SINE])),
    "reversed-view": lambda: SINE[::-1],
    "read-only": lambda: np.frombuffer(SINE.tobytes(), dtype=np.float32),
}


@pytest.mark.parametrize("name", GOOD)
def test_any_common_array_is_taken(name: str) -> None:
    explanation = zsxai.explain(GOOD[name](), "a dog", sample_rate=RATE, model="toy")
    assert np.isfinite(explanation.score)
    assert len(explanation.audio) == RATE
    if name != "reversed-view":
        assert np.abs(explanation.original - SINE).max() < (2e-2 if name == "uint8" else 1e-4)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_any_channels_work(place: Path, rate: int, channels: int) -> None:
    time = np.arange(rate // 2) / rate
    samples = np.repeat(0.5 * np.sin(2 * np.pi * 440 * time)[:, None], channels, axis=1)
    soundfile.write("other.wav", samples, rate)
    explanation = zsxai.explain("other.wav", "a dog", model="toy")
    assert explanation.sample_rate == RATE
    assert abs(len(explanation.audio) - RATE // 2) <= 1
    assert explanation.provenance.audio_channels == channels
    assert explanation.provenance.audio_sample_rate == rate


@pytest.mark.parametrize("model", ["toy", "black-box-toy", "tiny"])
@pytest.mark.parametrize("samples", [1, 16, 160, 8000])
def test_very_short_recordings_work(model: str, samples: int) -> None:
    explanation = zsxai.explain(SINE[1 : samples + 1], "a dog", sample_rate=RATE, model=model)
    assert np.isfinite([explanation.score, explanation.score_in, explanation.score_out, explanation.score_heard]).all()
    assert np.isfinite(explanation.audio).all()
    assert explanation.mask.min() >= 0
    assert explanation.mask.max() <= 1


def test_files_in_every_common_form(place: Path) -> None:
    soundfile.write("a.flac", SINE, RATE)
    soundfile.write("a.ogg", SINE, RATE)
    soundfile.write("ein Hund, größer.wav", SINE, RATE)
    for audio in ("a.flac", Path("a.ogg"), "ein Hund, größer.wav", io.BytesIO(Path("a.flac").read_bytes())):
        assert np.isfinite(zsxai.explain(audio, "a dog", model="toy").score)
    with Path("a.flac").open("rb") as stream:
        assert zsxai.explain(stream, "a dog", model="toy").provenance.audio_name == "a.flac"


@pytest.mark.parametrize("prompt", ["狗叫", "🐶", "a" * 5000, "x", "  a dog  ", 'quotes " \\ {}', "Ünïcode\u0301"])
def test_any_text_is_a_prompt(prompt: str) -> None:
    assert zsxai.explain(SINE, prompt, sample_rate=RATE, model="toy").prompt == prompt
