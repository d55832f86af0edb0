"""The task ``randomisation``: what each level asks of whom, controls at exactly 1, and nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from tests.benchmarks.stages import measured, stage_of
from tests.benchmarks.tasks.test_cascade import TwoTowers, same, weights_of
from tests.toys import BlackBoxToy, ConvToy
from zsxai import InputError, load_explainer, load_model
from zsxai.benchmarks.tasks.cascade import drawn_anew, layers_of, steps
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.benchmarks.tasks.randomisation import RandomisationRunner
from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.target import BoundTarget

LEVELS = ["audio 1/2", "audio 2/2", "text 1/2", "text 2/2", "own"]


class Mirror(Explainer):
    """Shows what it is given: the clip's embedding, then the prompt's, over and over."""

    name: ClassVar[str] = "mirror"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="A mirror.", needs_gradients=False, deterministic=True, forwards="0", backwards="0", reference="none"
    )
    calibration: str = "min-max"
    raises_at: int = -1
    shown: ClassVar[list[tuple[str, torch.Tensor, torch.Tensor, torch.Tensor]]] = []

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        (target,) = targets
        heard = clip.model.embed_audio(clip.waveform[None])[0]
        self.shown.append((target.target.prompt, clip.embedding, heard, target.text[0]))
        if len(self.shown) - 1 == self.raises_at:
            raise RuntimeError("not\nthis one")
        values = torch.cat([heard, target.text[0]])
        cells = clip.grid.shape[0] * clip.grid.shape[1]
        return Relevance(values.repeat(cells)[:cells].reshape(1, *clip.grid.shape), clip.grid, "clip")


@pytest.fixture(autouse=True)
def nothing_shown() -> None:
    Mirror.shown.clear()


def runner_of(model: object, explainer: Explainer, seed: int = 0, **task: Any) -> RandomisationRunner:
    asked = {"kind": "randomisation", "levels": 2, **task}
    return RandomisationRunner(stage_of(asked, model, {"it": explainer}, seed=seed))


def test_every_level_is_a_row_and_asks_the_untouched_models_class() -> None:
    rows, failures = measured(runner_of(TwoTowers(), Mirror()), "it")
    assert not failures
    assert [r.variant for r in rows] == [level for level in LEVELS for _ in range(3)]
    assert [r.figures["level"] for r in rows[::3]] == [1.0, 2.0, 1.0, 2.0, 0.0]
    assert [r.figures["layers"] for r in rows[::3]] == [2.0, 4.0, 3.0, 5.0, 0.0]
    prompts = [r.prompt for r in rows[:3]]
    assert [r.prompt for r in rows] == prompts * 5
    assert [shown[0] for shown in Mirror.shown] == prompts * 6


def test_explainers_meet_the_levels_own_embeddings() -> None:
    model = TwoTowers()
    rows, _ = measured(runner_of(model, Mirror(), seed=3), "it", count=1)
    own, *levels = Mirror.shown
    prompt = f"the sound of {own[0]}"
    for row, (_, cached, heard, text) in zip(rows, levels, strict=True):
        assert torch.equal(cached, heard)  # nothing is remembered from another level
        tower, _, number = row.variant.partition(" ")
        groups = [] if tower == "own" else steps(layers_of(model, tower), 2)[: int(number[0])]  # type: ignore[arg-type]
        with drawn_anew([layer for group in groups for layer in group], seed=3):
            torch.testing.assert_close(text, model.embed_text([prompt])[0])
        # The last layer, which every level draws, is used by both towers; every other one by its own alone.
        assert torch.equal(heard, own[2]) == torch.equal(text, own[3]) == (tower == "own")
        assert row.figures["similarity"] == pytest.approx(float(heard @ text), abs=1e-6)


def test_a_map_that_follows_the_model_changes_and_the_second_explanation_does_not() -> None:
    rows, _ = measured(runner_of(TwoTowers(), Mirror()), "it")
    for row in rows:
        same_map = row.variant == "own"
        assert row.figures["unchanged"] == float(same_map)
        for name in ("ssim", "rank-correlation"):
            assert (row.figures[name] == pytest.approx(1.0, abs=1e-12)) == same_map


@pytest.mark.parametrize("name", ["energy", "constant", "loudness", "random"])
def test_a_blind_map_never_changes(name: str) -> None:
    rows, _ = measured(runner_of(TwoTowers(), load_explainer(name)), "it")
    assert [r.figures["unchanged"] for r in rows] == [1.0] * 15
    assert [r.figures["energy-ratio"] for r in rows] == [1.0] * 15


def test_nothing_is_left_behind_and_nothing_global_is_drawn() -> None:
    model = TwoTowers()
    before, state = weights_of(model), torch.get_rng_state()
    first, _ = measured(runner_of(model, load_explainer("gradcam")), "it")
    assert same(before, weights_of(model)) == []
    assert torch.equal(torch.get_rng_state(), state)
    again, _ = measured(runner_of(TwoTowers(), load_explainer("gradcam")), "it")
    np.testing.assert_equal([dict(r.figures) for r in first], [dict(r.figures) for r in again])
    other, _ = measured(runner_of(TwoTowers(), load_explainer("gradcam"), seed=1), "it")
    assert first[0].figures["similarity"] != other[0].figures["similarity"]


def test_a_failure_at_one_level_spares_the_other_levels_and_items() -> None:
    model = TwoTowers()
    before = weights_of(model)
    # Three own maps first; then the first level's: its second item is the fifth explanation.
    rows, failures = measured(runner_of(model, Mirror(raises_at=4)), "it")
    assert len(rows) == 14
    ((item, error),) = ((f.item, f.error) for f in failures)
    assert error == "audio 1/2: RuntimeError: not this one"
    assert [r.variant for r in rows if r.item == item] == LEVELS[1:]
    Mirror.shown.clear()
    rows, failures = measured(runner_of(model, Mirror(raises_at=1)), "it")
    assert [f.error for f in failures] == ["RuntimeError: not this one"]
    assert len(rows) == 10
    assert failures[0].item not in {r.item for r in rows}
    assert same(before, weights_of(model)) == []


def test_originals_are_encoded_once_a_level_for_all_explainers() -> None:
    runner = runner_of(TwoTowers(), load_explainer("energy"))
    runner.prepare(runner.items(runner.stage.task, runner.stage.dataset, runner.stage.contamination, 0, None)[:1])
    forwards = Forwards()
    measured(runner, "it", forwards=forwards)  # layers are known by now
    assert forwards.rows == {"harness": 3 * (1 + 4)}


def test_a_tower_without_weights_is_one_failure_and_the_other_is_measured() -> None:
    rows, failures = measured(runner_of(ConvToy(), load_explainer("gradcam")), "it")
    assert {r.variant for r in rows} == {"audio 1/2", "audio 2/2", "own"}
    assert [f.item for f in failures] == [""]
    assert "no torch weights of ConvToy change its text embedding" in failures[0].error


def test_a_black_box_without_weights_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="black-box-toy has no torch weights that can be drawn anew") as caught:
        measured(runner_of(BlackBoxToy(), load_explainer("occlusion")), "it", domain="stft")
    assert "\n" not in str(caught.value)


def test_gradients_of_tiny_fall_and_blind_maps_do_not() -> None:
    model = load_model("tiny")
    found = {}
    for name in ("gradcam", "saliency", "energy"):
        rows, failures = measured(runner_of(model, load_explainer(name), levels=1), "it", count=4)
        assert not failures
        for variant in ("audio 1/1", "text 1/1"):
            ssim = [r.figures["ssim"] for r in rows if r.variant == variant]
            # Of a map that has become flat there is none.
            assert np.isfinite(ssim).sum() >= 3
            found[name, variant] = np.nanmean(ssim)
    for name in ("gradcam", "saliency"):
        assert found[name, "audio 1/1"] < 0.6
        assert found[name, "text 1/1"] < 0.8
    assert found["energy", "audio 1/1"] == found["energy", "text 1/1"] == pytest.approx(1.0)
