"""The command that compares adapters with the libraries they come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zsxai.benchmarks import parity
from zsxai.benchmarks.libraries import laion


@pytest.fixture
def command() -> object:
    import typer

    app = typer.Typer()
    app.command()(parity.parity)
    return lambda *words: CliRunner().invoke(app, list(words))


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


def test_a_difference_is_found(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
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
