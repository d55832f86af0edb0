"""Metrics of concepts: values that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zsxai.metrics import load_metric
from zsxai.metrics.base import ConceptScores, MixtureConcepts

WEIGHTS = np.array([[3.0, 4.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
OTHER = np.array([[4.0, 3.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
SCORES = ConceptScores(
    label=np.array([0, 1, 2]),
    predicted=np.array([0, 2, -1]),
    predicted_dense=np.array([0, 1, 2]),
    counts=np.array([2, 1, 0]),
    groups=np.array([1, 1, 0]),
    cosine=np.array([0.8, 0.5, 0.0]),
    kkt=np.array([1e-12, 0.0, 0.0]),
    weights=WEIGHTS,
    weights_noise=WEIGHTS,
    weights_shift=OTHER,
    p=np.array([0.9, 0.6, 0.1]),
    p_removed=np.array([0.3, 0.7, 0.1]),
    p_other=np.array([0.8, np.nan, 0.1]),
)
MIXTURES = MixtureConcepts(
    sources=np.array([[0, 1], [0, 1], [0, 1]]),
    absent=np.array([[2, 3], [2, 3], [2, 3]]),
    first=np.array([[1, -1, 0, 0, 2], [0, 2, 3, -1, -1], [-1] * 5]),
    nearest=np.array([[1, 0, 2, 3, 4]] * 3),
    sizes=(np.array([3, 1]), np.array([2]), np.array([])),
    removed=np.array([0, 1, 1]),
    weights=np.array([[0.5, 0.3, 0.1, 0.0], [0.2, 0.4, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0]]),
    weights_rest=np.array([[0.1, 0.3, 0.2, 0.0], [0.0, 0.2, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("concept-accuracy", [1, 0, 0]),
        ("concept-agreement", [1, 0, 0]),
        ("concept-words", [2, 1, 0]),
        ("concept-groups", [1, 1, 0]),
        ("concept-cosine", [0.8, 0.5, 0.0]),
        ("words-say", [0.64, 0.25, 0.0]),
        ("concept-kkt", [1e-12, 0, 0]),
        ("stability-noise", [1, 1, np.nan]),
        ("stability-shift", [0.96, 0.0, np.nan]),
        ("concept-removal", [0.5, np.nan, 0.0]),
    ],
)
def test_of_clips(name: str, expected: list[float]) -> None:
    np.testing.assert_allclose(load_metric(name)(SCORES), expected, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("both-sources", [1, 0, 0]),
        ("both-absent", [0, 1, 0]),
        ("both-prompts", [1, 1, 1]),
        ("group-size", [2, 2, np.nan]),
        ("largest-group", [3, 2, np.nan]),
        # A tie with another class is no fall of its own; a sound without a weight cannot fall.
        ("source-removal", [1, 0, np.nan]),
    ],
)
def test_of_mixtures(name: str, expected: list[float]) -> None:
    np.testing.assert_array_equal(load_metric(name)(MIXTURES), expected)


def test_what_was_not_measured_is_said() -> None:
    dense: dict[str, Any] = {name: getattr(SCORES, name) for name in ("label", "predicted", "predicted_dense")}
    assert load_metric("concept-removal").lacking(ConceptScores(**dense)) == ["p", "p_removed", "p_other"]
    assert not load_metric("concept-accuracy").lacking(ConceptScores(**dense))
