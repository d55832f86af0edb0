"""A small spectrogram of a sound of any length, made as its blocks come by: a bounded number of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.show.raster import spectrogram

ROWS, MOST = 48, 2048
"""Pixels along frequency, and at most along time."""
COLUMN = 2048
"""Samples of the narrowest column."""
BLOCK = 32 * COLUMN
"""Samples of a block: all but the last hold so many."""


class Overview:
    """Takes a sound block by block; columns become wider as it becomes longer.

    Args:
        sample_rate: Samples per second.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._sums = np.zeros((ROWS, MOST), np.float32)
        self._each = 1  # narrowest columns in a column
        self._taken = 0

    def add(self, block: NDArray[Any]) -> None:
        """Take the next block, ``(BLOCK,)`` samples; the last may be shorter."""
        columns = -(-len(block) // COLUMN)
        for column in spectrogram(block, self._rate, hop=1024, rows=ROWS, columns=columns).power.T:
            if self._taken == MOST * self._each:
                self._sums[:, : MOST // 2] = self._sums.reshape(ROWS, -1, 2).sum(axis=2)
                self._sums[:, MOST // 2 :] = 0
                self._each *= 2
            self._sums[:, self._taken // self._each] += column
            self._taken += 1

    @property
    def power(self) -> NDArray[Any]:
        """Mean power ``(ROWS, C)`` float32, low frequencies first."""
        count = -(-self._taken // self._each)
        taken = np.full(count, self._each)
        taken[-1:] = self._taken - self._each * (count - 1)
        found: NDArray[Any] = (self._sums[:, :count] / taken).astype(np.float32)
        return found
