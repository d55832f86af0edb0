"""Intervals by bootstrap over recordings, not over clips: clips cut from one recording are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Interval(NamedTuple):
    """A mean with its 95 % interval.

    Attributes:
        mean: Over the valid values.
        low: 2.5th percentile of the bootstrap.
        high: 97.5th percentile.
        n: Values given.
        n_invalid: NaN or infinite ones among them.
    """

    mean: float
    low: float
    high: float
    n: int
    n_invalid: int


def interval(values: ArrayLike, groups: Sequence[str], *, draws: int = 2000, seed: int = 0) -> Interval:
    """Mean and 95 % percentile interval by bootstrap over groups.

    Args:
        values: ``(B,)`` one per clip; NaN counts as invalid.
        groups: ``(B,)`` the recording that each clip was cut from.
        draws: Bootstrap draws.
        seed: Seed of the draws.
    """
    array = np.asarray(values, dtype=np.float64)
    valid = np.isfinite(array)
    names, index = np.unique(np.asarray(groups)[valid], return_inverse=True)
    if not len(names):
        return Interval(float("nan"), float("nan"), float("nan"), array.size, array.size)
    sums = np.bincount(index, weights=array[valid])
    counts = np.bincount(index)
    drawn = np.random.default_rng(seed).integers(0, len(names), size=(draws, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(array[valid].mean()), float(low), float(high), array.size, int((~valid).sum()))
