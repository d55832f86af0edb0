"""The task that the harness is about: counted forwards, exact controls, figures that can be computed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import zsxai
from tests.toys import BandToy, BlackBoxToy, ConvToy
from zsxai.benchmarks.run.plan import Library, Settings, places
from zsxai.benchmarks.run.suite import Suite, load_suite
from zsxai.benchmarks.tasks.base import Place, Stage
from zsxai.benchmarks.tasks.counting import Forwards, counted
from zsxai.benchmarks.tasks.faithfulness import FaithfulnessRunner
from zsxai.benchmarks.tasks.settings import Contamination
from zsxai.black_box import as_model
from zsxai.clip import Clip, Relevance
from zsxai.conditions import evaluating
from zsxai.data.clip import LabelledClip
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.metrics import functional
from zsxai.model import ZeroShotModel
from zsxai.recording import Recording
from zsxai.registry import DATASETS, EXPLAINERS

CLEAN = Contamination()


class Bands:
    """Clips that sound in one of four bands; ``band 0`` to ``band 3``."""

    labels: ClassVar[list[str]] = [f"band {k}" for k in range(4)]

    def __init__(self, root: str | None = None, seconds: float = 1.0, count: int = 4) -> None:
        self.clips = []
        for i in range(count):
            noise = np.random.default_rng(i).normal(size=int(16000 * seconds))
            spectrum = np.fft.rfft(noise)
            hertz = np.fft.rfftfreq(len(noise), 1 / 16000)
            low, high = [(100, 600), (900, 1700), (2300, 3500), (4800, 7000)][i % 4]
            spectrum[(hertz < low) | (hertz > high)] = 0
            wave = np.fft.irfft(spectrum).astype(np.float32)
            audio = {"array": 0.3 * wave / np.abs(wave).max(), "sampling_rate": 16000}
            self.clips.append(LabelledClip(f"{i}.wav", f"band {i % 4}", f"source {i}", 1, audio=audio))


class Moody(Explainer):
    """Raises on one clip."""

    name: ClassVar[str] = "moody"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Raises.", needs_gradients=False, deterministic=True, forwards="0", backwards="0", reference="none"
    )

    def attribute(self, clip: Clip, target: Any) -> Relevance:
        if float(clip.waveform.abs().max()) == pytest.approx(0.15, rel=1e-3):
            raise RuntimeError("not\nthis one")
        return Relevance(torch.ones(clip.grid.shape), clip.grid, "clip")


class Broken(Explainer):
    """Gives NaN everywhere."""

    name: ClassVar[str] = "broken"
    card: ClassVar[ExplainerCard] = Moody.card

    def attribute(self, clip: Clip, target: Any) -> Relevance:
        return Relevance(torch.full(clip.grid.shape, float("nan")), clip.grid, "clip")


@pytest.fixture(autouse=True)
def plugins() -> Iterator[None]:
    DATASETS.register("bands", Bands)
    EXPLAINERS.register("moody", Moody)
    EXPLAINERS.register("broken", Broken)
    yield
    DATASETS.unregister("bands")
    EXPLAINERS.unregister("moody")
    EXPLAINERS.unregister("broken")


def suite_of(explainers: list[Any], **task: Any) -> Suite:
    options = task.pop("options", {})
    return load_suite(
        {
            "name": "toy",
            "data": {"bands": {"reader": "bands", "options": options}},
            "explainers": explainers,
            "prompting": {"template": "{}", **task.pop("prompting", {})},
            "tasks": [{"kind": "faithfulness", "data": ["bands"], **task}],
            "headline": {"task": "faithfulness", "metric": "faithfulness"},
            "batch": 4,
        }
    )


def runner_of(suite: Suite, model: object) -> tuple[FaithfulnessRunner, list[Any]]:
    library = Library(suite, Settings({}))
    task = suite.tasks[0]
    made: ZeroShotModel = as_model(model)
    mixed = task.contaminations[0]
    stage = Stage(suite.prompting, task, made, library.dataset("bands"), mixed, 0, library.explainers(task))
    return FaithfulnessRunner(stage), library.items(0, "bands", 0, 0)


def measure(suite: Suite, model: object, forwards: Forwards | None = None) -> tuple[list[Any], list[Any]]:
    runner, items = runner_of(suite, model)
    forwards = forwards or Forwards()
    rows, failures = [], []
    with evaluating(runner.stage.model), counted(runner.stage.model, forwards):
        prepared = runner.prepare(items)
        for domain in runner.task.domains:
            for scale in runner.task.scales:
                for label in runner.stage.explainers:
                    found = runner.measure(prepared, Place(label, domain, scale), forwards)
                    rows += [(label, row) for row in found[0]]
                    failures += [(label, failure) for failure in found[1]]
    return rows, failures


@pytest.mark.parametrize("model", [ConvToy, BlackBoxToy])
@pytest.mark.parametrize("heard", [True, False])
def test_forwards_are_one_and_two_an_explainer_and_none_is_done_twice(model: type, heard: bool) -> None:
    explainers = ["occlusion"] if model is BlackBoxToy else ["gradcam", "saliency"]
    suite = suite_of(explainers, variants=[], budgets=[], heard=heard, prompting={"explained": "predicted"})
    forwards = Forwards(remember=True)
    rows, failures = measure(suite, model(), forwards)
    count = len(suite.all_explainers)
    assert not failures
    assert len(rows) == 4 * count
    rendered = heard and model is ConvToy  # a black box hears masks as audio only
    assert forwards.rows["harness"] == 4 * (1 + (3 if rendered else 2) * count)
    assert forwards.seen is not None
    # What masks of .5 keep and leave is the same sound; no other input may come twice.
    twice = sum(n - 1 for n in forwards.seen.values())
    assert twice == 4, forwards.seen.most_common(9)


def test_kinds_of_masks_share_the_original() -> None:
    suite = suite_of(["gradcam"], domains=["stft", "mel"], scales=["log", "gain"], variants=[], budgets=[], heard=False)
    forwards = Forwards()
    measure(suite, ConvToy(), forwards)
    assert forwards.rows["harness"] == 4 * (1 + 4 * 2 * 5)


def test_variants_and_budgets_are_counted_as_the_docstring_says() -> None:
    suite = suite_of(["gradcam"], budgets=[0.1, 0.5], heard=True)
    forwards = Forwards()
    measure(suite, ConvToy(), forwards)
    e, k = 5, 2
    assert forwards.rows["harness"] == 4 * (1 + 2 * e + e + 2 * 2 * e + 2 * 4 * k * e + 1)


def test_figures_are_those_of_the_definition() -> None:
    suite = suite_of(["occlusion"], budgets=[0.25], heard=True)
    rows, _ = measure(suite, BandToy())
    model = BandToy()
    clips = {c.name: c for c in Bands().clips}
    text = model.embed_text(Bands.labels)
    for label, row in rows:
        recording = Recording(model, clips[row.item].read().at(16000))
        cosines = (recording.clips[0].embedding @ text.T).numpy()
        p = functional.probabilities(cosines, 10.0)
        assert row.label == f"band {int(row.item[0])}"
        assert row.strata == {"correct": True}
        own = Bands.labels.index(row.label)
        assert row.figures["p"] == pytest.approx(p[own], abs=1e-6)
        if label == "constant" and row.variant == "own":
            mask = torch.full((1, *recording.grid.shape), 0.5) * torch.from_numpy(recording.grid.in_band)[:, None]
            kept = functional.probabilities((recording.clips[0].embed_masked(mask) @ text.T).numpy(), 10.0)[0, own]
            assert row.figures["p_in"] == pytest.approx(kept, abs=1e-6)
            assert row.figures["faithfulness"] == pytest.approx(p[own] - row.figures["p_out"], abs=1e-9)
            drop = 100 * max(0.0, p[own] - kept) / p[own]
            assert row.figures["average-drop"] == pytest.approx(drop, abs=1e-3)


def test_blind_controls_equal_their_foils_and_listeners_do_not() -> None:
    rows, _ = measure(suite_of(["occlusion"], budgets=[0.25]), BandToy())
    for label in ("constant", "random", "loudness", "energy", "occlusion"):
        own = {r.item: r for name, r in rows if name == label and r.variant == "own"}
        foil = {r.item: r for name, r in rows if name == label and r.variant == "foil"}
        assert len(own) == len(foil) == 4
        for item, row in own.items():
            other = foil[item]
            assert other.prompt != row.prompt
            same = [row.figures[k] == other.figures[k] for k in ("p_in", "p_out", "area:kept", "energy:removed")]
            assert all(same) if label != "occlusion" else not any(same)


@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_binary_masks_are_as_large_or_as_loud_as_the_explainers_own_and_heard_in_full(domain: str) -> None:
    variants = ["binary", "binary-energy"]
    suite = suite_of(["gradcam"], budgets=[], heard=False, variants=variants, domains=[domain])
    forwards = Forwards()
    rows, failures = measure(suite, ConvToy(), forwards)
    assert not failures
    assert forwards.rows["harness"] == 4 * (1 + 2 * 3 * len(suite.all_explainers))
    found = {(name, r.item, r.variant): r.figures for name, r in rows}
    for (name, item, variant), figures in found.items():
        own = found[name, item, "own"]
        if variant == "binary":
            assert figures["mask-mean"] == pytest.approx(own["mask-mean"], abs=2e-4), "whole cells"
        elif variant == "binary-energy":
            assert figures["kept-energy"] == pytest.approx(own["kept-energy"], abs=0.02), "met by the last cell"
        if variant != "own":
            assert figures["audibility"] > own["audibility"] - 1e-3
        if name == "constant":
            assert found[name, item, "own"]["audibility"] < 0.01, "half a mask on log is far under the recording"


def test_occlusion_finds_the_band_of_the_toy_at_every_budget() -> None:
    rows, _ = measure(suite_of(["occlusion"], budgets=[0.25, 0.5]), BandToy())
    figures = [r.figures for name, r in rows if name == "occlusion" and r.variant == "own"]
    random = [r.figures for name, r in rows if name == "random" and r.variant == "own"]
    for mine, blind in zip(figures, random, strict=True):
        assert mine["area:removed"][0] < blind["area:removed"][0]


def test_a_failure_on_one_clip_spares_the_others() -> None:
    suite = suite_of(["moody"], variants=[], budgets=[], heard=False)
    runner, items = runner_of(suite, ConvToy())
    quiet = dict(items[1].clips[0].audio, array=0.5 * items[1].clips[0].audio["array"])
    clip = LabelledClip(items[1].name, items[1].label, items[1].sources[0], audio=quiet)
    items = [items[0], type(items[1])(items[1].name, (clip,), items[1].label), *items[2:]]
    rows, failures = runner.measure(runner.prepare(items), Place("moody", "stft", "log"), Forwards())
    assert [(f.item, f.error) for f in failures] == [(items[1].name, "RuntimeError: not this one")]
    assert len(rows) == 3


def test_nan_is_a_failure_and_no_empty_mask() -> None:
    rows, failures = measure(suite_of(["broken"]), ConvToy())
    assert not [row for name, row in rows if name == "broken"]
    assert [name for name, _ in failures] == ["broken"] * 4
    assert "cells is not finite" in failures[0][1].error


def test_a_black_box_is_measured_on_the_masks_that_it_has() -> None:
    suite = suite_of(["occlusion"], domains=["mel", "stft"], variants=[], budgets=[])
    runner, items = runner_of(suite, BlackBoxToy())
    kinds = {p.domain for p in places(suite, suite.tasks[0], runner.stage.explainers, 0, CLEAN, runner.stage.model)}
    assert kinds == {"stft"}
    with evaluating(runner.stage.model):
        rows, failures = runner.measure(runner.prepare(items), Place("occlusion", "stft", "log"), Forwards())
    assert len(rows) == 4
    assert not failures


def test_another_seed_measures_what_it_draws() -> None:
    suite = load_suite(suite_of(["gradcam", "smoothgrad"]).model_dump() | {"seeds": [0, 1]})
    explainers = Library(suite, Settings({})).explainers(suite.tasks[0])

    def second(mixed: Contamination) -> set[str]:
        return {p.explainer for p in places(suite, suite.tasks[0], explainers, 1, mixed, as_model(ConvToy()))}

    assert second(CLEAN) == {"smoothgrad", "random"}
    assert second(Contamination(kind="white-noise")) == set(explainers)


def test_a_clip_that_cannot_be_read_is_a_failure_of_every_explainer() -> None:
    suite = suite_of(["gradcam"], variants=[], budgets=[], heard=False)
    runner, items = runner_of(suite, ConvToy())
    silent = LabelledClip("silent", "band 0", "x", audio={"array": np.zeros(16000), "sampling_rate": 16000})
    prepared = runner.prepare([*items, type(items[0])("silent", (silent,), "band 0")])
    for label in ("gradcam", "energy"):
        rows, failures = runner.measure(prepared, Place(label, "stft", "log"), Forwards())
        assert len(rows) == 4
        assert [f.item for f in failures] == ["silent"]
        assert "silent" in failures[0].error


def test_long_recordings_are_pooled_over_their_windows() -> None:
    suite = suite_of(["gradcam"], variants=[], budgets=[0.25], options={"seconds": 2.3, "count": 2})
    forwards = Forwards()
    rows, failures = measure(suite, ConvToy(), forwards)
    assert not failures
    clip = Bands(seconds=2.3).clips[0]
    windows = len(Recording(ConvToy(), clip.read().at(16000)).clips)
    assert windows > 1
    assert forwards.rows["harness"] == 2 * windows * (1 + 3 * 5 + 4 * 5 + 1)
    found = zsxai.classify(clip.audio, Bands.labels, model=ConvToy())
    row = next(r for name, r in rows if name == "gradcam" and r.item == clip.name)
    assert row.figures["p"] == pytest.approx(found[0].score, abs=1e-6)
    assert row.prompt == found[0].label


def test_a_model_without_a_scale_is_refused_unless_the_suite_says_unscaled() -> None:
    model = ConvToy()
    model.logit_scale = None
    with pytest.raises(zsxai.InputError, match="gives no logit scale"):
        measure(suite_of(["gradcam"], variants=[], budgets=[]), model)
    rows, _ = measure(suite_of(["gradcam"], variants=[], budgets=[], prompting={"softmax": "unscaled"}), model)
    assert all(0.1 < row.figures["p"] < 0.5 for _, row in rows), "softmax of bare cosines is nearly flat"


def test_what_does_not_read_the_masking_is_asked_once_and_answers_alike() -> None:
    kinds = {"domains": ["stft", "mel"], "scales": ["log", "gain"]}
    forwards = Forwards()
    together, _ = measure(suite_of(["saliency", "occlusion"], **kinds), ConvToy(), forwards)
    once = Forwards()
    alone, _ = measure(suite_of(["saliency", "occlusion"], domains=["mel"], scales=["gain"]), ConvToy(), once)
    last = {name: [r for n, r in together if n == name][-len(alone) // 6 :] for name in ("saliency", "occlusion")}
    for name, rows in last.items():
        assert repr(rows) == repr([r for n, r in alone if n == name])
    assert forwards.rows["explainer"] < 4 * once.rows["explainer"]
    suite = suite_of(["saliency"], **kinds)
    only = Forwards()
    measure(suite, ConvToy(), only)
    assert only.rows["explainer"] == 4, "one forward a clip for both targets"


@pytest.mark.parametrize("name", sorted(set(zsxai.list_explainers()) - {"rolled", "foil"}))
def test_cards_say_truly_who_reads_the_masking(name: str) -> None:
    explainer = zsxai.load_explainer(name)
    if explainer.card.reads_masking:
        return
    model, clip = ConvToy(), Bands().clips[0]
    target = zsxai.Similarity(prompt="band 0").bind(model)
    found = []
    for domain, scale in (("stft", "log"), ("mel", "gain")):
        recording = Recording(model, clip.read().at(16000), domain=domain, scale=scale)  # type: ignore[arg-type]
        with evaluating(model):
            found.append(explainer.relevance(recording.clips[0], [target]))
    assert torch.equal(found[0].values, found[1].values)
    np.testing.assert_array_equal(found[0].grid.frequencies, found[1].grid.frequencies)
