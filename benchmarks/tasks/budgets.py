"""The best part of a map, at matched area or matched energy: rankings compared without any calibration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Ranking:
    """Cells of a map from most to least relevant.

    Ties are broken at random, the same way for all maps and on every machine: a map that says nothing prefers no place.

    Args:
        relevance: ``(F, N)``; NaN ranks last.
        in_band: ``(F,)`` bool: rows that the model hears.
    """

    def __init__(self, relevance: NDArray[Any], in_band: NDArray[Any]) -> None:
        self.shape = relevance.shape
        self.in_band = in_band
        values = np.nan_to_num(relevance[in_band].astype(np.float32).ravel(), nan=-np.inf)
        # Shuffled once, cells of one value stand in the order of their luck.
        self._cells = _shuffled(values.size)
        self._values = values[self._cells]
        # Sorting is quick but leaves ties in any order; so it only finds the value at which a budget is met.
        self._order = np.argsort(-self._values)

    def best(self, budgets: Sequence[float], energy: NDArray[Any] | None = None) -> NDArray[Any]:
        """Masks of the most relevant cells, at several budgets.

        Args:
            budgets: Parts in (0, 1) of the in-band cells.
            energy: ``(F, N)`` power; budgets are then parts of the in-band energy, met by the fewest best cells that
                reach them.

        Returns:
            ``(K, F, N)`` bool.
        """
        weights = np.ones(self._values.size) if energy is None else energy[self.in_band].ravel()[self._cells]
        spent = np.cumsum(weights[self._order], dtype=np.float64)
        masks = np.zeros((len(budgets), *self.shape), dtype=bool)
        for k, budget in enumerate(budgets):
            wanted = budget * spent[-1] if energy is not None else round(budget * self._values.size)
            last = min(int(np.searchsorted(spent, wanted * (1 - 1e-9))), self._values.size - 1)
            threshold = self._values[self._order[last]]
            chosen = self._values > threshold
            ties = np.flatnonzero(self._values == threshold)
            left = wanted - weights[chosen].sum(dtype=np.float64)
            if left > 0:
                reached = np.searchsorted(np.cumsum(weights[ties], dtype=np.float64), left * (1 - 1e-9))
                chosen[ties[: int(reached) + 1]] = True
            cells = np.zeros(chosen.size, dtype=bool)
            cells[self._cells[chosen]] = True
            masks[k][self.in_band] = cells.reshape(-1, self.shape[1])
        return masks


@lru_cache(maxsize=4)
def _shuffled(size: int) -> NDArray[Any]:
    """A fixed random order of cells."""
    return np.random.default_rng(0).permutation(size)
