"""Saved, loaded and verified: every number comes back, and whatever changes is named."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zsxai
from zsxai.concepts.saved import FILES

WORDS = ["wind", "a dog barking", "rain", "a siren"]


@pytest.fixture(scope="module")
def made() -> zsxai.ConceptExplanation:
    noise = np.random.default_rng(0).normal(0, 0.1, 64000).astype(np.float32)
    return zsxai.explain_concepts(
        noise, sample_rate=32000, vocabulary=WORDS, lam=0.01, centring="mean", listen=1, window=0.5
    )


@pytest.fixture(scope="module")
def saved(made: zsxai.ConceptExplanation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.save(tmp_path_factory.mktemp("saved") / "why")


def test_everything_comes_back(made: zsxai.ConceptExplanation, saved: Path) -> None:
    loaded = zsxai.ConceptExplanation.load(saved)
    assert loaded == made
    assert loaded.vocabulary == made.vocabulary
    assert loaded.centring.card == made.centring.card
    assert str(loaded) == str(made)
    np.testing.assert_array_equal(loaded.unclaimed, made.unclaimed)
    written = {p.relative_to(saved).as_posix() for p in saved.rglob("*") if p.is_file()}
    assert written <= set(FILES)
    assert {"index.html", "concepts.png", "unclaimed.wav", "sounds/1/explanation.wav"} <= written


def test_it_verifies(saved: Path) -> None:
    report = zsxai.ConceptExplanation.load(saved).verify()
    assert report.ok, str(report)
    names = {check.name for check in report.checks}
    assert {"embedding", "weights of words", "reconstruction", "centring", "sound 1", "files"} <= names


def _edit(path: Path, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (lambda r: r["concepts"][0]["words"].update({r["concepts"][0]["name"]: 0.9}), {"record", "weights of words"}),
        (lambda r: r.update(cosine=0.99), {"record", "cosine"}),
        (lambda r: r.update(penalty=0.2), {"record", "weights of words"}),
        (lambda r: r["provenance"].update(audio_name="another"), {"record"}),
        (lambda r: r["vocabulary"].update(licence="MIT"), {"record"}),
    ],
)
def test_a_changed_record_is_named(
    saved: Path,
    tmp_path: Path,
    change: Callable[[dict], None],
    failed: set[str],  # type: ignore[type-arg]
) -> None:
    other = tmp_path / "copy"
    other.mkdir()
    for path in saved.rglob("*"):
        if path.is_file():
            place = other / path.relative_to(saved)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    _edit(other / "concepts.json", change)
    report = zsxai.ConceptExplanation.load(other).verify()
    assert failed <= {check.name for check in report.checks if not check.ok}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(format=2), "format"),
        (lambda r: r.pop("cosine"), "lost or gained cosine"),
        (lambda r: r.update(sounds=99), "99 sounds"),
        (lambda r: r.update(kkt=float("nan")), "which is no number"),
        (lambda r: r["concepts"][0]["words"].update(violin=0.1), "'violin' is no word"),
        (lambda r: r.update(provenance=3), "has no provenance"),
    ],
)
def test_a_damaged_record_is_refused(
    made: zsxai.ConceptExplanation,
    tmp_path: Path,
    change: Callable[[dict], None],
    message: str,  # type: ignore[type-arg]
) -> None:
    folder = made.model_copy(update={"sounds": ()}).save(tmp_path / "why")
    _edit(folder / "concepts.json", change)
    with pytest.raises(zsxai.InputError, match=message) as caught:
        zsxai.ConceptExplanation.load(folder)
    assert "\n" not in str(caught.value)


def test_no_sound_can_be_dropped_from_a_record(made: zsxai.ConceptExplanation, tmp_path: Path) -> None:
    folder = made.save(tmp_path / "why")
    _edit(folder / "concepts.json", lambda r: r.update(sounds=len(made.sounds) - 1))
    with pytest.raises(zsxai.InputError, match="lists the files of others"):
        zsxai.ConceptExplanation.load(folder)


def test_a_model_of_another_width_fails_the_check(made: zsxai.ConceptExplanation, bands: Any) -> None:
    report = made.model_copy(update={"sounds": ()}).verify(bands)
    failed = {check.name: check.detail for check in report.checks if not check.ok}
    assert not report.ok
    assert "decomposition" in failed


def test_it_is_copied_and_pickled(made: zsxai.ConceptExplanation) -> None:
    assert made.weights
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301  # our own


def test_a_folder_is_whole_or_refused(made: zsxai.ConceptExplanation, tmp_path: Path) -> None:
    plain = made.model_copy(update={"sounds": ()})
    folder = plain.save(tmp_path / "why")
    with pytest.raises(zsxai.InputError, match="exists"):
        plain.save(folder)
    plain.save(folder, overwrite=True)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(zsxai.InputError, match=r"mine\.txt, which is not ours"):
        plain.save(folder, overwrite=True)
    (folder / "concepts.safetensors").unlink()
    with pytest.raises(zsxai.InputError, match=r"concepts\.safetensors is missing"):
        zsxai.ConceptExplanation.load(folder)


def test_a_file_that_was_changed_is_named(made: zsxai.ConceptExplanation, tmp_path: Path) -> None:
    folder = made.model_copy(update={"sounds": ()}).save(tmp_path / "why")
    (folder / "index.html").write_text("nothing")
    report = zsxai.ConceptExplanation.load(folder).verify()
    assert [check.name for check in report.checks if not check.ok] == ["files"]


def test_an_empty_explanation_is_saved_too(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    empty = zsxai.explain_concepts(noise, sample_rate=32000, vocabulary=WORDS, lam=5.0)
    loaded = zsxai.ConceptExplanation.load(empty.save(tmp_path / "why"))
    assert loaded == empty
    assert loaded.verify().ok
