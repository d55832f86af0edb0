"""Scores against scikit-learn, and against values counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from zsxai.concepts.scores import (
    above,
    average_precision,
    best_threshold,
    f1,
    nearest,
    owned,
    retrieve,
    truth,
)
from zsxai.errors import InputError


@pytest.fixture(params=[0, 1], ids=["distinct", "ties"])
def drawn(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Scores and classes of 60 clips and 7 classes, each class with a clip."""
    rng = np.random.default_rng(3)
    scores, relevant = rng.normal(size=(60, 7)), rng.random((60, 7)) < 0.25
    return (np.round(scores) if request.param else scores), relevant


def test_average_precision_is_that_of_scikit_learn(drawn: tuple[Any, Any]) -> None:
    scores, relevant = drawn
    expected = average_precision_score(relevant, scores, average=None)
    np.testing.assert_allclose(average_precision(scores, relevant), expected, atol=1e-12)
    np.testing.assert_allclose(
        np.mean(average_precision(scores, relevant)), average_precision_score(relevant, scores, average="macro")
    )


def test_average_precision_by_hand() -> None:
    scores = [[0.9, 0.1, 0.5], [0.8, 0.2, 0.5], [0.7, 0.3, 0.5], [0.6, 0.4, 0.5]]
    relevant = [[1, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]]
    # Found at ranks 1 and 3; of a class without a clip nothing can be said; all equal: the part that has it.
    np.testing.assert_allclose(average_precision(scores, relevant), [(1 + 2 / 3) / 2, np.nan, 1 / 4])


@pytest.mark.parametrize("average", ["micro", "macro"])
def test_f1_is_that_of_scikit_learn(drawn: tuple[Any, Any], average: Any) -> None:
    scores, relevant = drawn
    for decided in (nearest(scores), above(scores, 0.4)):
        assert f1(decided, relevant, average) == pytest.approx(f1_score(relevant, decided, average=average))


def test_f1_by_hand() -> None:
    relevant = truth([("a", "b"), ("b",), ("c",)], ["a", "b", "c", "d"])
    decided = nearest([[0.9, 0.8, 0, 0], [0, 0, 0.9, 0], [0.1, 0, 0.9, 0]])
    # a right; b missed twice; c right and given once too often; d nowhere
    assert f1(decided, relevant, "micro") == pytest.approx(2 * 2 / (3 + 4))
    assert f1(decided, relevant, "macro") == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert np.isnan(f1(np.zeros((1, 2)), np.zeros((1, 2))))


def test_nearest_decides_for_none_of_equals() -> None:
    assert nearest([[0.5, 0.5, 0.1], [0.1, 0.2, 0.3]]).tolist() == [[False] * 3, [False, False, True]]


def test_best_threshold(drawn: tuple[Any, Any]) -> None:
    scores, relevant = drawn
    every = {t: f1(above(scores, t), relevant) for t in np.unique(scores)}
    best = best_threshold(scores, relevant)
    assert every[best] == max(every.values())
    assert best == max(t for t, value in every.items() if value == every[best])
    with pytest.raises(InputError, match="no clip has any of the classes"):
        best_threshold(scores, np.zeros_like(relevant))


def test_retrieval_by_hand() -> None:
    """Two sounds with five captions each: 1 is found at ranks 1, 2 and 4; 2 at 2 and 10, the rest beyond the tenth."""
    answers = owned([5, 5])
    assert answers.sum(axis=1).tolist() == [5, 5]
    similarities = np.zeros((2, 10))
    similarities[0] = [10, 9, 7, 1, 2, 8, 6, 5, 4, 3]
    similarities[1] = [10, 8, 7, 6, 5, 9, 1, 4, 3, 2]
    found = retrieve(similarities, answers)
    assert found.recall_at_1.tolist() == [1, 0]
    first = 1 / 1 + 2 / 2 + 3 / 4 + 4 / 9 + 5 / 10
    second = 1 / 2 + 2 / 7 + 3 / 8 + 4 / 9 + 5 / 10
    np.testing.assert_allclose(found.average_precision_at_10, [first / 5, second / 5])


def test_retrieval_from_text_to_audio() -> None:
    """One answer a query: the reciprocal of its rank, nothing beyond the tenth."""
    similarities = np.tile(np.arange(12.0, 0, -1), (12, 1))  # sound 1 first for every caption
    found = retrieve(similarities, owned([1] * 12).T)
    assert found.recall_at_1.tolist() == [1.0] + [0.0] * 11
    np.testing.assert_allclose(found.average_precision_at_10, [1 / rank for rank in range(1, 11)] + [0, 0])


def test_ties_are_no_finding_and_a_query_without_answer_is_nan() -> None:
    found = retrieve([[1.0, 1.0, 1.0], [3.0, 2.0, 1.0]], [[1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(found.recall_at_1, [0, np.nan])
    np.testing.assert_allclose(found.average_precision_at_10, [1 / 3, np.nan])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: truth([("a",)], ["b"]), "the class 'a', which is none of the 1 asked about"),
        (lambda: average_precision([1.0], [1]), r"two tables of one shape, not \(1,\) and \(1,\)"),
        (lambda: retrieve([[1.0, 2.0]], [[1]]), r"not \(1, 2\) and \(1, 1\)"),
        (lambda: average_precision([[np.nan]], [[1]]), "a score is no number"),
        (lambda: f1([[1]], [[1]], "samples"), "average is 'micro' or 'macro', not 'samples'"),  # type: ignore[arg-type]
    ],
)
def test_errors(call: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()
