"""``zsxai train lmac-zs``: from a list of sounds to a decoder that explains, and one line for every mistake."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from rich.console import Console

import zsxai
from tests.decoders import noise, toy
from tests.toys import BlackBoxToy
from zsxai.cli import main
from zsxai.errors import InputError
from zsxai.lmac_zs.training.command import CONFIGS, progress_bar, with_data
from zsxai.lmac_zs.training.config import TrainingConfig, load_config, read_phrases
from zsxai.lmac_zs.training.logs import Progress
from zsxai.registry import MODELS

DOCS = Path(__file__).parents[3] / "docs" / "lmac-zs.md"
QUICK = ["--set", "steps=2", "--set", "batch=2", "--set", 'decoder={"widths": [8, 8]}', "--set", "validation_clips=4"]


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[None]:
    nameless = toy()
    nameless.card = nameless.card.model_copy(update={"weights_sha256": None})
    made = {"train-toy": toy(), "train-box": BlackBoxToy(), "train-nameless": nameless}
    for name, model in made.items():
        zsxai.register_model(name, model)
    yield
    for name in made:
        MODELS.unregister(name)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Six sounds with captions, some of the same."""
    for i in range(6):
        soundfile.write(tmp_path / f"{i}.wav", noise(6000, seed=i), 16000)
    rows = [f"{i}.wav,sound number {i % 4}" for i in range(6)]
    (tmp_path / "sounds.csv").write_text("\n".join(["path,caption", *rows]), encoding="utf-8")
    return tmp_path / "sounds.csv"


@pytest.fixture
def synthetic(tmp_path: Path) -> Path:
    options = "[data.s]\nreader = 'synthetic'\noptions = {clips_per_class = 1, seconds = 1, sample_rate = 16000}\n"
    path = tmp_path / "synthetic.toml"
    path.write_text(options, encoding="utf-8")
    return path


def train(*words: object, model: str = "train-toy") -> int:
    return main(["train", "lmac-zs", "--model", model, *map(str, words)])


def refused(capsys: pytest.CaptureFixture[str], *words: object, model: str = "train-toy", code: int = 2) -> str:
    """The one line of a mistake."""
    assert train(*words, model=model) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("zsxai: ")
    return err


def test_from_sounds_to_an_explanation(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert train("--data", table, "--out", out, *QUICK) == 0
    said, _ = capsys.readouterr()
    assert f"{out / 'decoder'} explains train-toy: --explainer lmac-zs:{out / 'decoder'}" in said
    card = json.loads((out / "decoder" / "card.json").read_text(encoding="utf-8"))
    assert card["command"].startswith("zsxai train lmac-zs --model train-toy --data sounds")
    assert "--set steps=2" in card["command"]
    assert str(tmp_path) not in (out / "decoder" / "card.json").read_text(encoding="utf-8")
    assert card["training"]["steps"] == 2
    assert card["data"]["trained on"]["clips"] == 6
    sound = str(table.parent / "0.wav")
    words = ["explain", sound, "rain", "--model", "train-toy", "--explainer", f"lmac-zs:{out / 'decoder'}", "--json"]
    assert main(words) == 0
    made = json.loads(capsys.readouterr().out)["provenance"]
    assert made["explainer"] == "lmac-zs"
    assert made["explainer_weights"] == {"decoder of stft": card["weights_sha256"]}


def test_a_bad_recording_is_named(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(6):
        (tmp_path / f"{i}.wav").write_bytes(b"no audio")
    assert train("--data", table, "--out", tmp_path / "out", *QUICK) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(rf"zsxai: {re.escape(str(tmp_path))}/\d.wav is not audio", last), last


def test_a_configuration_and_values_in_its_place(
    synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with synthetic.open("a", encoding="utf-8") as stream:
        stream.write("[objective]\nname = 'paper'\n")
    out = tmp_path / "out"
    assert train("--config", synthetic, "--out", out, *QUICK, "--set", "domain=mel", "--set", "held_out=0") == 0
    kept = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert (kept["domain"], kept["objective"]["name"], kept["steps"]) == ("mel", "paper", 2)
    card = (out / "decoder" / "card.json").read_text(encoding="utf-8")
    assert f"--config {synthetic.name} --set" in card
    assert str(tmp_path) not in card
    header = (out / "losses.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "step,loss,fidelity,size,diversity,mask"
    assert not (out / "diagnostics.csv").exists()


def test_held_out_recordings_are_measured(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert train("--config", synthetic, "--out", out, *QUICK, "--set", "held_out=0.45") == 0
    said, err = capsys.readouterr()
    assert "step 2: FF" in err
    assert "pointing" in said
    figures = (out / "diagnostics.csv").read_text(encoding="utf-8").splitlines()
    assert len(figures) == 2
    card = json.loads((out / "decoder" / "card.json").read_text(encoding="utf-8"))
    assert card["data"]["held out"]["clips"] >= 3
    assert card["data"]["held out"]["clips"] + card["data"]["trained on"]["clips"] == 8


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no data": ([], "nothing to train on: name data, such as --data sounds.csv"),
    "no such file": (["--data", "nowhere.csv"], "no CSV file at nowhere.csv"),
    "no such reader": (["--data", "esc60=DIR"], "'esc60' is neither a data set of the configuration nor one of"),
    "no path": (["--data", "esc50="], "no path behind the ="),
    "twice": (["--data", "esc50=A", "--data", "esc50=B"], "given twice"),
    "no such folder": (["--data", "esc50=nowhere"], "nowhere"),
    "no such configuration": (["--config", "nowhere.toml"], "no configuration at nowhere.toml"),
    "no such key": (["--set", "stepps=3"], "unknown option 'stepps'; it takes data, validation"),
    "no such value": (["--set", "domain=wavelet"], "domain"),
    "no number": (["--set", "steps=many"], "steps"),
    "too small": (["--set", "batch=1"], "batch"),
    "both": (["--set", "steps=3", "--set", "epochs=2"], "say steps or epochs, not both"),
    "no braces": (["--set", 'templates=["hear"]'], "templates hold one {} each"),
    "no pair": (["--set", "steps"], "an option is KEY=VALUE"),
    "objective": (["--set", 'objective={"name": "hinge"}'], "objective"),
    "phrases": (["--set", "phrases=nowhere.toml", "--config", "SYNTHETIC"], "cannot read nowhere.toml: No such file"),
    "widths": (
        ["--set", 'decoder={"widths": [8, 10]}', "--config", "SYNTHETIC"],
        "widths are multiples of the 4 heads",
    ),
    "too many widths": (["--config", "SYNTHETIC"], "the decoder reads 2 maps and has 4 widths"),
    "no such map": (
        ["--set", 'decoder={"maps": ["last"], "widths": [8]}', "--config", "SYNTHETIC"],
        "ConvToy has no feature map 'last': it has first, second",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_line_for_every_mistake(
    mistake: str, synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words, says = MISTAKES[mistake]
    words = [str(synthetic) if w == "SYNTHETIC" else w for w in words]
    assert says in refused(capsys, *words, "--out", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == [synthetic.name]


def test_mistakes_in_a_file_name_the_file_and_the_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    for content, says in (
        ("steps = ", "is no TOML"),
        ("stepps = 3", "mine.toml: unknown option 'stepps'"),
        ("rate = -1", "mine.toml: rate"),
        ("[data.x]\nroot = 'a'", "data.x.reader"),
        ("[objective]\nname = 'paper'\nsize = -1", "size"),
        ("steps = 3\nepochs = 3", "mine.toml: say steps or epochs, not both"),
    ):
        path.write_text(content, encoding="utf-8")
        assert says in refused(capsys, "--config", path, "--out", tmp_path / "out")
    path.write_text("steps = 3\nphrases = 'p.toml'\n", encoding="utf-8-sig")
    (tmp_path / "p.toml").write_text("[classes.dog]\nphrases = ['a hound']\n", encoding="utf-8-sig")
    assert load_config(path).steps == 3
    assert read_phrases(load_config(path).phrases) == {"dog": ("a hound",)}
    path.write_bytes(b"\xff\xfe")
    assert "is no TOML" in refused(capsys, "--config", path, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "known", "foreign"),
    [
        ("[decoder]\nwidth = [8]", "maps, widths, conditioning", "held_out"),
        ("[objective]\nname = 'contrastive'\nsizes = 1", "removed, beside, size", "held_out"),
        ("[data.x]\nreader = 'csv'\npath = 'a'", "reader, root, options", "held_out"),
    ],
)
def test_an_unknown_key_within_a_table_brings_the_keys_of_the_table(
    tmp_path: Path, content: str, known: str, foreign: str
) -> None:
    (tmp_path / "mine.toml").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="unknown option") as e:
        load_config(tmp_path / "mine.toml")
    assert known in str(e.value)
    assert foreign not in str(e.value)


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_output_in_the_data_is_refused_first(
    tmp_path: Path, resume: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("dog", "rain", "bell"):
        (tmp_path / label).mkdir()
        soundfile.write(tmp_path / label / "a.wav", noise(6000), 16000)
    said = refused(capsys, "--data", f"folder={tmp_path}", "--out", tmp_path / "runs" / "mine", *resume)
    assert "lies in the data at" in said
    assert not (tmp_path / "runs").exists()


def test_the_bar_shows_every_term_on_80_columns() -> None:
    names = re.findall(r"^\| `(\w+)` \| .* pairs|^\| `(evidence)` ", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    terms = {a or b: 0.12 * i for i, (a, b) in enumerate(names)}
    assert list(terms) == ["kept", "removed", "beside", "size", "foreign", "evidence", "rise"]
    screen = io.StringIO()
    with progress_bar(Console(file=screen, width=80, force_terminal=True, color_system=None)) as report:
        report(Progress(7, 800, 1.0, {**terms, "mask": 0.5}))
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip() for line in re.split(r"[\r\n]+", screen.getvalue())]
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("training") and "7/800" in line and "\u2026" not in line for line in lines)
    shown = " ".join(lines).split()
    assert {word for word in shown if "=" in word} == {f"{n}={v:.2f}" for n, v in {**terms, "mask": 0.5}.items()}


def test_models_that_carry_no_decoder(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", synthetic, "--out", tmp_path / "out", *QUICK]
    says = "train-box is a black box, without gradients: a decoder cannot be trained for it"
    assert says in refused(capsys, *words, model="train-box")
    assert "gives no hash of its weights" in refused(capsys, *words, model="train-nameless")
    assert "unknown model 'train-toys'" in refused(capsys, *words, model="train-toys")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_taken(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", synthetic, *QUICK]
    assert "is not empty: go on with --resume, or choose another --out" in refused(capsys, *words, "--out", tmp_path)
    assert "is a file" in refused(capsys, *words, "--out", synthetic, "--resume")
    assert "is a file" in refused(capsys, *words, "--out", synthetic)
    assert [p.name for p in tmp_path.iterdir()] == [synthetic.name]


def test_another_configuration_with_resume(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", synthetic, *QUICK, "--out", tmp_path / "out"]
    assert train(*words) == 0
    capsys.readouterr()
    assert "of a training with another rate" in refused(capsys, *words, "--set", "rate=0.5", "--resume")
    assert train(*words, "--resume") == 0


def test_a_lost_training_ends_with_1(synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", synthetic, *QUICK, "--out", tmp_path / "out", "--set", "rate=1e30", "--set", "held_out=0"]
    assert "the loss is not finite at step 2" in refused(capsys, *words, "--set", "warm_up=0", code=1)
    assert not (tmp_path / "out" / "decoder").exists()


def test_without_accelerate(
    synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("run", "trainer", "processes"):
        monkeypatch.delitem(sys.modules, f"zsxai.lmac_zs.training.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    says = refused(capsys, "--config", synthetic, "--out", tmp_path / "out", *QUICK)
    assert "training needs the package 'accelerate': pip install 'zsxai[train]'" in says


def test_help_is_light() -> None:
    listing = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    helps = "assert main(['train', '--help']) == 0; assert main(['train', 'lmac-zs', '--help']) == 0"
    done = subprocess.run(
        [sys.executable, "-c", f"from zsxai.cli import main\n{helps}\n{listing}"],
        capture_output=True,
        text=True,
        check=True,
    )
    *helped, modules = done.stdout.splitlines()
    assert not {"torch", "numpy", "accelerate", "tensorboard", "soundfile", "safetensors"} & set(json.loads(modules))
    words = "\n".join(helped)
    for part in ("--resume", "--config", "--set", "--data", "--out", *CONFIGS):
        assert part in words


# Data named on the command line.


def test_data_by_name() -> None:
    known = TrainingConfig(
        data={"esc": {"reader": "esc50", "options": {"folds": [1]}}}, validation={"v": {"reader": "csv"}}
    )
    found, roots = with_data(known, ["esc=/a", "v=/b.csv", "/c/mine.csv", "folder=/d"])
    assert roots == {"esc": "/a", "v": "/b.csv", "mine": "/c/mine.csv", "folder": "/d"}
    assert sorted(found.data) == ["esc", "folder", "mine"]
    assert found.data["esc"] == known.data["esc"]
    assert (found.data["mine"].reader, found.data["folder"].reader) == ("csv", "folder")
    assert found.validation == known.validation
    assert with_data(known, []) == (known, {})
    with pytest.raises(InputError, match="given twice"):
        with_data(known, ["/a/mine.csv", "/b/mine.csv"])


def test_phrases(tmp_path: Path) -> None:
    path = tmp_path / "phrases.toml"
    path.write_text(
        "[classes.'a dog']\nphrases = ['woof', 'a hound']\n[classes.rain]\nphrases = []\n", encoding="utf-8"
    )
    assert read_phrases(str(path)) == {"a dog": ("woof", "a hound"), "rain": ()}
    assert read_phrases(None) == {}
    (tmp_path / "mine.toml").write_text("phrases = 'phrases.toml'\n", encoding="utf-8")
    assert load_config(tmp_path / "mine.toml").phrases == str(path), "beside the configuration"


@pytest.mark.parametrize(
    "content",
    [b"", b"classes = 3", b"[classes]\ndog = 'woof'", b"[classes.dog]\nwords = []", b"[classes.dog]\nphrases = 3",
     b"[classes.dog]\nphrases = 'woof'", b"\xff\xfe"],
)  # fmt: skip
def test_what_holds_no_phrases(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "phrases.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"phrases\.toml (holds no phrases of classes|is no TOML)") as e:
        read_phrases(str(tmp_path / "phrases.toml"))
    assert "\n" not in str(e.value)


def test_values_may_be_tables() -> None:
    found = load_config(None, {"objective": {"name": "paper"}, "decoder": {"widths": [8]}, "held_out": 0})
    assert found.objective.name == "paper"
    assert found.decoder.widths == (8,)
    assert np.isclose(found.held_out, 0)


def test_a_configuration_cannot_be_changed() -> None:
    made: Any = load_config(None)
    with pytest.raises(ValueError, match="frozen"):
        made.steps = 3
