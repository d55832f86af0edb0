"""Figures of budget curves: a class's probability while the best cells are kept, or removed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from zsxai.errors import InputError
from zsxai.metrics.functional import Values


def insertion_auc(budgets: ArrayLike, p_kept: ArrayLike, p_nothing: ArrayLike, p: ArrayLike) -> Values:
    """Area under the probability while the best part is put in, from nothing to the clip (trapezoids).

    After RISE (arXiv 1806.07421), whose steps are many and even; here they are the budgets.

    Args:
        budgets: ``(K,)`` rising, in (0, 1).
        p_kept: ``(B, K)``.
        p_nothing: ``(B,)`` at budget 0.
        p: ``(B,)`` at budget 1.

    Returns:
        ``(B,)`` in [0, 1]; NaN where any point is.

    Raises:
        InputError: If the budgets do not rise inside (0, 1).
    """
    return _area(budgets, p_nothing, p_kept, p)


def deletion_auc(budgets: ArrayLike, p_removed: ArrayLike, p_nothing: ArrayLike, p: ArrayLike) -> Values:
    """Area under the probability while the best part is taken out, from the clip to nothing.

    Arguments and errors as of :func:`insertion_auc`.
    """
    return _area(budgets, p, p_removed, p_nothing)


def at_budget(budgets: ArrayLike, values: ArrayLike, budget: float) -> Values:
    """The curve at one budget, ``(B, K)`` to ``(B,)``; NaN where it was not measured: nothing is interpolated."""
    curve = np.asarray(values, dtype=np.float64)
    found = np.flatnonzero(np.isclose(np.asarray(budgets, dtype=np.float64), budget))
    return curve[:, found[0]] if len(found) else np.full(len(curve), np.nan)


def _area(budgets: ArrayLike, start: ArrayLike, values: ArrayLike, stop: ArrayLike) -> Values:
    points = np.concatenate([[0.0], np.asarray(budgets, dtype=np.float64), [1.0]])
    widths = np.diff(points)
    if not (widths > 0).all():
        raise InputError(f"budgets rise and lie inside (0, 1), not {points[1:-1].tolist()}")
    curve = np.column_stack([start, values, stop]).astype(np.float64)
    return np.asarray((curve[:, 1:] + curve[:, :-1]) @ widths / 2.0)
