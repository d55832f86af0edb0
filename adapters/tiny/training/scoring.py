"""Accuracy and average precision with intervals over recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

REPLICATES = 2000
"""Bootstrap replicates."""


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval and what chance gives.

    Attributes:
        value: The figure.
        low: Lower end.
        high: Upper end.
        chance: What a blind model gets.
        n: Clips (or prompts, for an average over prompts) behind it.
    """

    value: float
    low: float
    high: float
    chance: float
    n: int


def replicate_weights(sources: Sequence[str], seed: int, replicates: int = REPLICATES) -> NDArray[Any]:
    """How often each clip comes in every bootstrap replicate, ``(replicates, n)``; recordings are drawn, not clips."""
    names, which = np.unique(np.asarray(sources), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=replicates)
    return drawn[:, which].astype(np.float64)


def with_interval(
    statistic: Callable[[NDArray[Any]], NDArray[Any]],
    weights: NDArray[Any],
    chance: float,
    n: int,
) -> Figure:
    """A statistic of weights, at all ones and over the replicates.

    Args:
        statistic: ``(r, n)`` weights to ``(r,)``.
        weights: ``(r, n)``.
        chance: What a blind model gets.
        n: What the figure is an average over.
    """
    value = statistic(np.ones((1, weights.shape[1])))[0]
    low, high = np.nanpercentile(statistic(weights), [2.5, 97.5])
    return Figure(float(value), float(low), float(high), chance, n)


def micro(right: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Share of right clips, of ``(n,)`` bool."""
    return lambda weights: weights @ right / weights.sum(axis=1)


def macro(right: NDArray[Any], labels: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Mean over classes of the share of right clips; a class that a replicate lacks does not count in it."""
    classes = np.unique(labels)
    member = (labels[:, None] == classes[None]).astype(np.float64)

    def statistic(weights: NDArray[Any]) -> NDArray[Any]:
        total = weights @ member
        hits = weights @ (member * right[:, None])
        with np.errstate(invalid="ignore"):
            return np.asarray(np.nanmean(np.where(total > 0, hits / total, np.nan), axis=1))

    return statistic


def average_precision(scores: NDArray[Any], relevant: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Average precision of one ranking, with weighted clips; ``scores`` and ``relevant`` are ``(n,)``."""
    order = np.argsort(-scores, kind="stable")
    hit = relevant[order].astype(np.float64)

    def statistic(weights: NDArray[Any]) -> NDArray[Any]:
        w = weights[:, order]
        found = np.cumsum(w * hit, axis=1)
        seen = np.cumsum(w, axis=1)
        with np.errstate(invalid="ignore"):
            precision = np.where(seen > 0, found / np.maximum(seen, 1e-12), 0.0)
            return np.asarray((precision * w * hit).sum(axis=1) / (w * hit).sum(axis=1))

    return statistic


def mean_average_precision(scores: NDArray[Any], relevant: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Mean over prompts of the average precision; ``scores`` and ``relevant`` are ``(n, prompts)``."""
    parts = [average_precision(scores[:, j], relevant[:, j]) for j in range(scores.shape[1])]
    return lambda weights: np.nanmean(np.stack([p(weights) for p in parts]), axis=0)
