"""The task ``absent``: which prompts are asked, what their levels are, and what is said of masks with known answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from tests.benchmarks.stages import measured, stage_of
from tests.toys import BlackBoxToy, ConvToy
from zsxai import InputError, load_explainer
from zsxai.benchmarks.tasks.absent import AbsentRunner, presence
from zsxai.benchmarks.tasks.base import Row
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.levels import Levels
from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.scoring import embed_sounds
from zsxai.target import BoundTarget


class Steps(Explainer):
    """Flat masks: one height for the prompt asked first, another for the rest."""

    name: ClassVar[str] = "steps"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Steps.", needs_gradients=False, deterministic=True, forwards="0", backwards="0", reference="none"
    )
    calibration: str = "identity"
    first: float = 1.0
    rest: float = 0.0

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        height = torch.tensor([self.first, *[self.rest] * (len(targets) - 1)])
        return Relevance(height[:, None, None].expand(-1, *clip.grid.shape), clip.grid, "clip")


class Moody(Steps):
    """Raises at every second call."""

    calls: ClassVar[list[Clip]] = []

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        self.calls.append(clip)
        if not len(self.calls) % 2:
            raise RuntimeError("not this one")
        return super().relevance(clip, targets)


TASK: dict[str, Any] = {"kind": "absent", "hardest": 2, "drawn": 3}


def runner_of(explainer: Explainer, model: object = None, **task: Any) -> AbsentRunner:
    return AbsentRunner(stage_of({**TASK, **task}, model or ConvToy(), {"it": explainer}))


def rows_of(runner: AbsentRunner, count: int = 8, **options: Any) -> dict[str, list[Row]]:
    rows, failures = measured(runner, "it", count, **options)
    assert not failures
    return {variant: [r for r in rows if r.variant == variant] for variant in dict.fromkeys(r.variant for r in rows)}


def cosines_of(runner: AbsentRunner) -> dict[str, dict[str, float]]:
    """Cosines by clip and class, of sounds encoded by themselves."""
    stage = runner.stage
    sounds = [torch.from_numpy(clip.read().at(16000)) for clip in stage.dataset.clips]
    found = (torch.stack(embed_sounds(stage.model, sounds)) @ runner.classes.text.T).tolist()
    names = [clip.name for clip in stage.dataset.clips]
    return {name: dict(zip(runner.classes.labels, row, strict=True)) for name, row in zip(names, found, strict=True)}


def test_prompts_levels_and_weights_are_those_of_the_definitions() -> None:
    runner = runner_of(Steps(), quantile=0.9)
    own = rows_of(runner)["own"]
    cosines = cosines_of(runner)
    labels = {clip.name: clip.label for clip in runner.stage.dataset.clips}
    assert len(own) == 8 * 5
    for item, label in labels.items():
        rows = [r for r in own if r.item == item]
        absent = sorted(set(runner.classes.labels) - {label}, key=lambda c: -cosines[item][c])
        prompts = [r.prompt for r in rows]
        assert prompts[:2] == absent[:2]
        assert set(prompts[2:]) < set(absent[2:])
        assert len(set(prompts)) == 5
        assert [(r.strata["hardest"], r.strata["drawn"]) for r in rows] == [(True, False)] * 2 + [(False, True)] * 3
        for row in rows:
            figures, prompt = row.figures, row.prompt
            others = [cosines[name][prompt] for name in labels if name != item and labels[name] != prompt]
            (present,) = (cosines[name][prompt] for name in labels if labels[name] == prompt)
            level = np.quantile(others, 0.9)
            assert figures["similarity"] == pytest.approx(cosines[item][prompt], abs=1e-6)
            assert figures["level"] == pytest.approx(level, abs=1e-6)
            assert figures["weight"] == pytest.approx(presence(cosines[item][prompt], level, present), abs=1e-3)
            assert row.strata["unheard"] == (figures["similarity"] <= figures["level"])
    assert [r.prompt for r in rows_of(runner_of(Steps()))["own"]] == [r.prompt for r in own]


@pytest.mark.parametrize(
    ("similarity", "absent", "present", "weight"),
    [(0.1, 0.2, 0.4, 0.0), (0.3, 0.2, 0.4, 0.5), (0.5, 0.2, 0.4, 1.0), (0.3, 0.2, 0.1, 1.0), (0.1, 0.2, np.nan, 0.0)],
)
def test_presence(similarity: float, absent: float, present: float, weight: float) -> None:
    assert presence(similarity, absent, present) == pytest.approx(weight)


def test_levels_leave_out_recordings_and_know_when_none_is_left() -> None:
    cosines = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.6]])
    levels = Levels(cosines, np.array([0, 0, 1, 1]), np.array(["a", "b", "c", "d"]))
    assert levels.absent(0, (), 0.5) == pytest.approx(0.25)
    assert levels.absent(0, {"d"}, 0.5) == 0.3
    assert levels.present(0, {"a"}) == 0.8
    assert np.isnan([levels.absent(0, {"c", "d"}, 0.5), levels.present(1, {"c", "d"})]).all()


def test_an_explainer_that_shows_what_is_there_and_nothing_else() -> None:
    for row in rows_of(runner_of(Steps()))["own"]:
        figures = row.figures
        assert (figures["absent-mask-mean"], figures["present-mask-mean"]) == (0.0, 1.0)
        assert (figures["absent-shown"], figures["present-shown"], figures["made-up"]) == (0.0, 1.0, 0.0)
        assert figures["similarity_in_present"] == pytest.approx(figures["similarity_present"], abs=1e-6)
        assert figures["present-heard"] == (figures["similarity_present"] > figures["level_present"])


def test_a_mask_of_ones_makes_nothing_up_and_has_no_contrast() -> None:
    rows = rows_of(runner_of(Steps(rest=1.0)))["own"]
    assert {r.figures["made-up"] for r in rows} == {0.0}
    assert {r.figures["absent-mask-mean"] for r in rows} == {1.0}


def test_times_similarity_is_the_same_mask_times_the_weight() -> None:
    found = rows_of(runner_of(Steps(rest=0.8)))
    for own, scaled in zip(found["own"], found["times-similarity"], strict=True):
        assert (own.item, own.prompt) == (scaled.item, scaled.prompt)
        figures = scaled.figures
        assert figures["absent-mask-mean"] == pytest.approx(0.8 * figures["weight"], abs=1e-6)
        assert figures["present-mask-mean"] == pytest.approx(figures["weight_present"], abs=1e-6)
        if figures["weight"] == 0:
            assert figures["made-up"] == 0, "an empty mask makes nothing up"
    assert set(rows_of(runner_of(Steps(), variants=[]))) == {"own"}


def test_clips_encoded_are_those_the_docstring_says() -> None:
    forwards = Forwards(remember=True)
    rows_of(runner_of(load_explainer("energy"), variants=[]), count=3, forwards=forwards)
    once, reference, silence = 3, 8, 3
    assert forwards.rows == {"harness": reference + once + silence + 3}, "a blind map is one mask for all prompts"
    forwards = Forwards()
    rows_of(runner_of(Steps(rest=0.8), reference=4, variants=[]), count=3, forwards=forwards)
    assert forwards.rows == {"harness": 4 + once + silence + 3 * 2}


def test_a_blind_map_is_as_large_for_absent_prompts() -> None:
    for row in rows_of(runner_of(load_explainer("loudness")))["own"]:
        assert row.figures["absent-mask-mean"] == row.figures["present-mask-mean"]


def test_calibrations_share_the_maps_and_a_failure_spares_other_items() -> None:
    Moody.calls.clear()
    rows, failures = measured(runner_of(Moody(), calibrations=["identity", "min-max"]), "it", 3)
    assert len(Moody.calls) == 3
    assert [f.error for f in failures] == ["RuntimeError: not this one"]
    assert len(rows) == 2 * 5 * 2 * 2


def test_on_a_black_box() -> None:
    rows = rows_of(runner_of(load_explainer("occlusion"), BlackBoxToy()), 2, domain="stft")
    assert all(np.isfinite(r.figures["made-up"]) for r in rows["own"])


def test_the_class_of_a_contaminant_is_not_absent() -> None:
    runner = runner_of(Steps(), hardest=9, contaminations=[{"kind": "same-set"}])
    stage = runner.stage
    items = runner.items(stage.task, stage.dataset, stage.contamination, 0, None)
    mixed = {item.name: item.contaminant.label for item in items if item.contaminant}
    for row in rows_of(runner)["own"]:
        assert row.prompt not in (row.label, mixed[row.item])


def test_nothing_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="absent asks for one prompt at least"):
        runner_of(Steps(), hardest=0, drawn=0)
    runner = runner_of(Steps())
    monkeypatch.setattr(runner.stage.dataset, "labels", ["rain"])
    with pytest.raises(InputError, match="needs two classes"):
        measured(runner, "it")
