"""Control: how loud each cell is, whatever the prompt."""

from __future__ import annotations

from typing import ClassVar

import torch

from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.target import BoundTarget


class Energy(Explainer):
    """Level of each cell, in decibels above the floor."""

    name: ClassVar[str] = "energy"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Control: level of each cell, blind to the prompt.",
        control=True,
        needs_gradients=False,
        deterministic=True,
        forwards="0",
        backwards="0",
        reference="none",
    )

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        floor = clip.masking.floor
        level = 10.0 * torch.log10(clip.power_on_grid.clamp(min=floor) / floor)
        return Relevance(level.float(), clip.grid, "clip")
