"""Control: how loud each moment is, whatever the prompt."""

from __future__ import annotations

from typing import ClassVar

import torch

from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.target import BoundTarget


class Loudness(Explainer):
    """Level of each frame within the model's band, in decibels above the quietest the mask can make it."""

    name: ClassVar[str] = "loudness"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Control: level of each frame, blind to the prompt and to frequency.",
        control=True,
        needs_gradients=False,
        deterministic=True,
        forwards="0",
        backwards="0",
        reference="none",
    )

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        power = clip.power_on_grid[torch.from_numpy(clip.grid.in_band)].mean(dim=0)
        level = 10.0 * torch.log10(power.clamp(min=clip.masking.floor) / clip.masking.floor)
        return Relevance(level.expand(clip.grid.shape).float(), clip.grid, "clip")
