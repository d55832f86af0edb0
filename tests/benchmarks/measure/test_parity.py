"""The command that compares adapters with the libraries they come from."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from zsxai.benchmarks.measure import parity
from zsxai.benchmarks.measure.checkpoints import BACKENDS, Checkpoint
from zsxai.benchmarks.measure.frame import app
from zsxai.benchmarks.measure.libraries import laion, msclap


@pytest.fixture
def command() -> object:
    return lambda *words: CliRunner().invoke(app(parity.parity), list(words))


@pytest.mark.legacy
def test_every_backend_equals_its_library(command) -> None:  # type: ignore[no-untyped-def]
    done = command("--json")
    assert done.exit_code == 0, done.stdout
    printed = json.loads(done.stdout)
    assert list(printed["rows"]) == [
        "hf",
        "hf, fused",
        "laion",
        "laion, own classes",
        "laion, fused",
        "msclap-2022",
        "msclap-2023",
    ]
    assert {"torch", "transformers", "laion-clap", "msclap"} <= printed["versions"].keys()
    for name, rows in printed["rows"].items():
        assert all(row["met"] for row in rows), (name, rows)
        whats = {row["what"] for row in rows}
        assert {"audio: silence", "audio: noise 25 s", "file: stereo, 44.1 kHz", "gradient (relative)"} <= whats
        limits = {row["what"]: row["limit"] for row in rows}
        assert limits["text: 4 prompts"] == 1e-5
        assert limits["audio: chirp"] == (1e-4 if name.startswith("hf") else 1e-5)
    assert "GradCAM, other classes (relative)" in {row["what"] for row in printed["rows"]["laion"]}


@pytest.mark.legacy
def test_a_difference_is_found(command, few_signals: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """The library on other weights than the adapter's."""
    file, other = (laion.random_checkpoint(tmp_path / str(seed) / "x.pt", seed=seed) for seed in (0, 1))
    monkeypatch.setattr(parity, "LIMITS", {**parity.LIMITS, "gradient": 0.0})
    whole = laion.Reference
    monkeypatch.setattr(laion, "Reference", lambda _path, tokenizer: whole(other, tokenizer))
    done = command(f"laion:{file}")
    assert done.exit_code == 1
    assert " !" in done.stdout


@pytest.mark.parametrize("name", ["tiny", "hf:", "hf:/nowhere", "prototypes:/tmp"])
def test_what_has_no_library_is_refused(command, name: str) -> None:  # type: ignore[no-untyped-def]
    done = command(name)
    assert done.exit_code == 2


@pytest.fixture
def few_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the signals, where it is the file that matters."""
    every = parity.signals
    monkeypatch.setattr(parity, "signals", lambda *given: {n: every(*given)[n] for n in ("noise", "chirp")})


WHATS = {"audio: chirp", "audio: noise 25 s", "file: stereo, 48 kHz", "text: 4 prompts", "gradient (relative)"}


def rows_of(command, *words: str) -> list[dict[str, object]]:  # type: ignore[no-untyped-def]
    done = command("--json", *words)
    assert done.exit_code == 0, (done.output, done.exception)
    (rows,) = json.loads(done.stdout)["rows"].values()
    return rows  # type: ignore[no-any-return]


@pytest.mark.legacy
def test_a_bare_laion_state_is_compared(command, few_signals: None, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Neither inside ``state_dict``, nor under ``module.``, nor with the constant that the library deletes."""
    file = laion.random_checkpoint(tmp_path / "x.pt", module_prefix=False, position_ids=False)
    torch.save(torch.load(file, weights_only=False)["state_dict"], file)
    assert {row["what"] for row in rows_of(command, f"laion:{file}")} >= WHATS


@pytest.mark.legacy
@pytest.mark.parametrize("version", ["2022", "2023"])
def test_a_small_msclap_file_is_compared(  # type: ignore[no-untyped-def]
    command, few_signals: None, tmp_path: Path, version: msclap.Version
) -> None:
    file = msclap.random_checkpoint(tmp_path / "x.pth", version)
    assert {row["what"] for row in rows_of(command, f"msclap-{version}:{file}")} >= WHATS


@pytest.mark.legacy
def test_what_the_library_itself_does_not_load_is_one_line(command, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A bare state, which the adapter takes and ``CLAPWrapper`` does not."""
    file = msclap.random_checkpoint(tmp_path / "x.pth", "2022")
    torch.save(torch.load(file)["model"], file)
    done = command(f"msclap-2022:{file}")
    assert done.exit_code == 2
    assert "its own library does not load it" in done.output


def test_a_filter_that_matches_nothing_names_the_backends(command) -> None:  # type: ignore[no-untyped-def]
    done = command("--only", "nosuch")
    assert done.exit_code == 2
    assert "nosuch" in done.output
    assert "msclap-2022" in done.output


def test_a_library_that_is_not_installed_is_said_so(command, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    def version(package: str) -> str:
        raise PackageNotFoundError(package)

    def save(*_arguments: object) -> Checkpoint:
        raise ModuleNotFoundError("No module named 'msclap'", name="msclap")

    monkeypatch.setattr(parity, "package_version", version)
    assert parity._version("msclap") == "not installed"
    monkeypatch.setitem(BACKENDS, "msclap-2022", save)
    done = command("--only", "msclap-2022")
    assert done.exit_code == 2
    assert "pip install" in done.output
