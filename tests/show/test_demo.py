"""The demo writes one whole folder: true sources beside explanations."""

from __future__ import annotations

import json

import numpy as np
import pytest

import zsxai
from zsxai import demo
from zsxai.demo import PROMPTS, energy_shares, run_demo
from zsxai.saved import FILES


@pytest.fixture(scope="module")
def out(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert run_demo(folder, progress=False, model=toy, explainer="energy") == folder / "index.html"
    return folder


def test_demo_folder_is_complete(out):
    found = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    wanted = {"demo.json", "index.html", "scene.wav"}
    wanted |= {f"sources/{name}.wav" for name in ("siren", "church-bells", "rain")}
    wanted |= {f"{folder}/{name}" for folder in ("siren", "church-bell") for name in FILES}
    assert found == wanted


def test_explanations_of_the_demo_load(out):
    for folder, prompt in PROMPTS.items():
        e = zsxai.Explanation.load(out / folder)
        assert e.prompt == prompt
        assert e.provenance.audio_name == "scene.wav"


def test_demo_page_shows_sources_and_shares(out):
    page = (out / "index.html").read_text(encoding="utf-8")
    record = json.loads((out / "demo.json").read_text())
    assert page.count("<audio") == 6
    assert record["formula"] in page
    for shares in record["shares"].values():
        assert sum(shares.values()) == pytest.approx(1.0)
        for value in shares.values():
            assert f"{value:.1%}" in page
    assert "http://" not in page
    assert "https://" not in page


def test_demo_is_overwritten_only_when_asked(out, toy, monkeypatch):
    with pytest.raises(zsxai.InputError, match="exists"):
        run_demo(out, model=toy)
    (out / "siren" / "notes.txt").write_text("mine")
    with pytest.raises(zsxai.InputError, match="notes"):
        run_demo(out, overwrite=True, model=toy)
    (out / "siren" / "notes.txt").unlink()

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_page", fail)
    before = (out / "index.html").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run_demo(out, overwrite=True, progress=False, model=toy, explainer="constant")
    assert (out / "index.html").read_bytes() == before
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_shares_follow_the_mask(explanation):
    times = np.arange(len(explanation.original)) / explanation.sample_rate
    inside = np.sin(2 * np.pi * 800 * times).astype(np.float32)
    outside = np.sin(2 * np.pi * 5000 * times).astype(np.float32)
    sources = {"inside": inside, "outside": outside}
    e = explanation.model_copy(update={"original": inside + outside})
    kept = energy_shares(e, sources)
    whole = energy_shares(e.model_copy(update={"mask": np.ones_like(e.mask)}), sources)
    assert whole["inside"] == pytest.approx(0.5, abs=0.02)
    assert kept["inside"] > 0.95
    assert sum(kept.values()) == pytest.approx(1.0)


def test_an_empty_mask_keeps_no_share(explanation):
    e = explanation.model_copy(update={"mask": np.zeros_like(explanation.mask), "original": 0 * explanation.original})
    assert energy_shares(e, {"silence": 0 * explanation.original}) == {"silence": 0.0}
