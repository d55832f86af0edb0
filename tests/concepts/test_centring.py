"""Centrings: the right numbers, files, and models that they were not made for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from zsxai.cli.app import run
from zsxai.concepts.centring import NONE, find_centring, fit_centring, load_centring
from zsxai.concepts.dictionary import build_dictionary
from zsxai.errors import InputError
from zsxai.plugins import load_model

WORDS = ["low", "middle", "high", "top"]


def rows(count: int, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(count, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


def test_mean_is_taken_off_both_sides_and_put_back(bands: Any) -> None:
    audio = rows(9)
    made = fit_centring("mean", bands, audio, data="nine rows")
    words = build_dictionary(bands, WORDS, made)
    mean = audio.mean(dim=0).float().double()
    torch.testing.assert_close(words.code_audio(audio), normalize(audio - mean, dim=1))
    torch.testing.assert_close(words.atoms, normalize(torch.eye(4, dtype=torch.float64) - 0.25, dim=1))
    torch.testing.assert_close(words.code_text(torch.eye(4)), words.atoms)
    code = rows(2, seed=1)
    torch.testing.assert_close(made.restore(code), normalize(code + mean, dim=1))


def test_pls_keeps_the_axes_that_both_sides_share(bands: Any) -> None:
    # What is alike in both varies along the first two axes; the others are noise of one side.
    shared = torch.randn(400, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    noise = torch.randn(400, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    audio = torch.cat([shared, noise[:, :2]], dim=1)
    text = torch.cat([3 * shared, noise[:, 2:]], dim=1)
    made = fit_centring("pls", bands, audio, text, data="pairs", axes=2)
    for name in ("audio_axes", "text_axes"):
        axes = made.arrays[name]
        torch.testing.assert_close(axes.T @ axes, torch.eye(2, dtype=torch.float64), atol=1e-6, rtol=0)
        assert axes[2:].abs().max() < 0.2
    codes, captions = made.audio(audio), made.text(text, torch.zeros(4))
    assert (codes * captions).sum(dim=1).mean() > 0.95
    assert made.restore(codes).shape == (400, 4)


def test_a_file_keeps_every_number(bands: Any, tmp_path: Path) -> None:
    made = fit_centring("pls", bands, rows(20), rows(20, 1), data="twenty", axes=3)
    read = load_centring(made.save(tmp_path / "pls.safetensors"))
    assert read.card == made.card
    torch.testing.assert_close(read.audio(rows(3)), made.audio(rows(3)), rtol=0, atol=0)
    assert find_centring(str(tmp_path / "pls.safetensors"), bands).sha256 == made.sha256


def test_a_damaged_file_is_refused(bands: Any, tmp_path: Path) -> None:
    path = fit_centring("mean", bands, rows(5), data="five").save(tmp_path / "mean.safetensors")
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match="holds no centring of zsxai: its hash differs"):
        load_centring(path)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="holds no centring"):
        load_centring(path)


def test_another_model_is_named_beside_its_own(bands: Any) -> None:
    made = fit_centring("mean", bands, rows(5), data="five")
    other = type(bands)("b" * 64)
    other.card = other.card.model_copy(update={"name": "others"})
    with pytest.raises(InputError, match=r"made for bands \(aaaaaaaaaaaa\), not for others \(bbbbbbbbbbbb\)"):
        build_dictionary(other, WORDS, made)
    assert find_centring("none", other) is NONE


@pytest.mark.parametrize(
    ("kind", "count", "message"),
    [("mean", 1, "two recordings or more"), ("pls", 5, "needs a caption's embedding"), ("max", 5, "unknown centring")],
)
def test_what_cannot_be_fitted(bands: Any, kind: Any, count: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_centring(kind, bands, rows(count), data="few")


@pytest.mark.parametrize("kind", ["mean", "pls"])
@pytest.mark.parametrize("name", ["tiny", "tiny-twin:1", "tiny-twin:2", "tiny-twin:3"])
def test_tiny_and_its_twins_bring_their_own(name: str, kind: str) -> None:
    model = load_model(name)
    found = find_centring(kind, model)
    assert found.weights_sha256 == model.card.weights_sha256
    heard = {"tiny": "[1, 2, 3]", "tiny-twin:1": "[2, 3]", "tiny-twin:2": "[1, 3]", "tiny-twin:3": "[1, 2]"}[name]
    assert f"folds {heard}," in found.data


def test_words_of_one_direction_are_one(bands: Any) -> None:
    words = build_dictionary(bands, [*WORDS, "a low"])
    assert words.words == tuple(WORDS)
    assert words.same == {"a low": "low"}


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_of_the_command_is_two_or_more(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["centring", "--data", "folder=nowhere", "--out", "mean.safetensors", "--limit", limit]) == 2
    assert f"--limit is a whole number, 2 or more, not {limit}" in capsys.readouterr().err


def test_shared_axes_are_one_or_more(bands: Any) -> None:
    with pytest.raises(InputError, match="axes is a whole number, 1 or more, not 0"):
        fit_centring("pls", bands, rows(9), rows(9, seed=1), data="nine rows", axes=0)
