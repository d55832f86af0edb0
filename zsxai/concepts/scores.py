"""Scores of classification with several classes a clip, and of retrieval; of similarities alone, whatever made them.

Nothing is dropped: a value that cannot be computed (a class without a clip, a query without an answer) is NaN. Ties
count against the model: equal scores distinguish nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsxai.errors import InputError

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Average = Literal["micro", "macro"]


def truth(clips: Sequence[Sequence[str]], labels: Sequence[str]) -> Flags:
    """Which classes each clip has.

    Args:
        clips: The classes of each clip (``LabelledClip.classes``).
        labels: All ``C`` classes.

    Returns:
        ``(N, C)``.

    Raises:
        InputError: If a clip has a class that is none of them.
    """
    column = {label: i for i, label in enumerate(labels)}
    found = np.zeros((len(clips), len(labels)), dtype=bool)
    for row, classes in enumerate(clips):
        for label in classes:
            if label not in column:
                raise InputError(f"a clip has the class {label!r}, which is none of the {len(labels)} asked about")
            found[row, column[label]] = True
    return found


def average_precision(scores: ArrayLike, relevant: ArrayLike) -> Values:
    """Average precision of every class: the area under its steps of precision over recall, ties taken together.

    Its mean over classes is AudioSet's mAP (Gemmeke et al., ICASSP 2017): :func:`numpy.nanmean`.

    Args:
        scores: ``(N, C)``, the higher the surer.
        relevant: ``(N, C)``, true where the clip has the class.

    Returns:
        ``(C,)``, NaN for a class that no clip has.
    """
    found, wanted = _pair(scores, relevant)
    return np.array([_area(found[:, c], wanted[:, c]) for c in range(found.shape[1])])


def _area(scores: Values, relevant: Flags) -> float:
    if not relevant.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # the last of each group of equal scores
    hits = np.cumsum(relevant[order])[last]
    precision = hits / (np.flatnonzero(last) + 1)
    return float((np.diff(hits, prepend=0) * precision).sum() / relevant.sum())


def nearest(scores: ArrayLike) -> Flags:
    """Decide for the one class with the highest score; for none where several share it.

    One reading of the F1 that CLAP's papers print for DCASE 2017 Task 4 (arXiv 2206.04769, Table 1; 2309.05767, Table
    2). They state no rule: where a clip has several classes, logits go through a sigmoid, without a threshold; one of
    their tables says F1, another accuracy; *random* is .05, about one class of seventeen. LTU's evaluation decides so
    (github.com/YuanGongND/ltu, ``eval_dcase.py``). The other reading is :func:`above`.

    Args:
        scores: ``(N, C)``.

    Returns:
        ``(N, C)``.
    """
    found = np.asarray(scores, dtype=np.float64)
    best = found == found.max(axis=1, keepdims=True)
    return np.asarray(best & (best.sum(axis=1, keepdims=True) == 1))


def above(scores: ArrayLike, threshold: float) -> Flags:
    """Decide for every class with a score of at least the threshold.

    A threshold of cosines differs from model to model: :func:`best_threshold`, on other clips than those under test.

    Args:
        scores: ``(N, C)``.
        threshold: In units of the scores. Half of a sigmoid is a cosine of 0, which most classes exceed.

    Returns:
        ``(N, C)``.
    """
    return np.asarray(np.asarray(scores, dtype=np.float64) >= threshold)


def best_threshold(scores: ArrayLike, relevant: ArrayLike) -> float:
    """The threshold of all classes that gives the highest micro F1 on these clips; the highest such.

    On the clips under test it is no score but a bound: DCASE 2017 Task 4 has its *testing* set to choose it on, and
    *evaluation* to use it on.

    Args:
        scores: ``(N, C)``.
        relevant: ``(N, C)``.

    Raises:
        InputError: If no clip has a class.
    """
    found, wanted = _pair(scores, relevant)
    if not wanted.any():
        raise InputError("no clip has any of the classes: there is nothing to choose a threshold by")
    order = np.argsort(-found, axis=None, kind="stable")
    ranked = found.ravel()[order]
    last = np.append(np.diff(ranked) != 0, True)
    f1 = 2 * np.cumsum(wanted.ravel()[order])[last] / (np.flatnonzero(last) + 1 + wanted.sum())
    return float(ranked[last][f1.argmax()])


def f1(predicted: ArrayLike, relevant: ArrayLike, average: Average = "micro") -> float:
    """F1, ``2 TP / (2 TP + FP + FN)``, of decisions about several classes.

    Args:
        predicted: ``(N, C)``, from :func:`nearest` or :func:`above`.
        relevant: ``(N, C)``.
        average: ``micro`` counts over all clips and classes, as DCASE 2017 Task 4 ranks systems ("instance-based");
            ``macro`` is the mean of the F1 of every class that a clip has or was given. (The challenge's own script
            calls the F1 of mean precision and mean recall class-based: another figure.)

    Returns:
        NaN where no clip has or was given a class.

    Raises:
        InputError: If the average is none of the two.
    """
    if average not in ("micro", "macro"):
        raise InputError(f"average is 'micro' or 'macro', not {average!r}")
    decided, wanted = _pair(predicted, relevant)
    right = (decided * wanted).sum(axis=0)
    either = decided.sum(axis=0) + wanted.sum(axis=0)
    if not either.any():
        return float("nan")
    if average == "micro":
        return float(2 * right.sum() / either.sum())
    return float((2 * right[either > 0] / either[either > 0]).mean())


class Retrieval(NamedTuple):
    """One value a query: ``(Q,)`` each, NaN where nothing answers it.

    Attributes:
        recall_at_1: 1 where the first that is found answers the query, else 0.
        average_precision_at_10: Precision at each answer among the first ten, summed and divided by all answers.
    """

    recall_at_1: Values
    average_precision_at_10: Values


def retrieve(similarities: ArrayLike, answers: ArrayLike) -> Retrieval:
    """R@1 and mAP@10 as the DCASE challenge's baseline of language-based retrieval computes them.

    See ``utils/eval_utils.py`` of github.com/xieh97/dcase2022-audio-retrieval. One departure, where a query has several
    answers, as a sound with five captions: the baseline divides its hit at 1 by five, too, so that R@1 is .2 at most.
    The figures of CLAP (arXiv 2309.05767, Table 2: .229 from audio to text) are above that: they count hits, as here.

    Args:
        similarities: ``(Q, M)`` of queries and candidates.
        answers: ``(Q, M)``, true where a candidate answers the query.
    """
    found, wanted = _pair(similarities, answers)
    order = np.lexsort((wanted, -found), axis=1)[:, :10]  # of equals, those that are no answer come first
    hits = np.take_along_axis(wanted, order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    count = wanted.sum(axis=1)
    some = np.where(count > 0, count, np.nan)
    return Retrieval(np.where(count > 0, hits[:, 0], np.nan), (precision * hits).sum(axis=1) / some)


def owned(captions: Sequence[int]) -> Flags:
    """Which captions are of which clip, where those of a clip follow one another: the answers of :func:`retrieve`.

    From audio to text as it is, from text to audio transposed, as the similarities.

    Args:
        captions: How many each of the ``N`` clips has.

    Returns:
        ``(N, sum(captions))``.
    """
    owner = np.repeat(np.arange(len(captions)), captions)
    return np.asarray(owner == np.arange(len(captions))[:, None])


def _pair(values: ArrayLike, flags: ArrayLike) -> tuple[Values, Flags]:
    found, wanted = np.asarray(values, dtype=np.float64), np.asarray(flags, dtype=bool)
    if found.ndim != 2 or found.shape != wanted.shape or not found.size:
        raise InputError(f"scores and truth are two tables of one shape, not {found.shape} and {wanted.shape}")
    if np.isnan(found).any():
        raise InputError("a score is no number")
    return found, wanted
