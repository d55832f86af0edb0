"""Named calibrations: raw, signed relevance to a mask in [0, 1].

Which one an explainer uses changes Average Increase from 36 to 86 on the same maps, so each has a name that is
stored with every mask and printed in every table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.errors import InputError

NOTHING = "nothing"
"""Of relevance that is rounding and nothing else: no cell is kept. No explainer has it for its own."""

STEEPNESS = {"sigmoid": 1.0, "steep-sigmoid": 4.0}
"""Calibrations of log-odds, with the factor on these."""

Calibration = Callable[[NDArray[Any]], NDArray[Any]]


def _relu(relevance: NDArray[Any]) -> NDArray[Any]:
    positive: NDArray[Any] = np.maximum(relevance, 0.0)
    return positive


def _over(positive: NDArray[Any], top: float) -> NDArray[Any]:
    return np.clip(positive / top, 0.0, 1.0) if top > 0 else np.zeros_like(positive)


def identity(relevance: NDArray[Any]) -> NDArray[Any]:
    """The relevance is a mask already; cut to [0, 1]."""
    mask: NDArray[Any] = np.clip(relevance, 0.0, 1.0)
    return mask


def sigmoid(relevance: NDArray[Any]) -> NDArray[Any]:
    """The relevance is the log-odds of a mask: 0 becomes one half."""
    # As a float32, which masks are: a tanh of doubles costs as much as the model itself on a small one.
    odds: NDArray[Any] = torch.from_numpy(relevance.astype(np.float32)).sigmoid_().numpy()
    return odds


def steep_sigmoid(relevance: NDArray[Any]) -> NDArray[Any]:
    """The relevance is a quarter of the log-odds of a mask: most cells are nearly 0 or nearly 1, and 0 is one half."""
    return sigmoid(relevance * STEEPNESS["steep-sigmoid"])


def relu_max(relevance: NDArray[Any]) -> NDArray[Any]:
    """Positive part over its maximum."""
    positive = _relu(relevance)
    return _over(positive, float(positive.max(initial=0.0)))


def relu_p99(relevance: NDArray[Any]) -> NDArray[Any]:
    """Positive part over its 99th percentile."""
    positive = _relu(relevance)
    top = float(np.percentile(positive, 99)) if positive.size else 0.0
    return _over(positive, top) if top > 0 else relu_max(relevance)


def min_max(relevance: NDArray[Any]) -> NDArray[Any]:
    """Least to 0, most to 1; loses the sign, kept because published tables use it."""
    low = float(relevance.min())
    return _over(relevance - low, float(relevance.max()) - low)


def rank(relevance: NDArray[Any]) -> NDArray[Any]:
    """Share of the positive cells' ranks: the highest cell is 1, cells at or under zero are 0."""
    positive = _relu(relevance)
    order = positive.ravel().argsort(kind="stable").argsort(kind="stable").reshape(relevance.shape)
    return np.where(positive > 0, (order + 1.0) / relevance.size, 0.0)


def _sqrt(calibration: Calibration) -> Calibration:
    def softened(relevance: NDArray[Any]) -> NDArray[Any]:
        return np.sqrt(calibration(relevance))

    softened.__doc__ = f"Square root of: {calibration.__doc__}"
    return softened


CALIBRATIONS: dict[str, Calibration] = {
    "identity": identity,
    "sigmoid": sigmoid,
    "steep-sigmoid": steep_sigmoid,
    "relu-max": relu_max,
    "relu-p99": relu_p99,
    "sqrt-relu-max": _sqrt(relu_max),
    "sqrt-relu-p99": _sqrt(relu_p99),
    "min-max": min_max,
    "rank": rank,
}


def weigh(relevance: NDArray[Any], weights: NDArray[Any], calibration: str) -> NDArray[Any]:
    """Relevance of frames times how much they count, before it is calibrated.

    Log-odds are weighed as odds are, so that a weight of 0 gives a mask of 0 there as well.

    Args:
        relevance: ``(F, N)``.
        weights: ``(N,)`` in [0, 1].
        calibration: Says what the relevance is.
    """
    with np.errstate(divide="ignore"):
        odds = np.log(weights) / STEEPNESS.get(calibration, 1.0)
    weighed: NDArray[Any] = relevance + odds if calibration in STEEPNESS else relevance * weights
    return weighed


def to_mask(
    relevance: NDArray[Any], in_band: NDArray[Any], calibration: str, weights: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Calibrate one map.

    Args:
        relevance: ``(F, N)``, raw and signed.
        in_band: ``(F,)`` bool: rows the model hears; the others get 0 and do not count.
        calibration: A name in :data:`CALIBRATIONS`, or :data:`NOTHING`.
        weights: ``(N,)``, how much frames count (:func:`weigh`); all alike where None.

    Returns:
        ``(F, N)`` float32 in [0, 1].

    Raises:
        InputError: If the name is unknown.
    """
    if calibration not in (*CALIBRATIONS, NOTHING):
        raise InputError(f"unknown calibration {calibration!r}: one of {', '.join(CALIBRATIONS)}")
    mask = np.zeros(relevance.shape, dtype=np.float32)
    if in_band.any() and calibration != NOTHING:
        heard = relevance[in_band].astype(np.float64)
        heard = heard if weights is None else weigh(heard, weights, calibration)
        mask[in_band] = CALIBRATIONS[calibration](heard)
    return mask
