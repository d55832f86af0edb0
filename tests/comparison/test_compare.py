"""Comparisons: right agreement, right cost, cells that fail and say why, and wordings."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import zsxai
from tests.toys import ConvToy
from zsxai.comparison.agreement import agree, common_grid, rastered
from zsxai.errors import InputError
from zsxai.verdict.verdict import LEVELS, Verdict

PROMPT = "a rising tone"


class BlackBox:
    """A toy without its mel input."""

    sample_rate = 16000
    name = "box"

    def __init__(self) -> None:
        self.toy = ConvToy()

    def embed_audio(self, waveforms):
        return self.toy.embed_audio(waveforms)

    def embed_text(self, prompts):
        return self.toy.embed_text(prompts)


@pytest.fixture(scope="module")
def toy() -> ConvToy:
    return ConvToy()


@pytest.fixture(scope="module")
def sound(tone, noise) -> np.ndarray:
    samples = noise(seconds=1.0)
    samples[:8000] += tone(seconds=0.5)
    return samples


@pytest.fixture(scope="module")
def found(sound, toy):
    explainers = ["gradcam", "input-x-gradient"]
    return zsxai.compare(
        sound, [PROMPT, "rain"], explainers, toy, sample_rate=16000, paraphrases={PROMPT: [PROMPT, "hiss"]}
    )


def test_a_cell_for_every_prompt_and_explainer(found, sound, toy):
    rows = ["gradcam", "input-x-gradient", "rolled", "random"]
    assert [(c.prompt, c.label, c.control) for c in found.cells] == [
        (p, name, name in ("rolled", "random")) for p in (PROMPT, "rain") for name in rows
    ]
    plain = zsxai.explain(sound, "rain", model=toy, explainer="gradcam", sample_rate=16000)
    np.testing.assert_array_equal(found.of("rain")[0].explanation.mask, plain.mask)
    assert found.of("rain")[2].explanation.provenance.options["of"] == "gradcam"
    assert found.ok
    assert len(found.agreements) == 2 * 6


def test_cost_counts_the_clips_that_were_encoded(sound, toy):
    def clips(*prompts, verdict=True):
        given = {"sample_rate": 16000, "controls": False, "verdict": verdict}
        cell = zsxai.compare(sound, prompts, "random", toy, **given).cells[0]
        assert (cell.verdict is None) is (verdict is False)
        assert cell.cost.prompts == len(prompts)
        return cell.cost.clips

    one, two = clips(PROMPT), clips(PROMPT, "rain")
    assert one >= 4, "the recording, and three versions of it"
    assert 3 <= two - one < one, "the recording is encoded once for both"
    assert one - clips(PROMPT, verdict=False) == 2
    assert "encode" not in vars(toy)


def test_maps_agree_with_themselves_and_not_with_their_negative(found):
    own = found.cells[0].explanation
    opposite = own.model_copy(update={"relevance": -own.relevance, "mask": np.where(own.mask > 0, 1.0 - own.mask, 0.0)})
    grid = common_grid([own, opposite])
    one, other = (("it", rastered(own, grid)), ("its negative", rastered(opposite, grid)))
    assert agree(PROMPT, one, one, grid).model_dump(exclude={"prompt", "first", "second"}) == {
        "correlation": pytest.approx(1.0),
        "overlap": 1.0,
        "difference": None,
    }
    assert agree(PROMPT, one, other, grid).correlation == pytest.approx(-1.0)


@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_overlap_and_difference_of_known_masks(sound, toy, domain):
    e = zsxai.explain(sound, PROMPT, model=toy, explainer="gradcam", sample_rate=16000, domain=domain)

    def block(start: float, stop: float):
        mask = np.zeros_like(e.mask)
        mask[np.ix_((e.frequencies > 1000) & (e.frequencies < 4000), (e.times > start) & (e.times < stop))] = 1.0
        return e.model_copy(update={"mask": mask})

    first, second = block(0.1, 0.7), block(0.4, 0.7)
    grid = common_grid([first, second])
    found = agree(PROMPT, ("long", rastered(first, grid)), ("short", rastered(second, grid)), grid)
    assert found.overlap == pytest.approx(0.5, abs=0.05)
    where = found.difference
    assert (where.start, where.stop) == (pytest.approx(0.1, abs=0.05), pytest.approx(0.4, abs=0.05))
    assert (where.low, where.high) == (pytest.approx(1000, rel=0.15), pytest.approx(4000, rel=0.15))
    assert (where.first, where.second) == (pytest.approx(1.0, abs=0.2), pytest.approx(0.0, abs=0.1))
    assert where.describe("long", "short").startswith(f"at {where.where}: long keeps")
    empty = e.model_copy(update={"mask": np.zeros_like(e.mask), "relevance": np.zeros_like(e.relevance)})
    flat = ("flat", rastered(empty, grid))
    nothing = agree(PROMPT, flat, flat, grid)
    assert (nothing.correlation, nothing.overlap, nothing.difference) == (None, None, None)


def test_models_at_other_rates_meet_on_one_raster(sound, toy):
    found = zsxai.compare(sound, PROMPT, "occlusion", [toy, "tiny"], sample_rate=16000, controls=False)
    first, second = found.cells
    assert first.explanation.sample_rate != second.explanation.sample_rate
    assert [first.label, second.label] == ["occlusion, ConvToy", "occlusion, tiny"]
    assert -1.0 <= found.agreement(first, second).correlation <= 1.0
    assert found.agreement(second, first) == found.agreement(first, second)


def test_an_explainer_that_fails_says_why_and_the_others_are_compared(sound):
    found = zsxai.compare(sound, PROMPT, ["gradcam", "occlusion"], BlackBox(), sample_rate=16000)
    failed, worked = found.of(PROMPT)[:2]
    assert "needs gradients" in failed.error
    assert failed.explanation is failed.cost is None
    assert worked.explanation is not None
    assert not found.ok
    assert found.first(PROMPT) is worked
    assert "needs gradients" in found.describe()


def test_a_wording_equal_to_the_prompt_moves_nothing(found):
    (moved,) = found.wordings
    same, other = moved.items
    assert (same.difference, same.correlation) == (pytest.approx(0.0, abs=1e-6), pytest.approx(1.0))
    assert other.similarity == pytest.approx(other.score)
    assert (moved.low, moved.high) == (min(moved.score, other.score), max(moved.score, other.score))
    assert moved.deviation == pytest.approx(np.std([moved.score, same.score, other.score]))
    assert moved.correlation == pytest.approx((1.0 + other.correlation) / 2)


def test_templates_are_wordings_of_every_prompt(sound, toy):
    options = {"sample_rate": 16000, "controls": False, "paraphrases": "templates"}
    plain = zsxai.compare(sound, ["rain", "hiss"], "gradcam", toy, **options)
    assert [w.prompt for w in plain.wordings] == ["rain", "hiss"]
    assert plain.wordings[0].items[0].text == "the sound of rain"
    assert len(plain.wordings[0].items) == 5
    around = zsxai.compare(sound, "rain", "gradcam", toy, template="the sound of {}", **options)
    bare, filled = around.wordings[0].items[:2]
    assert (bare.text, filled.text) == ("rain", "the sound of rain")
    assert filled.difference == pytest.approx(0.0, abs=1e-6)


def test_share_of_wordings_with_the_same_verdict(found):
    (moved,) = found.wordings
    items = [w.model_copy(update={"verdict": level}) for w, level in zip(moved.items, LEVELS, strict=False)]
    assert moved.model_copy(update={"verdict": LEVELS[0], "items": tuple(items)}).same_verdict == 0.5
    assert moved.model_copy(update={"verdict": None}).same_verdict is None


def test_the_best_labels_become_prompts(sound, toy):
    labels = ["rain", "hiss", "a bell", "rain"]
    found = zsxai.compare(sound, "a bell", "gradcam", toy, labels=labels, top=2, sample_rate=16000, controls=False)
    best = [row.label for row in zsxai.classify(sound, labels[:3], model=toy, top_k=2, sample_rate=16000)]
    assert [b.label for b in found.best] == best
    assert found.labels == 3
    assert found.prompts == tuple(dict.fromkeys(["a bell", *best]))


def test_verdicts_are_told(found):
    verdict = Verdict(level=LEVELS[2], reasons=("too low (.01)",))
    cells = [
        c.model_copy(update={"explanation": c.explanation.model_copy(update={"verdict": verdict})}) for c in found.cells
    ]
    told = found.model_copy(update={"cells": tuple(cells)})
    assert told.cells[0].verdict == LEVELS[2]
    assert LEVELS[2] in told.describe()
    assert told.record()["cells"][0]["verdict"]["reasons"] == ["too low (.01)"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prompts": []}, "prompts is empty"),
        ({"prompts": ["rain", "rain"]}, "given twice"),
        ({"explainers": ["gradcan"]}, "did you mean 'gradcam"),
        ({"explainers": []}, "no explainers"),
        ({"models": []}, "models is empty"),
        ({"top": 2}, "give labels too"),
        ({"paraphrases": ["hiss"]}, "wordings of one prompt, and there are 2"),
        ({"paraphrases": {"hail": ["hiss"]}}, "none of the prompts"),
        ({"paraphrases": "template"}, "'templates'"),
        ({"domain": "mell"}, "domain is"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(sound, toy, changed, said):
    given = {"prompts": [PROMPT, "rain"], "explainers": ["gradcam"], "models": toy, "sample_rate": 16000, **changed}
    with pytest.raises(InputError, match=said):
        zsxai.compare(sound, **given)


def test_saved_folder_is_whole(found, tmp_path: Path):
    place = found.save(tmp_path / "out")
    record = json.loads((place / "comparison.json").read_text(encoding="utf-8"))
    assert sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()) == sorted(
        ["comparison.json", *record["files"]]
    )
    with (place / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["score"]) for row in rows] == [c.explanation.score for c in found.cells]
    assert zsxai.Explanation.load(place / rows[1]["folder"]) == found.cells[1].explanation
    assert rows[1]["compared_with"] == "gradcam"
    assert float(rows[1]["correlation"]) == found.agreement(*found.cells[:2]).correlation
    with pytest.raises(InputError, match="exists"):
        found.save(place)
    found.save(place, overwrite=True)
    (place / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not ours to replace"):
        found.save(place, overwrite=True)
