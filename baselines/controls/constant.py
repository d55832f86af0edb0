"""Control: the same mask everywhere."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.target import BoundTarget


class Constant(Explainer):
    """A mask of one value. On the ``gain`` scale it wins metrics it should not: read its row first.

    Attributes:
        value: The value.
    """

    name: ClassVar[str] = "constant"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Control: one value everywhere.",
        control=True,
        needs_gradients=False,
        deterministic=True,
        forwards="0",
        backwards="0",
        reference="none",
    )
    calibration: str = "identity"
    value: float = Field(default=0.5, ge=0, le=1)

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        return Relevance(torch.full(clip.grid.shape, self.value), clip.grid, "clip")
