"""Where a mask lies, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.metrics.functional import INSIDE
from zsxai.spectral import Grid
from zsxai.value import Value


class Region(Value):
    """A connected part of a mask above a threshold.

    Attributes:
        start: Seconds.
        stop: Seconds.
        low: Hertz.
        high: Hertz.
        share: Part of the mask's whole weight that lies in it.
    """

    start: float
    stop: float
    low: float
    high: float
    share: float

    def __str__(self) -> str:
        return f"{self.start:.2f}-{self.stop:.2f} s, {self.low:,.0f}-{self.high:,.0f} Hz ({self.share:.0%} of the mask)"


def find_regions(mask: NDArray[Any], grid: Grid, count: int = 3, threshold: float = INSIDE) -> list[Region]:
    """The heaviest connected parts of a mask above a threshold.

    Args:
        mask: ``(F, N)`` in [0, 1] on ``grid``.
        grid: Where its cells lie.
        count: How many at most.
        threshold: Cells at or above it belong to a region.
    """
    above = mask >= threshold
    if not above.any():
        return []
    rows, columns = above.nonzero()
    _, part = np.unique(components(above)[above], return_inverse=True)
    weights = np.bincount(part, weights=mask[above])
    total = float(mask.sum())
    regions = []
    for index in np.argsort(-weights, kind="stable")[:count]:
        high, long = rows[part == index], columns[part == index]
        regions.append(
            Region(
                start=round(float(grid.time_edges[long.min()]), 3),
                stop=round(float(grid.time_edges[long.max() + 1]), 3),
                low=round(float(grid.frequency_edges[high.min()]), 1),
                high=round(float(grid.frequency_edges[high.max() + 1]), 1),
                share=round(float(weights[index]) / total, 4),
            )
        )
    return regions


def components(above: NDArray[Any]) -> NDArray[Any]:
    """Label connected cells alike (neighbours share a side).

    Written here because importing ``scipy.ndimage`` for it alone costs a tenth of a whole ``zsxai explain``.

    Args:
        above: ``(F, N)`` bool.

    Returns:
        ``(F, N)`` int64: the same number on all cells above of one component; other cells mean nothing.
    """
    before = np.zeros_like(above)
    before[:, 1:] = above[:, :-1]
    starts = above & ~before
    run = np.cumsum(starts).reshape(above.shape) - 1
    # Two runs of neighbouring rows touch where both are above, first where one of them starts.
    touch = above[1:] & above[:-1] & (starts[1:] | starts[:-1])
    one, other = run[1:][touch], run[:-1][touch]
    label = np.arange(starts.sum())
    while True:
        # Every run's root takes the least label next to it, then every run its root's label.
        least, found = np.minimum(label[one], label[other]), label.copy()
        np.minimum.at(found, label[one], least)
        np.minimum.at(found, label[other], least)
        found = found[found]
        if np.array_equal(found, label):
            labels: NDArray[Any] = np.append(label, 0)[run]
            return labels
        label = found
