"""Figures from labelled recordings: the rule that sets the threshold."""

from __future__ import annotations

import numpy as np
import pytest

from tests.toys import ConvToy
from zsxai.errors import InputError
from zsxai.verdict.measure import Pairs, fit_reference
from zsxai.verdict.reference import FIRST


def make_pairs(clips=400, labels=10, seed=0, strength=0.3):
    rng = np.random.default_rng(seed)
    cosine = rng.normal(0.0, 0.1, (clips, labels))
    present = np.zeros((clips, labels), bool)
    present[np.arange(clips), np.arange(clips) % labels] = True
    cosine[present] += strength
    margin = cosine - 0.2 + rng.normal(0, 0.02, cosine.shape)
    return Pairs(cosine, margin, present, np.arange(clips).astype(str))


def test_the_threshold_refuses_a_fixed_part_of_what_is_ranked_first():
    pairs = make_pairs()
    found = fit_reference(pairs, ConvToy(), "made up")
    evidence = found.cosine * pairs.cosine + found.margin * pairs.margin + found.constant
    first = evidence[pairs.first]
    assert np.mean(first <= 0) == pytest.approx(FIRST, abs=1 / len(first))
    assert found.figures.first_heard == pytest.approx(np.mean(first > 0))
    assert found.figures.absent_refused == pytest.approx(np.mean(evidence[~pairs.present] <= 0))
    assert found.figures.auc > 0.95
    assert found.is_useful
    hard = np.sort(np.where(pairs.present, -9, pairs.cosine), axis=1)[:, -3:]
    assert np.sort(pairs.cosine[pairs.similar]) == pytest.approx(np.sort(hard.ravel()))


def test_a_model_that_hears_nothing_gets_figures_that_say_so():
    assert not fit_reference(make_pairs(strength=0.0), ConvToy(), "made up").is_useful


def test_pairs_of_models_with_fewer_labels_are_joined():
    joined = Pairs.join([make_pairs(labels=10), make_pairs(labels=8, seed=1)])
    assert joined.cosine.shape == (800, 10)
    found = fit_reference(joined, ConvToy(), "made up")
    assert found.clips == 800


def test_too_few_clips_are_refused():
    with pytest.raises(InputError, match="give 20 or more"):
        fit_reference(make_pairs(clips=10), ConvToy(), "made up")
