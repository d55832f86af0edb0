"""The tasks ``presence``, ``located`` and ``scenes``: what is asked, and what is said of known answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.benchmarks.stages import measured, stage_of
from tests.benchmarks.tasks.test_concepts import RATE, Clips
from zsxai import InputError, load_explainer
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import Row
from zsxai.benchmarks.tasks.mixtures import join
from zsxai.benchmarks.tasks.presence import Stimulus
from zsxai.benchmarks.tasks.scenes import make_scenes
from zsxai.benchmarks.tasks.words import load_outside
from zsxai.clip import Clip, Relevance
from zsxai.data.clip import LabelledClip
from zsxai.data.synthetic import DRAWS
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.level import active_power
from zsxai.model import AudioSpec, ModelCard, ZeroShotModel
from zsxai.target import BoundTarget
from zsxai.verdict import presence as listening
from zsxai.verdict.bank import everyday

LABELS = sorted(DRAWS)


class Tones(ZeroShotModel):
    """Hears how loud the tones of 500, 1000, ... Hz are, one for each class; other words are half of one, half hiss."""

    def __init__(self) -> None:
        self.card = ModelCard(name="tones", weights_sha256=None)
        self.audio_spec = AudioSpec(sample_rate=RATE, window=1.0, fill="zero")
        self.logit_scale = 10.0

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        waves = torch.nn.functional.pad(waveforms.double(), (0, RATE - waveforms.shape[1]))
        levels = torch.fft.rfft(waves).abs()[:, 500 : 500 * len(LABELS) + 1 : 500]
        hiss = torch.fft.rfft(waves).abs()[:, 7000:7900].mean(dim=1, keepdim=True) * 10
        return torch.nn.functional.normalize(torch.cat([levels, hiss], dim=1) + 1e-9, dim=1).float()

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        rows = torch.zeros(len(prompts), len(LABELS) + 1)
        for row, prompt in zip(rows, prompts, strict=True):
            name = prompt.removeprefix("the sound of ")
            if name in LABELS:
                row[LABELS.index(name)] = 1.0
            else:
                row[sum(map(ord, prompt)) % len(LABELS)], row[-1] = 0.5, 0.75**0.5
        return rows


class Oracle(Explainer):
    """Marks the tone of the prompt, wherever it sounds; of some prompts another one's."""

    name: ClassVar[str] = "oracle"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Tones.", needs_gradients=False, deterministic=True, forwards="0", backwards="0", reference="none"
    )
    calibration: str = "identity"
    shift: int = 0

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        maps = []
        for target in targets:
            hertz = 500 * (1 + LABELS.index(target.target.prompt) + self.shift)
            near = torch.from_numpy(np.abs(clip.grid.frequencies - hertz) < 150).float()
            maps.append(near[:, None].expand(clip.grid.shape))
        return Relevance(torch.stack(maps), clip.grid, "clip")


@pytest.fixture(autouse=True)
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bank of thirty words is enough."""
    monkeypatch.setattr("zsxai.verdict.bank.everyday", lambda: everyday()[:30])


def rows_of(
    kind: str, label: str, explainers: Any = None, count: int = 99, beneath: float = 0.0, **task: Any
) -> list[Row]:
    stage = stage_of({"kind": kind, **task}, Tones(), explainers or {})
    runner = runner_of(kind)(replace(stage, dataset=Clips(beneath)))
    rows, failures = measured(runner, label, count, domain="stft")
    assert not failures
    return rows


# --- presence ---------------------------------------------------------------------------------------------------------


def test_what_is_asked_of_clips_and_of_what_stands_in_their_place() -> None:
    rows = rows_of("presence", "bank", beneath=0.5, every=4)
    assert [r.item for r in rows if r.strata["present"]] == [r.prompt for r in rows if r.strata["present"]], "named so"
    of_clip = [r for r in rows if r.item == "rain"]
    next_class = LABELS[(LABELS.index("rain") + 1) % len(LABELS)]
    assert of_clip[0].prompt == "rain"
    assert next_class in {r.prompt for r in of_clip if r.strata["hardest"]}, "it sounds beneath"
    for stratum, number in {"present": 1, "correct": 1, "misheard": 0, "drawn": 5, "hardest": 3, "outside": 3}.items():
        assert sum(r.strata[stratum] for r in of_clip) == number
    assert {r.prompt for r in of_clip if r.strata["outside"]} < set(load_outside())
    assert len({(r.item, r.prompt) for r in rows}) == len(rows), "a class drawn and among the hardest is one row"
    quiet = [r for r in rows if r.strata["noise"] or r.strata["silence"]]
    assert len(quiet) == 2 * 2 * 5
    assert not any(r.strata["drawn"] or "presence-auc" in r.figures for r in quiet)
    assert all(set(r.sources) == {r.item} for r in quiet)


def test_a_model_that_hears_its_tones_alone_is_right_and_rules_without_a_threshold_decide_nothing() -> None:
    for rule in ("bank", "cosine", "percentile"):
        rows = rows_of("presence", rule, rules=[rule])
        present = [r for r in rows if r.strata["present"]]
        assert np.mean([r.figures["presence-auc"] for r in present]) == 1.0
        for row in rows:
            decided = {"presence-heard", "presence-refused"} & set(row.figures)
            assert decided == (
                {"presence-heard" if row in present else "presence-refused"} if rule == "bank" else set()
            )
        if rule == "bank":
            assert {r.figures["presence-heard"] for r in present} == {1.0}


def test_areas_are_those_of_the_whole_set_whatever_the_limit() -> None:
    whole = {r.item: r.figures["presence-auc-hardest"] for r in rows_of("presence", "bank") if r.strata["present"]}
    some = {
        r.item: r.figures["presence-auc-hardest"] for r in rows_of("presence", "bank", count=2) if r.strata["present"]
    }
    assert len(some) == 2
    assert some.items() <= whole.items()


def test_noise_and_silence_are_as_long_as_the_clip_and_as_loud_as_said() -> None:
    stage = stage_of({"kind": "presence", "every": 1}, Tones(), {})
    runner = runner_of("presence")
    items = runner.items(stage.task, Clips(0.0), stage.contamination, 0, None)[:3]  # type: ignore[arg-type]
    sounds = [runner.sound(stage.task, item, stage.contamination, 0, RATE).waveform for item in items]
    assert [item.sound for item in items if isinstance(item, Stimulus)] == ["clip", "noise", "silence"]
    assert {len(sound) for sound in sounds} == {RATE}
    assert [sound.std() for sound in sounds[1:]] == pytest.approx([0.1, 1e-5], rel=0.02)


def test_what_cannot_be_asked() -> None:
    with pytest.raises(InputError, match="presence asks no explainer, of clean clips: leave domains out"):
        stage_of({"kind": "presence", "domains": ["mel"]}, Tones(), {})
    with pytest.raises(InputError, match="tones has no reference figures: zsxai reference makes them"):
        rows_of("presence", "reference")


# --- located ----------------------------------------------------------------------------------------------------------


def test_the_verdict_on_maps_that_are_right_and_on_maps_that_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "DOUBT", 0.0)
    explainers = {"right": Oracle(), "wrong": Oracle(shift=9), "blind": load_explainer("constant")}
    found = {
        name: rows_of(
            "located", name, explainers, metrics=["weighted-auc", "located-share", "heard-share", "foil-at-25"]
        )
        for name in explainers
    }
    for rows in found.values():
        assert len(rows) == len(LABELS)
        assert {r.figures["heard-share"] for r in rows} == {1.0}
        assert all(
            sum(r.strata[s] for s in ("located", "weakly-located", "not-heard", "cannot-say")) == 1 for r in rows
        )
    for row in found["right"]:
        assert row.strata["located"]
        assert (row.figures["located-share"], row.figures["foil-at-25"]) == (1.0, 1.0)
        assert row.figures["weighted-auc"] > 0.9
        assert row.figures["location"] > 0.3
    for name in ("wrong", "blind"):
        assert all(row.strata["weakly-located"] and row.strata["not-located"] for row in found[name])
    assert np.mean([row.figures["foil-at-25"] for row in found["blind"]]) == pytest.approx(0.5, abs=1e-6)


# --- scenes -----------------------------------------------------------------------------------------------------------


def crowd() -> list[LabelledClip]:
    return [LabelledClip(f"{label}{n}", label, f"{label}{n}") for label in "abc" for n in range(3)]


def test_scenes_hold_the_class_so_often_and_no_recording_twice() -> None:
    scenes = make_scenes(crowd(), 5, (1, 2, 3), 4)
    assert len(scenes) == 4 * 3
    for scene in scenes:
        having = int(scene.name.split(" in ")[1].split()[0])
        assert [clip.label for clip in scene.clips].count(scene.label) == having
        assert len({clip.source for clip in scene.clips}) == 5
        assert len(scene.sources) == having
        assert scene.name.split(" in ")[0] in {clip.name for clip in scene.clips}
    places = {[clip.label for clip in s.clips].index(s.label) for s in make_scenes(crowd(), 5, (1,), 9)}
    assert len(places) > 2
    assert [s.clips for s in make_scenes(crowd()[::-1], 5, (1, 2, 3), 4)] == [s.clips for s in scenes]
    assert not make_scenes(crowd()[:2], 2, (1,), 9), "no other class"


def test_clips_are_joined_as_loud_as_one_another() -> None:
    rng = np.random.default_rng(0)
    sounds = [level * rng.normal(size=RATE).astype(np.float32) for level in (0.5, 0.01)]
    joined = join(sounds, RATE)
    first, second = (active_power(part.astype(np.float64), 320) for part in np.split(joined, 2))
    assert first == pytest.approx(second, rel=1e-3)
    assert np.abs(joined).max() == pytest.approx(0.99, abs=1e-6)
    with pytest.raises(InputError, match="a silent clip"):
        join([sounds[0], np.zeros(RATE, dtype=np.float32)], RATE)


def test_windows_that_do_not_hear_it_stay_dark_unless_asked() -> None:
    rows = rows_of(
        "scenes", "ones", {"ones": load_explainer("constant", value=1.0, calibration="identity")}, clips=4, having=[1]
    )
    own, plain = ([r for r in rows if r.variant == v] for v in ("own", "plain"))
    assert len(own) == len(plain) == len(LABELS)
    for row in plain:
        assert row.figures["outside"] == pytest.approx(3 / 4, abs=0.01)
        assert row.figures["window-recall"] == 1.0
    for row in own:
        assert row.strata["heard"]
        assert row.strata["alone"]
        assert row.strata["once"]
        assert row.figures["outside"] < 0.4, "windows overlap by half, so that some of it lies beside the place"
        assert row.figures["window-recall"] == 1.0


def test_what_is_no_scene() -> None:
    with pytest.raises(InputError, match="has the class in 5 of them at most"):
        stage_of({"kind": "scenes", "having": [6]}, Tones(), {})
