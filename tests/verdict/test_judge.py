"""From figures to a level and its sentences."""

from __future__ import annotations

import numpy as np
import pytest

from tests.verdict.test_presence import GOOD, make_reference
from zsxai.scoring import Scores, WindowScores
from zsxai.verdict.bank import Strongest
from zsxai.verdict.controls import CONTROLS
from zsxai.verdict.judge import find_location, judge
from zsxai.verdict.presence import Heard, Presence

BELL = Strongest("bell", 0.3, 0.1, "rain")


def make_presence(*evidence: float, reference=None, nearest=None, bar=0.0) -> Presence:
    windows = tuple(Heard(0.2 + e / 20, BELL, e, 0.2) for e in evidence)
    best = int(np.argmax(evidence))
    return Presence(windows, best, bar, make_reference() if reference is None else reference, nearest)


def make_scores(*, whole=0.3, kept=0.3, removed=0.0, heard=0.3, rolled=(0.0, 0.3), energy=0.3, under=5.0, more=()):
    row = [whole, kept, removed, heard, *rolled, *more]
    window = WindowScores(
        start=0, stop=5, score=whole, score_in=kept, score_out=removed, score_heard=heard, similarity=whole
    )
    return Scores({}, (window,), energy, np.array([row]), under)


def decide(presence, scores, mask_mean=0.2, **given):
    return judge(presence, scores, find_location(scores, 0), mask_mean=mask_mean, **given)


def test_heard_and_located():
    found = decide(make_presence(2.0), make_scores())
    assert found.level == "heard and located"
    assert found.believable
    assert found.figures["location"] == pytest.approx(0.6)
    assert "cosine 0.30 is above" in found.reasons[0]
    assert "kept 0.30 against 0.00, removed 0.00 against 0.30" in found.reasons[1]
    assert str(found) == f"heard and located: {found.reasons[0]}"


@pytest.mark.parametrize(
    ("scores", "mask_mean", "words"),
    [
        ({"rolled": (0.25, 0.05)}, 0.2, "hardly more than the same mask in the wrong place"),
        ({"energy": 0.99}, 0.8, "keeps nearly everything: 99% of the energy"),
        ({"under": 41.0}, 0.2, "too quiet to hear: 41 dB under"),
        ({"under": float("inf")}, 0.2, "too quiet to hear"),
        ({"heard": 0.1}, 0.2, "not what was scored: cosine 0.10 as sound, 0.30"),
    ],
)
def test_heard_and_weakly_located(scores, mask_mean, words):
    found = decide(make_presence(2.0), make_scores(**scores), mask_mean)
    assert found.level == "heard, weakly located"
    assert any(words in reason for reason in found.reasons)


def test_an_empty_mask_locates_nothing():
    found = judge(make_presence(2.0), make_scores(), None, mask_mean=0.0)
    assert found.level == "heard, weakly located"
    assert "empty" in found.reasons[1]
    assert "location" not in found.figures


def test_what_is_not_heard_and_what_the_mask_makes_up():
    found = decide(make_presence(-2.0), make_scores(whole=0.08, kept=0.37))
    assert found.level == "not heard by this model"
    assert "nearer to “bell” (0.30)" in found.reasons[0]
    assert "makes it up: kept alone it raises the cosine from 0.08 to 0.37" in found.reasons[1]
    assert len(decide(make_presence(-2.0), make_scores(whole=0.08, kept=0.12)).reasons) == 1


def test_a_file_of_many_windows_needs_its_bar():
    assert decide(make_presence(1.0, -3.0, bar=2.0), make_scores()).level == "not heard by this model"
    assert decide(make_presence(2.5, -3.0, bar=2.0), make_scores()).level == "heard and located"


@pytest.mark.parametrize(
    ("presence", "given", "words"),
    [
        (make_presence(2.0), {"nothing": "it hears silence"}, "it hears silence"),
        (make_presence(2.0, nearest=("dog", 0.1)), {}, "trained on other sounds; the nearest is “dog”"),
        (
            make_presence(2.0, reference=make_reference(figures=GOOD.model_copy(update={"auc": 0.5}))),
            {},
            "under the ROC curve 0.50",
        ),
        (make_presence(0.5)._replace(reference=None), {}, "decides nothing"),
    ],
)
def test_what_cannot_be_said(presence, given, words):
    found = decide(presence, make_scores(), **given)
    assert found.level == "cannot say"
    assert words in found.reasons[0]


def test_without_figures_what_is_clear_is_said():
    for evidence, level in ((2.0, "heard and located"), (-2.0, "not heard by this model")):
        found = decide(make_presence(evidence)._replace(reference=None), make_scores())
        assert found.level == level
        assert "zsxai reference" in found.reasons[0]


def test_the_control_that_is_the_hardest_to_beat_counts():
    pairs = [(0.0, 0.3)] * (len(CONTROLS) - 1)
    as_good_foil = make_scores(more=[*np.ravel(pairs), 0.3, 0.0])
    assert find_location(as_good_foil, 0, CONTROLS).control == CONTROLS[-1].name
    weaker_foil = make_scores(more=[*np.ravel(pairs), 0.2, 0.1])
    assert find_location(weaker_foil, 0, CONTROLS).is_clear
    good_random = make_scores(more=[0.25, 0.05, *np.ravel(pairs[1:]), 0.0, 0.3])
    assert find_location(good_random, 0, CONTROLS).control == CONTROLS[0].name
