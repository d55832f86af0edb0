"""``zsxai check``: what it prints, how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

import zsxai
from tests.backends import tiny_hf_folder
from tests.testing.test_check_explainer import DrawsGlobally
from tests.testing.test_check_model import LeavesAHook
from tests.toys import ConvToy
from zsxai.cli import main
from zsxai.registry import EXPLAINERS, MODELS
from zsxai.testing.signals import tone


@pytest.fixture(autouse=True)
def plugins() -> Iterator[None]:
    zsxai.register_model("toy", ConvToy())
    zsxai.register_model("leaky", LeavesAHook())
    zsxai.register_model("both", ConvToy())
    zsxai.register_explainer("both", zsxai.load_explainer("constant"))
    zsxai.register_explainer("draws-globally", DrawsGlobally())
    yield
    for registry in (MODELS, EXPLAINERS):
        for name in ("toy", "leaky", "both", "draws-globally"):
            registry.unregister(name)


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["check", *words]) == code
    out, err = capsys.readouterr()
    if code < 2:
        assert err == ""
        return out
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_a_model_that_passes(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "toy")
    assert out.startswith("model toy")
    assert "places of maps" in out
    assert "failed" not in out
    assert out.rstrip().endswith("16 ok")


def test_a_model_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "leaky", code=1)
    assert "a forward hook was left on" in " ".join(out.split())
    assert out.rstrip().endswith("15 ok, 1 failed")


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, "leaky", "--json", code=1))
    assert (found["name"], found["kind"], found["ok"]) == ("leaky", "model", False)
    assert {c["name"]: c["state"] for c in found["checks"]}["left as found"] == "failed"
    found = json.loads(run(capsys, "random", "--json", "--model", "toy", "--option", "bands=2"))
    assert (found["kind"], found["ok"], len(found["checks"])) == ("explainer", True, 9)


def test_an_explainer(capsys: pytest.CaptureFixture[str]) -> None:
    assert "explainer constant" in run(capsys, "constant", "--model", "toy", "--device", "cpu")
    assert "global generator" in run(capsys, "draws-globally", "--model", "toy", code=1)


def test_options_reach_the_loader_of_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_hf_folder(tmp_path / "hf")
    own = tmp_path / "tokenizer"
    own.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt"):
        if (folder / file).exists():
            (folder / file).rename(own / file)
    capsys.readouterr()  # transformers shows its progress in saving
    assert "has no tokenizer: give tokenizer=" in run(capsys, f"hf:{folder}", code=2)
    assert json.loads(run(capsys, f"hf:{folder}", "--json", "--option", f"tokenizer={own}"))["ok"] is True


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("gradcm",), "unknown model or explainer 'gradcm': did you mean 'gradcam'"),
        (("tiny", "--kind", "explainer"), "unknown explainer 'tiny'"),
        (("tiny", "--kind", "thing"), "--kind is model or explainer, not 'thing'"),
        (("both",), "'both' is a model and an explainer: say --kind model or --kind explainer"),
        (("toy", "--model", "tiny"), "'toy' is a model: --model goes with an explainer"),
        (("toy", "--model-option", "a=1"), "'toy' is a model: its options are --option, --model-option goes with"),
        (("constant", "--option", "valeu=1"), "unknown option 'valeu'"),
        (("tiny", "--option", "a=3"), "does not take these options: a"),
        (("constant", "--model", "tny"), "did you mean 'tiny'"),
        ((), "Missing argument 'NAME'"),
    ],
)
def test_the_callers_mistakes(words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in run(capsys, *words, code=2)


def test_prompts_for_a_model_that_takes_only_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for hertz, name in ((300, "low"), (2000, "middle"), (6000, "high")):
        (tmp_path / name).mkdir()
        for take in range(2):
            heard = tone(16000 + 800 * take, 16000, hertz).numpy()
            soundfile.write(tmp_path / name / f"{take}.wav", heard, 16000)
    model = f"prototypes:{tmp_path}"
    assert "no class" in run(capsys, model, code=1)
    prompts = [word for name in ("middle", "low", "high") for word in ("--prompt", name)]
    run(capsys, model, *prompts)
    run(capsys, "occlusion", "--model", model, "--option", "seconds=0.4", "--option", "bands=2", *prompts)
    assert "three unlike prompts" in run(capsys, "toy", "--prompt", "a", code=2)


def test_a_name_that_is_both_is_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "both", "--kind", "model").startswith("model both")
    assert run(capsys, "both", "--kind", "explainer", "--model", "toy").startswith("explainer both")
