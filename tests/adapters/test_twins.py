"""The twins of ``tiny`` that a checkout holds, and the command that makes them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zsxai
from zsxai.adapters.tiny import TWINS, load, load_twin
from zsxai.adapters.tiny.store import AUDIO, MANIFEST, TEXT
from zsxai.adapters.tiny.training import twins
from zsxai.data.sounds import siren
from zsxai.lmac_zs.card import read_card
from zsxai.lmac_zs.explainer import LMACZS

TINY = Path(importlib.util.find_spec("zsxai.adapters.tiny").origin).parent
MEGABYTE = 10**6


def weight_files(folder: Path) -> list[Path]:
    return [f for f in folder.rglob("*.safetensors") if f.is_file()]


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_has_not_heard_its_fold(name: str) -> None:
    twin = load_twin(name)
    folds = [int(fold) for fold in TWINS if fold != name]
    manifest = json.loads((TINY / "training" / "twins" / name / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["notes"]["folds"] == folds
    assert f"folds {folds[0]}, {folds[1]}" in str(twin.card.training_data)
    (folder,) = twin.decoders
    card = read_card(folder)
    assert card.model_sha256 == twin.card.weights_sha256
    assert card.training["data"]["esc50"]["options"] == {"folds": folds}
    assert LMACZS.fits(twin)


def test_twins_are_three_models_with_one_text_side() -> None:
    models = [load(), *map(load_twin, TWINS)]
    assert len({m.card.weights_sha256 for m in models}) == 4
    texts = [m.embed_text(["a siren"]) for m in models]
    assert all(torch.equal(texts[0], text) for text in texts[1:])


def test_a_twin_explains_by_its_own_decoder() -> None:
    times = np.arange(5 * 32000) / 32000
    sound = 0.3 * siren(times, 32000, np.random.default_rng(0))
    found = zsxai.explain(sound, "a siren", sample_rate=32000, model="tiny-twin:2")
    assert found.provenance.explainer == "lmac-zs"
    assert found.score > 0.05


def test_weights_stay_small() -> None:
    of_twins = sum(f.stat().st_size for f in weight_files(TINY / "training" / "twins"))
    assert of_twins <= 15 * MEGABYTE
    assert of_twins + sum(f.stat().st_size for f in weight_files(TINY) if "twins" not in f.parts) <= 40 * MEGABYTE
    assert sum(f.stat().st_size for f in (TINY / "weights").iterdir()) <= 12 * MEGABYTE


def test_the_command_leaves_each_fold_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def train(words: list[str]) -> int:
        asked.append(words)
        weights = Path(words[words.index("--out") + 1]) / "weights"
        weights.mkdir(parents=True)
        for name in (AUDIO, MANIFEST, TEXT):
            (weights / name).write_bytes(b"x")
        return 0

    monkeypatch.setattr(twins, "train_encoder", train)
    assert (
        twins.main(["--data", "D", "--out", str(tmp_path), "--twins", "1", "3", "--no-decoders", "--epochs", "2"]) == 0
    )
    assert [words[words.index("--folds") + 1 : words.index("--text-from")] for words in asked] == [
        ["2", "3"],
        ["1", "2"],
    ]
    assert all(words[-1] == "2" for words in asked)
    written: Any = sorted(f.relative_to(tmp_path / "twins").as_posix() for f in (tmp_path / "twins").rglob("*.*"))
    assert written == [f"{k}/{name}" for k in (1, 3) for name in sorted((AUDIO, MANIFEST))]


def test_the_command_ends_where_a_training_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "train_encoder", lambda words: 2)
    assert twins.main(["--data", "D", "--out", str(tmp_path)]) == 2
    assert not (tmp_path / "twins").exists()
