"""Whether a map points at one of two sounds, each function on the flat cells ``(n,)`` of one map.

Truth is the ideal binary mask: cells in which the wanted sound is the louder. Cells in which both are equally loud
belong half to each, so that what a map scores for one prompt and for the other sums to the same whatever the map.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from zsxai.metrics.functional import Values
from zsxai.metrics.similarity import is_constant, pearson, tie_starts


def ideal_binary_mask(target: ArrayLike, other: ArrayLike) -> Values:
    """1 where the target's power is the greater, 0 where the other's is, .5 where they are equal."""
    wanted, unwanted = np.asarray(target), np.asarray(other)
    return np.asarray((wanted > unwanted) + 0.5 * (wanted == unwanted))


def ideal_ratio_mask(target: ArrayLike, other: ArrayLike) -> Values:
    """``target / (target + other)`` of powers, in [0, 1]; .5 where both are silent."""
    wanted, total = np.asarray(target, dtype=np.float64), np.add(target, other, dtype=np.float64)
    ratio: Values = np.divide(wanted, total, out=np.full(wanted.shape, 0.5), where=total > 0)
    return ratio


def roc_auc(scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve, with weights and ties: the part of (positive, negative) pairs in the right order.

    Args:
        scores: ``(n,)``.
        positive: ``(n,)`` in [0, 1]: how much of a cell is positive; the rest is negative.
        weights: ``(n,)``, 0 or more; 1 where None.

    Returns:
        In [0, 1], a tied pair counting one half; NaN where a class has no weight or a score is NaN. O(n log n).
    """
    values, part = np.asarray(scores), np.asarray(positive, dtype=np.float64)
    weight = np.ones(values.size) if weights is None else np.asarray(weights, dtype=np.float64)
    if not values.size or np.isnan(values).any():
        return float("nan")
    order = np.argsort(values)
    starts = tie_starts(values[order])
    # Per distinct score, so that the order within ties is of no account.
    up = np.add.reduceat((weight * part)[order], starts)
    down = np.add.reduceat((weight * (1.0 - part))[order], starts)
    pairs = float(up.sum() * down.sum())
    below = np.cumsum(down) - 0.5 * down
    return float(up @ below) / pairs if pairs > 0 else float("nan")


def delta_energy(mask: ArrayLike, target: ArrayLike, other: ArrayLike) -> float:
    """The wanted sound's part of the power that a mask keeps, less its part of all power, in (-1, 1).

    NaN for an empty mask, and where both sounds are silent.
    """
    kept, wanted = np.asarray(mask, dtype=np.float64), np.asarray(target, dtype=np.float64)
    total = wanted + np.asarray(other, dtype=np.float64)
    under, whole = float(kept @ total), float(total.sum())
    return float(kept @ wanted) / under - float(wanted.sum()) / whole if under > 0 and whole > 0 else float("nan")


def pointing(mask: ArrayLike, mixture: ArrayLike, positive: ArrayLike) -> float:
    """Whether the cell where mask times magnitude is greatest belongs to the wanted sound; the mean over ties.

    Args:
        mask: ``(n,)``.
        mixture: ``(n,)`` powers.
        positive: ``(n,)`` ideal binary mask.

    Returns:
        In [0, 1]; NaN where there is no cell or a value is NaN.
    """
    strength = np.asarray(mask, dtype=np.float64) * np.sqrt(np.asarray(mixture, dtype=np.float64))
    if not strength.size or np.isnan(strength).any():
        return float("nan")
    return float(np.asarray(positive)[strength == strength.max()].mean())


def correlation(mask: ArrayLike, ratio_mask: ArrayLike) -> float:
    """Pearson correlation of a mask with the ideal ratio mask, in [-1, 1].

    A constant mask follows nothing: 0, the value that blind masks have in the mean over both prompts. A constant truth
    cannot be followed: NaN.
    """
    return 0.0 if is_constant(mask) and not is_constant(ratio_mask) else pearson(mask, ratio_mask)
