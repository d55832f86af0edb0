"""Metrics of :class:`RetrievedAnswers` and :class:`TaggedClasses`: what is found in a whole data set."""

from __future__ import annotations

from functools import partial

import numpy as np

from zsxai.metrics.base import Array, Metric, RetrievedAnswers, TaggedClasses
from zsxai.metrics.functional import Values

_of_queries = partial(
    Metric,
    evidence=RetrievedAnswers,
    better="higher",
    bounds=(0.0, 1.0),
    reference="DCASE 2022 Task 6b; see zsxai.concepts.scores.retrieve",
    sensitive_to="how many recordings, and captions, there are to find; captions that fit several recordings",
    gamed_by="captions that are the words of the dictionary",
    invalid="nothing answers the query",
)
_of_classes = partial(Metric, evidence=TaggedClasses, better="higher", bounds=(0.0, 1.0))


def _as_it_is(values: Array) -> Values:
    return np.asarray(values, dtype=np.float64)


def _f1(right: Array, given: Array, having: Array) -> Values:
    either = np.asarray(given + having, dtype=np.float64)
    return np.where(either > 0, 2 * right / np.where(either > 0, either, 1.0), np.nan)


RECALL_AT_1 = _of_queries(
    name="recall-at-1",
    symbol="R@1",
    summary="Whether what is nearest to the query answers it. Of class captions, a class's precision at 1 or a "
    "clip's accuracy, and no retrieval.",
    needs=("recall_at_1",),
    compute=_as_it_is,
    formula="`[argmax_j <q, g_j> answers q]`, ties against",
)

PRECISION_AT_10 = _of_queries(
    name="average-precision-at-10",
    symbol="mAP@10",
    summary="Average precision of a query over the ten nearest; the mean over queries is mAP@10.",
    needs=("average_precision_at_10",),
    compute=_as_it_is,
    formula="`sum_{k <= 10} precision@k [g_k answers q] / #answers`",
)

CLASS_AVERAGE_PRECISION = _of_classes(
    name="average-precision",
    symbol="AP",
    summary="Average precision of a class over all clips; the mean over classes is mAP.",
    needs=("average_precision",),
    compute=_as_it_is,
    formula="`sum_k (recall_k - recall_{k-1}) precision_k`, ties taken together",
    reference="Gemmeke et al., ICASSP 2017",
    sensitive_to="how many clips have the class",
    gamed_by="words that are the classes",
    invalid="no clip has the class",
)

CLASS_F1 = _of_classes(
    name="class-f1",
    symbol="class F1",
    summary="F1 of the decisions for a class; the mean over classes is the macro F1. The micro F1 is the ratio of "
    "means `right` over `half-of-both`.",
    needs=("right", "given", "having"),
    compute=_f1,
    formula="`2 TP / (2 TP + FP + FN)`",
    reference="DCASE 2017 Task 4",
    sensitive_to="the rule by which a class is given",
    gamed_by="words that are the classes",
    invalid="no clip has the class or was given it",
)
