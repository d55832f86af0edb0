"""Controls made from another explainer's maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from zsxai.explainer import Explainer
from zsxai.plugins import load_explainer
from zsxai.spectral import Grid
from zsxai.spectral.front_end import hz_to_mel, mel_to_hz


def roll(values: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """Move a map half the clip and flip it on the mel axis inside the band: same shape, wrong place.

    On a mel grid the size stays. On hertz it does not: a low region becomes a high one, which has more rows.

    Args:
        values: ``(..., F, N)`` on ``grid``.
        grid: Where its cells lie.

    Returns:
        ``(..., F, N)`` float32; rows outside the band are 0.
    """
    low, high = hz_to_mel(np.array(grid.band))
    mirrored = mel_to_hz(low + high - hz_to_mel(grid.frequencies))
    nearest = np.abs(grid.frequencies[None] - mirrored[:, None]).argmin(axis=1)
    flipped = np.where(grid.in_band[:, None], values[..., nearest, :], 0.0)
    return np.roll(flipped, grid.shape[1] // 2, axis=-1).astype(np.float32)


class OfAnother(Explainer):
    """Base of controls that ask another explainer and take over its calibration.

    Attributes:
        of: Name of the explainer.
    """

    of: str = "occlusion"

    @model_validator(mode="before")
    @classmethod
    def _calibration_of(cls, data: dict[str, Any]) -> dict[str, Any]:
        return {"calibration": load_explainer(data.get("of", "occlusion")).calibration, **data}

    @property
    def other(self) -> Explainer:
        """The explainer that is asked."""
        return load_explainer(self.of)
