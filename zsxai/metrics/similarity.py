"""How alike two maps are: correlations, ranks, structural similarity, energy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsxai.metrics.functional import Values

SSIM_WINDOW = 7


def is_constant(values: ArrayLike) -> bool:
    """Whether all values are the same; there are none, or one, too. False where any is NaN."""
    array = np.asarray(values)
    return array.size == 0 or bool(array.min() == array.max())


def pearson(first: ArrayLike, second: ArrayLike) -> float:
    """Correlation of two arrays of one shape, in [-1, 1]; NaN where either is constant."""
    if is_constant(first) or is_constant(second):
        return float("nan")
    a, b = (np.asarray(v, dtype=np.float64).ravel() for v in (first, second))
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Correlation of ranks, ties at their mean, in [-1, 1]; NaN where either is constant or holds a NaN."""
    if np.isnan(first).any() or np.isnan(second).any():
        return float("nan")
    return pearson(ranks(first), ranks(second))


def ranks(values: ArrayLike) -> Values:
    """Ranks from 0, flattened; ties get their mean rank."""
    flat = np.asarray(values).ravel()
    order = np.argsort(flat)
    starts = tie_starts(flat[order])
    counts = np.diff(starts, append=flat.size)
    found = np.empty(flat.size)
    found[order] = np.repeat(starts + (counts - 1) / 2.0, counts)
    return found


def tie_starts(rising: NDArray[Any]) -> NDArray[Any]:
    """Indices at which sorted values change, 0 first."""
    return np.flatnonzero(np.concatenate([[True], rising[1:] != rising[:-1]])) if rising.size else np.zeros(0, int)


def agreement(first: ArrayLike, second: ArrayLike) -> float:
    """:func:`pearson` that also judges flat maps: two agree (they differ in height at most), 1; one and a shape, 0."""
    flat = [is_constant(first), is_constant(second)]
    if not any(flat) or np.isnan(first).any() or np.isnan(second).any():
        return pearson(first, second)
    return float(all(flat))


def ssim(first: ArrayLike, second: ArrayLike) -> float:
    """Structural similarity with the range of the second map, in [-1, 1].

    Mean over all whole windows of 7 x 7, uniform weights, sample covariance, K1 .01, K2 .03 (Wang et al. 2004, as
    ``skimage.metrics.structural_similarity`` has it by default).

    Args:
        first: ``(F, N)`` map of the model.
        second: ``(F, N)`` map of the randomised model; ``data_range`` is its maximum less its minimum.

    Returns:
        NaN where either map is constant, and where a side is shorter than the window.
    """
    x, y = (np.asarray(v, dtype=np.float64) for v in (first, second))
    if is_constant(x) or is_constant(y) or min(x.shape) < SSIM_WINDOW:
        return float("nan")
    data_range = float(np.ptp(y))
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    cells = SSIM_WINDOW**2
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    unbiased = cells / (cells - 1)
    variance_x = unbiased * (_window_mean(x * x) - mean_x**2)
    variance_y = unbiased * (_window_mean(y * y) - mean_y**2)
    covariance = unbiased * (_window_mean(x * y) - mean_x * mean_y)
    over = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    under = (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float((over / under).mean())


def energy_ratio(first: ArrayLike, second: ArrayLike) -> float:
    """Sum of the second map over the sum of the first; NaN where the first is empty."""
    whole = float(np.sum(first, dtype=np.float64))
    return float(np.sum(second, dtype=np.float64)) / whole if whole > 0 else float("nan")


def _window_mean(values: Values) -> Values:
    # Shifted sums of whole windows alone: what a filter adds at the edges is not averaged anyway.
    rows, columns = (size - SSIM_WINDOW + 1 for size in values.shape)
    down = sum((values[i : i + rows] for i in range(1, SSIM_WINDOW)), values[:rows])
    across: Values = sum((down[:, i : i + columns] for i in range(1, SSIM_WINDOW)), down[:, :columns])
    return across / SSIM_WINDOW**2
