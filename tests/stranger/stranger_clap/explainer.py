"""An explainer of one's own: how a patch scores when nothing else sounds."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from zsxai import Clip, Explainer, ExplainerCard, Relevance
from zsxai.spectral import patch_grid
from zsxai.target import BoundTarget


class Solo(Explainer):
    """Score of every patch alone, less the score of silence; the opposite of occlusion."""

    name: ClassVar[str] = "solo"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Score of a patch alone.",
        needs_gradients=False,
        deterministic=True,
        forwards="bands x ceil(clip / seconds) + 1",
        backwards="0",
        reference="none",
    )
    seconds: float = Field(default=0.5, gt=0)
    bands: int = Field(default=4, ge=1)

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """One mask per patch, embedded in batches."""
        cells = patch_grid(clip.grid, self.seconds, self.bands)
        count = cells.shape[0] * cells.shape[1]
        one_each = np.concatenate([np.eye(count), np.zeros((1, count))]).reshape(-1, *cells.shape)
        masks = torch.from_numpy(cells.resample(one_each, clip.grid) * clip.grid.in_band[:, None])
        with torch.no_grad():
            scores = target(clip.embed_masked(masks))
        return Relevance((scores[:-1] - scores[-1]).reshape(cells.shape), cells, "clip")
