"""Named calibrations: raw, signed relevance to a mask in [0, 1].

Which one an explainer uses changes Average Increase from 36 to 86 on the same maps, so each has a name that is
stored with every mask and printed in every table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.errors import InputError

NOTHING = "nothing"
"""Of relevance that is rounding and nothing else: no cell is kept. No explainer has it for its own."""

STEEPNESS = {"sigmoid": 1.0, "steep-sigmoid": 4.0}
"""Calibrations of log-odds, with the factor on these."""

_BITS = 10
_KEYS = 2 ** (31 - _BITS)
"""Steps in which :class:`Distribution` counts positive numbers: 1e-4 of a number apart at most."""


class Distribution:
    """What calibrations need to know of all relevance, counted part by part.

    Quantiles and ranks are right to 1e-4 of a value, its least and most exactly.
    """

    def __init__(self) -> None:
        self.least, self.most = np.inf, -np.inf
        self.size = 0
        self._counts: NDArray[Any] = np.zeros(_KEYS, dtype=np.int64)

    def add(self, relevance: NDArray[Any]) -> None:
        """Count a part of the relevance."""
        self.least = min(self.least, float(relevance.min(initial=np.inf)))
        self.most = max(self.most, float(relevance.max(initial=-np.inf)))
        self.size += relevance.size
        self._counts += np.bincount(_keys(relevance).reshape(-1), minlength=_KEYS)

    @classmethod
    def of(cls, parts: Iterable[NDArray[Any]]) -> Distribution:
        """That of relevance in parts."""
        found = cls()
        for part in parts:
            found.add(part)
        return found

    def quantile(self, part: float) -> float:
        """The positive part's quantile: a value that so much of it does not exceed."""
        at = np.searchsorted(self._up_to, part * (self.size - 1) + 1)
        return float(np.uint32(int(at) << _BITS).view(np.float32))

    def ranks(self, relevance: NDArray[Any]) -> NDArray[Any]:
        """How many values are at or under each."""
        found: NDArray[Any] = self._up_to[_keys(relevance)]
        return found

    @property
    def _up_to(self) -> NDArray[Any]:
        return np.cumsum(self._counts)


def _keys(relevance: NDArray[Any]) -> NDArray[Any]:
    """Positive float32 numbers in the order of their bits, the others as 0."""
    positive = np.maximum(relevance, 0.0).astype(np.float32)
    keys: NDArray[Any] = positive.view(np.uint32) >> _BITS
    return keys


Calibration = Callable[[NDArray[Any], "Distribution | None"], NDArray[Any]]
"""From relevance to a mask; of a part of the relevance, with the distribution of all of it."""


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


def relu_max(relevance: NDArray[Any], whole: Distribution | None = None) -> NDArray[Any]:
    """Positive part over its maximum."""
    positive = _relu(relevance)
    return _over(positive, float(positive.max(initial=0.0)) if whole is None else whole.most)


def relu_p99(relevance: NDArray[Any], whole: Distribution | None = None) -> NDArray[Any]:
    """Positive part over its 99th percentile."""
    positive = _relu(relevance)
    if not positive.size:
        return positive
    top = float(np.percentile(positive, 99)) if whole is None else whole.quantile(0.99)
    return _over(positive, top) if top > 0 else relu_max(relevance, whole)


def min_max(relevance: NDArray[Any], whole: Distribution | None = None) -> NDArray[Any]:
    """Least to 0, most to 1; loses the sign, kept because published tables use it."""
    low, high = (float(relevance.min()), float(relevance.max())) if whole is None else (whole.least, whole.most)
    return _over(relevance - low, high - low)


def rank(relevance: NDArray[Any], whole: Distribution | None = None) -> NDArray[Any]:
    """Share of the positive cells' ranks: the highest cell is 1, cells at or under zero are 0."""
    positive = _relu(relevance)
    if whole is not None:
        return np.where(positive > 0, whole.ranks(positive) / whole.size, 0.0)
    order = positive.ravel().argsort(kind="stable").argsort(kind="stable").reshape(relevance.shape)
    return np.where(positive > 0, (order + 1.0) / relevance.size, 0.0)


def _local(calibration: Callable[[NDArray[Any]], NDArray[Any]]) -> Calibration:
    return lambda relevance, _: calibration(relevance)


def _sqrt(calibration: Calibration) -> Calibration:
    def softened(relevance: NDArray[Any], whole: Distribution | None = None) -> NDArray[Any]:
        return np.sqrt(calibration(relevance, whole))

    softened.__doc__ = f"Square root of: {calibration.__doc__}"
    return softened


CALIBRATIONS: dict[str, Calibration] = {
    "identity": _local(identity),
    "sigmoid": _local(sigmoid),
    "steep-sigmoid": _local(steep_sigmoid),
    "relu-max": relu_max,
    "relu-p99": relu_p99,
    "sqrt-relu-max": _sqrt(relu_max),
    "sqrt-relu-p99": _sqrt(relu_p99),
    "min-max": min_max,
    "rank": rank,
}
LOCAL = frozenset({"identity", "sigmoid", "steep-sigmoid", NOTHING})
"""Calibrations of a cell by its own relevance alone."""


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
    relevance: NDArray[Any],
    in_band: NDArray[Any],
    calibration: str,
    weights: NDArray[Any] | None = None,
    whole: Distribution | None = None,
) -> NDArray[Any]:
    """Calibrate one map.

    Args:
        relevance: ``(F, N)``, raw and signed.
        in_band: ``(F,)`` bool: rows the model hears; the others get 0 and do not count.
        calibration: A name in :data:`CALIBRATIONS`, or :data:`NOTHING`.
        weights: ``(N,)``, how much frames count (:func:`weigh`); all alike where None.
        whole: Where this is a part of a map: the distribution of all of it (:func:`distribution`).

    Returns:
        ``(F, N)`` float32 in [0, 1].

    Raises:
        InputError: If the name is unknown.
    """
    if calibration not in (*CALIBRATIONS, NOTHING):
        raise InputError(f"unknown calibration {calibration!r}: one of {', '.join(CALIBRATIONS)}")
    mask = np.zeros(relevance.shape, dtype=np.float32)
    if in_band.any() and calibration != NOTHING:
        mask[in_band] = CALIBRATIONS[calibration](_heard(relevance, in_band, calibration, weights), whole)
    return mask


def distribution(
    relevance: NDArray[Any],
    frames: Sequence[slice],
    in_band: NDArray[Any],
    calibration: str,
    weights: NDArray[Any] | None = None,
) -> Distribution | None:
    """What :func:`to_mask` must know of a map that it is given in parts; None where that is nothing.

    Args:
        relevance: ``(F, N)`` of the whole.
        frames: The parts.
        in_band: As :func:`to_mask` takes it.
        calibration: Likewise.
        weights: Likewise, of the whole.
    """
    if len(frames) == 1 or calibration in LOCAL or not in_band.any():
        return None
    parts = (
        _heard(relevance[:, part], in_band, calibration, None if weights is None else weights[part]) for part in frames
    )
    return Distribution.of(parts)


def _heard(
    relevance: NDArray[Any], in_band: NDArray[Any], calibration: str, weights: NDArray[Any] | None
) -> NDArray[Any]:
    heard: NDArray[Any] = relevance[in_band].astype(np.float64)
    return heard if weights is None else weigh(heard, weights, calibration)
