"""A package by somebody else: installed for real, found by its name, checked, explained with, typed.

``tests/stranger`` is the package that ``docs/tutorials/add-your-own-clap.md`` builds; ``tests/docs`` runs that page.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests.docs.run_blocks import read_blocks
from zsxai.model import Encoding, FeatureMap, TextEncoding

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests" / "stranger"
PAGE = ROOT / "docs" / "tutorials" / "add-your-own-clap.md"
LITTER = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")


def files_of_the_page() -> dict[str, str]:
    """The files that the page writes."""
    files: dict[str, str] = {}
    for block in read_blocks(PAGE.read_text(encoding="utf-8")):
        if block.file:
            files[block.file] = files.get(block.file, "") + block.part
    return files


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with zsxai and the stranger's package; other dependencies are borrowed, no network."""
    home = tmp_path_factory.mktemp("stranger")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")], check=True)
    (site,) = (home / "venv").glob("lib/python*/site-packages")
    # Bare paths: the .pth files there, an editable install's among them, are not read again.
    borrowed = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    for folder in ("zsxai", "adapters", "baselines", "benchmarks"):
        shutil.copytree(ROOT / folder, home / "zsxai" / folder, ignore=LITTER)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, home / "zsxai")
    shutil.copytree(SOURCE, home / "theirs", ignore=LITTER)
    target = ["--python", str(home / "venv" / "bin" / "python")]
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", *target, "install", *options]
    done = subprocess.run(
        [*pip, str(home / "zsxai"), str(home / "theirs")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    time = np.arange(24000) / 16000
    sound = 0.3 * np.sin(2 * np.pi * 700 * time) * (time > 0.5) + np.random.default_rng(0).normal(0, 0.01, len(time))
    (home / "desk").mkdir()
    soundfile.write(home / "desk" / "dog.wav", sound, 16000)
    return home


def there(home: Path, command: list[str], folder: str = "desk") -> subprocess.CompletedProcess[str]:
    """Run in the fresh environment, in a folder without sources."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ZSXAI", "MYPY"))}
    bin_folder = home / "venv" / "bin"
    return subprocess.run(
        [str(bin_folder / command[0]), *command[1:]],
        cwd=home / folder, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip


# --- the package in its environment ---------------------------------------------------------------------------------


def test_both_packages_are_the_installed_ones(home: Path) -> None:
    code = "import zsxai, stranger_clap; print(zsxai.__file__, stranger_clap.__file__)"
    done = there(home, ["python", "-c", code])
    assert done.returncode == 0, done.stderr
    assert str(ROOT) not in done.stdout
    assert done.stdout.count(str(home / "venv")) == 2


def test_listing_names_them_and_loads_no_model(home: Path) -> None:
    code = "import sys; from zsxai.cli import main; main(['list', 'models']); main(['list', 'models', '--json'])"
    loaded = "print([name for name in sys.modules if name in ('stranger_clap.model', 'torch')])"
    *lines, origins, modules = there(home, ["python", "-c", f"{code}; {loaded}"]).stdout.splitlines()
    assert modules == "[]"
    assert any(re.match("stranger +The CLAP split at its mel input: gradients reach", line) for line in lines), lines
    assert any(re.match("stranger-box +The CLAP as a black box: a rate and two functions", line) for line in lines), (
        lines
    )
    assert json.loads(origins)["models"]["stranger"] == "stranger-clap (stranger_clap.model:load)"
    said = there(home, ["zsxai", "list", "explainers"]).stdout
    assert re.search(r"^  solo +Score of a patch alone\. Needs no gradients\.", said, re.MULTILINE), said


def test_everything_of_theirs_through_the_python_interface(home: Path) -> None:
    code = """
import zsxai
from zsxai.model import SpectralModel

for name in ("stranger", "stranger-box"):
    for explainer in ("solo", "occlusion", "loudness"):
        made = zsxai.explain("dog.wav", "a dog barking", model=name, explainer=explainer)
        assert made.provenance.model == name and made.provenance.explainer == explainer
        assert 0 <= made.mask.min() and made.mask.max() <= 1
        assert made.verify(), made.verify()
        again = zsxai.explain("dog.wav", "a dog barking", model=name, explainer=explainer)
        assert (made.mask == again.mask).all() and made.score == again.score
assert isinstance(zsxai.load_model("stranger"), SpectralModel)
for explainer in ("gradcam", "gradcam++", "saliency", "integrated-gradients"):
    assert zsxai.explain("dog.wav", "a dog barking", model="stranger", explainer=explainer).mask.any(), explainer
for tap in ("block1", "block2", "block3"):
    zsxai.explain("dog.wav", "a dog barking", model="stranger", explainer="gradcam", options={"tap": tap})
"""
    done = there(home, ["python", "-c", code])
    assert done.returncode == 0, done.stdout + done.stderr


# --- types ----------------------------------------------------------------------------------------------------------

FAULTS = {
    'fill="repeat"': ('fill="tile"', "arg-type"),
    "def encode_text(": ("def encode_texts(", "abstract"),
    "return Encoding(nn.functional.": ("return Encoding(features.normalize + nn.functional.", "attr-defined"),
}


def test_their_types_are_checked_against_ours(home: Path, request: pytest.FixtureRequest) -> None:
    cache = getattr(request.config, "cache", None)
    kept = cache.mkdir("stranger-mypy") if cache else home / "mypy"
    environment = ["--python-executable", str(home / "venv" / "bin" / "python"), "--cache-dir", str(kept)]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, *environment]

    def mypy(*what: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *what], cwd=home / "desk", capture_output=True, text=True, check=False)

    clean = mypy("-p", "stranger_clap")
    assert clean.returncode == 0, clean.stdout + clean.stderr
    source = (SOURCE / "stranger_clap" / "model.py").read_text(encoding="utf-8")
    for right, (wrong, kind) in FAULTS.items():
        assert source.count(right) == 1, right
        (home / "desk" / "planted.py").write_text(source.replace(right, wrong), encoding="utf-8")
        found = mypy("planted.py")
        assert found.returncode == 1, f"{wrong} is not found"
        assert f"[{kind}]" in found.stdout


# --- the page and the package ---------------------------------------------------------------------------------------


def test_the_page_holds_every_file() -> None:
    sources = [path for path in SOURCE.rglob("*.*") if path.suffix in (".py", ".toml") and path.stat().st_size]
    texts = {path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8") for path in sources}
    said = files_of_the_page()
    assert set(said) == set(texts)
    for name, text in texts.items():
        lines = [[line for line in code.splitlines() if line.strip()] for code in (said[name], text)]
        assert lines[0] == lines[1], name


def test_the_page_says_where_things_are() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).exists(), target


# --- the traps of the page ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs() -> Iterator[Any]:
    """The package's modules, imported from the tree."""
    sys.path.insert(0, str(SOURCE))
    try:
        yield importlib.import_module("stranger_clap.model")
    finally:
        sys.path.remove(str(SOURCE))
        for name in [n for n in sys.modules if n.partition(".")[0] == "stranger_clap"]:
            del sys.modules[name]


def in_train_mode(theirs: Any, patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(theirs, "evaluating", lambda model: nullcontext())
    model = theirs.load()
    model.clap.train()
    return model


def random_crop(theirs: Any, patch: pytest.MonkeyPatch) -> Any:
    model = theirs.load()
    whole = model.model_input
    patch.setattr(model, "model_input", lambda log_mel, mel: whole(log_mel.roll(int(torch.randint(200, ())), -1), mel))
    return model


def long_rows(theirs: Any, patch: pytest.MonkeyPatch) -> Any:
    model = theirs.load()
    encode = model.encode
    patch.setattr(model, "encode", lambda features: Encoding(3 * (e := encode(features)).embedding, e.feature_maps))
    return model


def no_grad(theirs: Any, patch: pytest.MonkeyPatch) -> Any:
    model = theirs.load()
    patch.setattr(model.clap, "audio", torch.no_grad()(model.clap.audio))
    return model


def kernel_of_torch(theirs: Any, patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(theirs, "exact_batch_norm", lambda *_: None)
    return theirs.load()


def cut_prompts(theirs: Any, patch: pytest.MonkeyPatch) -> Any:
    model = theirs.load()
    encode = model.encode_text

    def cut(prompts: Any) -> TextEncoding:
        found: TextEncoding = encode([" ".join(p.split()[:16]) for p in prompts])
        return found

    patch.setattr(model, "encode_text", cut)
    return model


def exchanged_axes(theirs: Any, patch: pytest.MonkeyPatch) -> Any:
    model = theirs.load()
    encode = model.encode

    def exchanged(features: Any) -> Encoding:
        found = encode(features)
        return Encoding(
            found.embedding, tuple(FeatureMap(m.name, m.values.transpose(2, 3), m.grid) for m in found.feature_maps)
        )

    patch.setattr(model, "encode", exchanged)
    return model


def reversed_time(theirs: Any, patch: pytest.MonkeyPatch) -> Any:
    def swap(values: torch.Tensor) -> torch.Tensor:
        unfolds = values.shape[2] > values.shape[3]  # more frames than bands
        return values.transpose(2, 3).flip(3 if unfolds else 2)

    patch.setattr(theirs, "swap", swap)
    return theirs.load()


TRAPS: dict[Callable[[Any, pytest.MonkeyPatch], Any], str] = {
    in_train_mode: "two passes",
    random_crop: "two passes",
    long_rows: "unit embeddings",
    no_grad: "gradient reaches the waveform",
    kernel_of_torch: "gradient is right",
    cut_prompts: "text side",
    exchanged_axes: "taps",
    reversed_time: "places of maps",
}


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_a_trap_of_the_page_is_found(theirs: Any, trap: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from zsxai.testing import check_model

    if trap is kernel_of_torch and not torch.__version__.startswith("2.13"):
        pytest.skip("the page says it of torch 2.13")
    assert f"`{TRAPS[trap]}`" in PAGE.read_text(encoding="utf-8").partition("## Traps")[2]
    report = check_model(trap(theirs, monkeypatch))
    failed = {check.name for check in report.checks if check.state == "failed"}
    assert TRAPS[trap] in failed, str(report)


@pytest.mark.parametrize(
    "wrong", [{"fill": "zero"}, {"mel_scale": "slaney"}, {"mel_norm": "slaney"}, {"filter_rate": 32000}], ids=str
)
def test_the_comparison_with_the_extractor_finds_other_numbers(theirs: Any, wrong: dict[str, Any]) -> None:
    network = importlib.import_module("stranger_clap.network")
    clip = np.random.default_rng(0).normal(0, 0.1, 20000).astype(np.float32)
    model = theirs.load()

    def apart() -> float:
        picture = model.features(torch.from_numpy(clip)[None]).input[0, 0].numpy()
        return float(np.abs(picture - network.log_mel(clip)).max())

    assert apart() < 1e-4
    if "fill" in wrong:
        model.audio_spec = model.audio_spec.model_copy(update=wrong)
    else:
        model.front_end = theirs.FrontEnd(theirs.FRONT_END.model_copy(update=wrong))
    assert apart() > 0.1
