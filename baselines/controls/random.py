"""Control: a random mask, keyed by the clip and the seed, never by the prompt."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.spectral import patch_grid
from zsxai.target import BoundTarget


class Random(Explainer):
    """Uniform random cells, as smooth as an explanation is.

    Attributes:
        seconds: Length of a cell.
        bands: Cells along frequency, equally high in mel.
    """

    name: ClassVar[str] = "random"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Control: uniform random cells.",
        control=True,
        needs_gradients=False,
        deterministic=False,
        forwards="0",
        backwards="0",
        reference="none",
    )
    calibration: str = "identity"
    seconds: float = Field(default=0.25, gt=0)
    bands: int = Field(default=8, ge=1)

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        cells = patch_grid(clip.grid, self.seconds, self.bands)
        return Relevance(torch.rand(cells.shape, generator=clip.generator(self.name)), cells, "clip")
