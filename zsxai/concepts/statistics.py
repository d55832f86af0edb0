"""Intervals and tests on recordings' values: bootstrap, permutations, Holm's correction; numpy and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsxai.errors import InputError

Values = NDArray[np.float64]
BOOTSTRAPS = 2000
PERMUTATIONS = 20_000
"""More than this many arrangements are drawn from, fewer are gone through."""
_CELLS = 4_000_000
"""Numbers of a block of draws at a time: memory does not grow with their number."""


def bootstrap_means(values: Values, draws: int = BOOTSTRAPS, seed: int = 0) -> Values:
    """Means of recordings drawn with replacement.

    Args:
        values: ``(R, K)``, a row per recording.
        draws: How often.
        seed: Seed of the draws, which are the same for all columns.

    Returns:
        ``(draws, K)``.
    """
    rng, count = np.random.default_rng(seed), len(values)
    parts = [
        rng.multinomial(count, np.full(count, 1 / count), size=size) @ values / count for size in _sizes(draws, count)
    ]
    return np.concatenate(parts)


def bounds(means: Values) -> tuple[Values, Values]:
    """The ends of the 95 % interval of bootstrap means ``(draws, K)``: percentiles, ``(K,)`` each."""
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def permutation_test(first: Values, second: Values, most: int = PERMUTATIONS, seed: int = 0) -> tuple[Values, bool]:
    """Test two independent sets of recordings for a difference of means, two-sided, by exchanging their recordings.

    Args:
        first: ``(R, K)``, a row per recording; the test is made of every column, under the same permutations.
        second: ``(S, K)``.
        most: With at most so many ways to divide the recordings all are gone through; else so many are drawn.
        seed: Seed of the draws.

    Returns:
        ``(K,)`` p values, and whether they are exact. Of draws the division that was found counts as one of them
        (Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010).
    """
    values, count, chosen = np.concatenate([first, second]), len(first) + len(second), len(first)
    exact = comb(count, chosen) <= most
    sums = values.sum(axis=0)

    def differences(part: NDArray[Any]) -> Values:  # (draws, R + S) of 0 and 1: those of the first set
        inside = _multiply(part, values)
        found: Values = np.abs(inside / chosen - (sums - inside) / (count - chosen))
        return found

    if exact:
        which = np.array(list(combinations(range(count), chosen)))
        parts: Iterator[NDArray[Any]] = (
            _marks(which[at : at + size], count) for at, size in _slices(len(which), count)
        )
    else:
        rng = np.random.default_rng(seed)
        start = np.arange(count) < chosen
        parts = (rng.permuted(np.tile(start, (size, 1)), axis=1) for size in _sizes(most, count))
    found = np.abs(first.mean(axis=0) - second.mean(axis=0))
    return _share(found, map(differences, parts), exact), exact


def sign_flip_test(differences: Values, most: int = PERMUTATIONS, seed: int = 0) -> tuple[Values, bool]:
    """Test paired differences for a mean other than 0, two-sided, by turning their signs.

    Args:
        differences: ``(R, K)``, a row per recording.
        most: As :func:`permutation_test` takes it.
        seed: Seed of the draws.

    Returns:
        As :func:`permutation_test`.
    """
    count = len(differences)
    exact = count < 60 and 2**count <= most
    if exact:
        signs = np.array(list(product((1.0, -1.0), repeat=count)))
        parts: Iterator[NDArray[Any]] = (signs[at : at + size] for at, size in _slices(len(signs), count))
    else:
        rng = np.random.default_rng(seed)
        parts = (1.0 - 2.0 * rng.integers(0, 2, (size, count)) for size in _sizes(most, count))
    means = (np.abs(_multiply(part, differences) / count) for part in parts)
    return _share(np.abs(differences.mean(axis=0)), means, exact), exact


def correct_holm(p_values: ArrayLike) -> Values:
    """Correct the p values of a family by Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: ``(K,)``; NaN stands for a test that could not be made, and stays out of the family.

    Returns:
        ``(K,)`` adjusted, in the same order.
    """
    given = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(given.shape, np.nan)
    made = np.flatnonzero(np.isfinite(given))
    order = made[np.argsort(given[made], kind="stable")]
    steps = given[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def mean_by(values: Values, names: NDArray[Any]) -> tuple[list[str], Values]:
    """Mean of the rows of one name, in the order of names: clips of a recording count together as one.

    Raises:
        InputError: If there are no rows, or not one name for each.
    """
    if not len(values) or len(values) != len(names):
        raise InputError(
            f"each of {len(values)} rows of weights has a source, one row at least; given are {len(names)}"
        )
    known, at = np.unique(names, return_inverse=True)
    sums = np.zeros((len(known), values.shape[1]))
    np.add.at(sums, at, values)
    return [str(name) for name in known], sums / np.bincount(at)[:, None]


def _share(found: Values, draws: Iterator[Values], exact: bool) -> Values:
    """Part of the draws that are as far from 0 as what was found, equal but for rounding."""
    least = found - 1e-9 * np.maximum(found, 1e-12) - 1e-15
    hits, total = np.zeros(len(found)), 0
    for part in draws:
        hits += (part >= least).sum(axis=0)
        total += len(part)
    return hits / total if exact else (hits + 1) / (total + 1)


def _multiply(part: NDArray[Any], values: Values) -> Values:
    """``part @ values``, where most values are 0: few words are used by a recording."""
    import torch  # here, so that a correction costs no torch

    sparse = torch.from_numpy(np.ascontiguousarray(values.T)).to_sparse()
    found: Values = torch.sparse.mm(sparse, torch.from_numpy(np.ascontiguousarray(part.T, dtype=np.float64))).numpy().T
    return found


def _marks(which: NDArray[Any], count: int) -> NDArray[Any]:
    marks = np.zeros((len(which), count))
    np.put_along_axis(marks, which, 1.0, axis=1)
    return marks


def _sizes(total: int, width: int) -> Iterator[int]:
    for _, size in _slices(total, width):
        yield size


def _slices(total: int, width: int) -> Iterator[tuple[int, int]]:
    size = max(1, _CELLS // max(1, width))
    for at in range(0, total, size):
        yield at, min(size, total - at)
