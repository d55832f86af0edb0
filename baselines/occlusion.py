"""Occlusion: silence one patch at a time; needs no gradients, so it works on a black box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from zsxai.clip import Clip, Relevance, batches
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.spectral import patch_grid
from zsxai.target import BoundTarget


class Occlusion(Explainer):
    """Drop of the score when a patch of the clip is silenced.

    Every patch is silenced once for all targets; Captum's ``Occlusion`` would encode the clip anew for each.

    Attributes:
        seconds: Length of a patch.
        bands: Patches along frequency, equally high in mel.
    """

    name: ClassVar[str] = "occlusion"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Drop of the score when a patch is silenced.",
        needs_gradients=False,
        deterministic=True,
        relevance_is_score=True,
        forwards="bands x ceil(clip / seconds), shared by all targets",
        backwards="0",
        reference="Zeiler and Fergus, ECCV 2014, section 4.2",
    )
    calibration: str = "sqrt-relu-p99"
    seconds: float = Field(default=0.25, gt=0)
    bands: int = Field(default=4, ge=1)

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`zsxai.Explainer.relevance`."""
        cells = patch_grid(clip.grid, self.seconds, self.bands)
        rows = np.clip(np.searchsorted(cells.frequency_edges, clip.grid.frequencies, "right") - 1, 0, self.bands - 1)
        columns = np.searchsorted(cells.time_edges, clip.grid.times, "right") - 1
        columns = np.clip(columns, 0, cells.shape[1] - 1)
        in_band = torch.from_numpy(clip.grid.in_band).float()[:, None]
        # For each row and each column of patches: 1 on the grid's cells that lie in it and in the band.
        high = (torch.from_numpy(rows) == torch.arange(cells.shape[0])[:, None])[..., None] * in_band
        long = (torch.from_numpy(columns) == torch.arange(cells.shape[1])[:, None])[:, None].float()
        scores = []
        with torch.no_grad():
            for part in batches(cells.shape[0] * cells.shape[1], clip.batch_size):
                patches = torch.arange(part.start, part.stop)
                row, column = high[patches // cells.shape[1]], long[patches % cells.shape[1]]
                embedded = clip.embed_masked(torch.addcmul(in_band, row, column, value=-1.0))
                scores.append(torch.stack([target(embedded) for target in targets]))
            whole = torch.stack([target(clip.embedding[None]) for target in targets])
        values = (whole - torch.cat(scores, dim=1)).reshape(len(targets), *cells.shape)
        return Relevance(values, cells, "clip")
