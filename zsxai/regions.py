"""Where a mask lies, in words."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from zsxai.spectral import Grid


class Region(BaseModel):
    """A connected part of a mask above a threshold.

    Attributes:
        start: Seconds.
        stop: Seconds.
        low: Hertz.
        high: Hertz.
        share: Part of the mask's whole weight that lies in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: float
    stop: float
    low: float
    high: float
    share: float

    def __str__(self) -> str:
        return f"{self.start:.2f}-{self.stop:.2f} s, {self.low:,.0f}-{self.high:,.0f} Hz ({self.share:.0%} of the mask)"


def find_regions(mask: np.ndarray, grid: Grid, count: int = 3, threshold: float = 0.5) -> list[Region]:
    """The heaviest connected parts of a mask above a threshold.

    Args:
        mask: ``(F, N)`` in [0, 1] on ``grid``.
        grid: Where its cells lie.
        count: How many at most.
        threshold: Cells at or above it belong to a region.
    """
    from scipy import ndimage

    labels, found = ndimage.label(mask >= threshold)
    if not found:
        return []
    weights = np.atleast_1d(ndimage.sum_labels(mask, labels, np.arange(1, found + 1)))
    boxes = ndimage.find_objects(labels)
    total = float(mask.sum())
    regions = []
    for index in np.argsort(-weights, kind="stable")[:count]:
        rows, columns = boxes[index]
        regions.append(
            Region(
                start=round(float(grid.time_edges[columns.start]), 3),
                stop=round(float(grid.time_edges[columns.stop]), 3),
                low=round(float(grid.frequency_edges[rows.start]), 1),
                high=round(float(grid.frequency_edges[rows.stop]), 1),
                share=round(float(weights[index]) / total, 4),
            )
        )
    return regions
