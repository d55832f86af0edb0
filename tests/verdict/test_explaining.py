"""The verdict's controls, windows that stay dark, and the command that makes figures, on a toy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zsxai
from tests.toys import ConvToy
from tests.verdict.test_presence import make_reference
from zsxai.cli import main
from zsxai.data.synthetic import Synthetic
from zsxai.recording import Recording
from zsxai.registry import DATASETS, MODELS
from zsxai.verdict.controls import CONTROLS, make_controls
from zsxai.verdict.presence import Listener
from zsxai.verdict.reference import load_reference


@pytest.fixture(scope="module")
def sound(noise) -> np.ndarray:
    return noise(seconds=3.0)


def test_controls_have_the_very_values_of_the_mask(sound):
    model = ConvToy()
    recording = Recording(model, sound)
    in_band = recording.grid.in_band
    mask = np.random.default_rng(0).random(recording.grid.shape).astype(np.float32) ** 4
    mask[~in_band] = 0.0
    windows = torch.stack([recording.embedding(i) for i in range(len(recording.spans))]).detach().numpy()
    asked = [Listener(model).ask(windows, model.embed_text([p])[0].numpy()) for p in ("dog", "rain")]
    made = make_controls(recording, *recording.sections(), zsxai.load_explainer("gradcam"), [mask, mask], asked)
    assert len(made) == len(CONTROLS)
    for control in made:
        for one in control:
            np.testing.assert_array_equal(np.sort(one[in_band], axis=None), np.sort(mask[in_band], axis=None))
            assert not one[~in_band].any()
            assert not np.array_equal(one, mask)


def test_windows_that_do_not_hear_it_stay_dark_by_option(sound):
    model = ConvToy()
    plain = zsxai.explain(sound, "dog", model=model, sample_rate=16000, dark_windows=False)
    assert plain.provenance.window_weights == ()
    windows = np.array([w.similarity for w in plain.windows])
    assert np.ptp(windows) > 1e-4
    # By the cosine alone: only the windows above the middle hear it, the best one in full.
    slope = 4.0 / (windows.max() - np.median(windows))
    figures = make_reference(model, cosine=slope, margin=0.0, constant=-slope * float(np.median(windows)))
    dark = zsxai.explain(sound, "dog", model=model, sample_rate=16000, reference=figures)
    weights = np.array(dark.provenance.window_weights)
    assert weights[windows.argmax()] == 1.0
    assert (weights[windows < np.median(windows)] == 0.0).all()
    frames = Recording(model, sound).over_frames(weights.tolist())
    assert not dark.mask[:, frames == 0].any()
    assert plain.mask[:, frames == 0].any()
    np.testing.assert_array_equal(dark.relevance, plain.relevance)
    assert dark.verify(model).ok


def test_the_command_writes_figures_that_say_how_they_were_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ZSXAI_CACHE", str(tmp_path / "cache"))
    zsxai.register_model("toy", ConvToy())
    DATASETS.register("drawn", lambda root, **options: Synthetic(seconds=1, **options))
    try:
        words = ["reference", "toy", "--data", f"drawn={tmp_path}", "--data-option", "clips_per_class=3"]
        words += ["--limit", "24", "--out", str(tmp_path / "toy.json")]
        assert main(words) == 0, capsys.readouterr().err
        found = load_reference(tmp_path / "toy.json")
        assert found.command == "zsxai reference toy --data drawn=DIR --data-option clips_per_class=3 --limit 24"
        assert (found.clips, found.model) == (24, ConvToy().card.name)
        assert "give it as --reference" in capsys.readouterr().out
        assert not list((tmp_path / "cache").rglob("references/*")), "--out keeps nothing elsewhere"
        assert main(["reference", "toy", "--data", "drawn"]) == 2
        assert "--data is READER=DIR" in capsys.readouterr().err
    finally:
        MODELS.unregister("toy")
        DATASETS.unregister("drawn")
