"""The task ``prompts``: which prompts are asked, in which order, and what is said of blind and of seeing maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from tests.benchmarks.stages import measured, stage_of
from tests.toys import BlackBoxToy, ConvToy, prompt_vector
from zsxai import InputError, load_explainer
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.prompts import PromptsRunner
from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.target import BoundTarget


class Lamp(Explainer):
    """A flat mask as high as the similarity, (1 + cosine) / 2; notes what it is asked."""

    name: ClassVar[str] = "lamp"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="A lamp.", needs_gradients=False, deterministic=True, forwards="0", backwards="0", reference="none"
    )
    calibration: str = "identity"
    asked: ClassVar[list[Sequence[BoundTarget]]] = []

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        self.asked.append(targets)
        height = torch.stack([(1 + target.similarity(clip.embedding[None])[0]) / 2 for target in targets])
        return Relevance(height[:, None, None].expand(-1, *clip.grid.shape), clip.grid, "clip")


class Moody(Lamp):
    """Raises on the second clip that it meets."""

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        found = super().relevance(clip, targets)
        if len(self.asked) == 2:
            raise RuntimeError("not\nthis one")
        return found


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    Lamp.asked.clear()


TASK = {"kind": "prompts", "wrong": 3, "paraphrases": ["{}", "i can hear {}"]}


def runner_of(
    model: object, explainer: Explainer, task: dict[str, Any] | None = None, **prompting: Any
) -> PromptsRunner:
    return PromptsRunner(stage_of(task or TASK, model, {"it": explainer}, **prompting))


def test_right_then_wrong_then_paraphrases_in_one_call() -> None:
    rows, failures = measured(runner_of(ConvToy(), Lamp()), "it")
    assert not failures
    assert len(rows) == len(Lamp.asked) == 3
    for row, targets in zip(rows, Lamp.asked, strict=True):
        prompts = [t.target.prompt for t in targets]
        assert [t.template for t in targets] == ["the sound of {}"] * 4 + ["{}", "i can hear {}"]
        assert prompts[0] == prompts[4] == prompts[5] == row.prompt
        assert len({*prompts[:4]}) == 4
        for target, prompt in zip(targets, prompts, strict=True):
            expected = prompt_vector(target.template.replace("{}", prompt), ConvToy.size)
            torch.testing.assert_close(target.text[0], expected)


def test_wrong_prompts_are_never_the_explained_class_and_hang_on_the_name_alone() -> None:
    every = {**TASK, "wrong": 99}
    rows, _ = measured(runner_of(ConvToy(), Lamp(), every), "it", count=8)
    for targets in Lamp.asked:
        wrong = [t.target.prompt for t in targets[1:8]]
        assert len({*wrong, targets[0].target.prompt}) == 8
    assert [row.figures["wrong"] for row in rows] == [7.0] * 8
    before = [[t.target.prompt for t in targets] for targets in Lamp.asked]
    Lamp.asked.clear()
    measured(runner_of(ConvToy(), Lamp(), every), "it", count=8)
    assert before == [[t.target.prompt for t in targets] for targets in Lamp.asked]


def test_the_class_asked_about_is_the_predicted_or_the_annotated_one() -> None:
    predicted, _ = measured(runner_of(ConvToy(), Lamp()), "it", count=8)
    annotated, _ = measured(runner_of(ConvToy(), Lamp(), explained="label"), "it", count=8)
    assert [r.prompt for r in annotated] == [r.label for r in annotated]
    assert [r.strata["correct"] for r in predicted] == [r.prompt == r.label for r in predicted]
    assert any(r.prompt != r.label for r in predicted)


def test_figures_of_masks_as_high_as_the_similarity() -> None:
    rows, _ = measured(runner_of(ConvToy(), Lamp(), explained="label"), "it", count=8)
    for row in rows:
        similarities = np.array(row.figures["similarities"])
        means = np.array(row.figures["mask_means"])
        assert similarities.shape == means.shape == (6,)
        np.testing.assert_allclose(means, (1 + similarities) / 2, atol=1e-6)
        assert row.figures["similarity"] == similarities[0]
        assert row.figures["similarity-correlation"] == pytest.approx(1.0)
        assert row.figures["mask-mean-ratio"] == pytest.approx(means[0] / means[1:4].mean())
        assert row.figures["right-is-largest"] == float((means[0] > means[1:4]).all())
    assert {r.figures["right-is-largest"] for r in rows} == {0.0, 1.0}


@pytest.mark.parametrize("name", ["energy", "constant", "loudness", "random"])
def test_a_blind_map_gets_one_and_the_chance_of_a_tie(name: str) -> None:
    rows, _ = measured(runner_of(ConvToy(), load_explainer(name)), "it")
    for row in rows:
        assert row.figures["mask-mean-ratio"] == pytest.approx(1.0, rel=1e-12)
        assert row.figures["right-is-largest"] == 0.25
        assert row.figures["similarity-correlation"] == 0.0
        assert row.figures["prompt-contrast"] == pytest.approx(0.0, abs=1e-12)


def test_a_failure_on_one_item_spares_the_others() -> None:
    rows, failures = measured(runner_of(ConvToy(), Moody()), "it")
    assert len(rows) == 2
    assert [f.error for f in failures] == ["RuntimeError: not this one"]
    assert failures[0].item not in {r.item for r in rows}


def test_the_original_is_encoded_once_and_calibrations_share_the_maps() -> None:
    forwards = Forwards(remember=True)
    runner = runner_of(ConvToy(), Lamp(), {**TASK, "calibrations": ["identity", "relu-max"]})
    rows, _ = measured(runner, "it", forwards=forwards)
    assert forwards.rows == {"harness": 3}
    assert [r.calibration for r in rows] == ["identity", "relu-max"] * 3
    assert [r.figures["mask-mean-right"] for r in rows][1::2] == [1.0] * 3


def test_probabilities_among_rephrased_classes() -> None:
    rows, failures = measured(runner_of(ConvToy(), load_explainer("gradcam"), target="probability"), "it")
    assert not failures
    assert all(np.isfinite(r.figures["mask-mean-right"]) for r in rows)


def test_on_a_black_box() -> None:
    runner = runner_of(BlackBoxToy(), load_explainer("occlusion"))
    rows, failures = measured(runner, "it", domain="stft")
    assert not failures
    assert len({r.figures["mask-mean-right"] for r in rows}) == 3


def test_one_class_has_no_wrong_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = runner_of(ConvToy(), Lamp())
    monkeypatch.setattr(runner.stage.dataset, "labels", ["rain"])
    with pytest.raises(InputError, match="two classes or more"):
        measured(runner, "it")
