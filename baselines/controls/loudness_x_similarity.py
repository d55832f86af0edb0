"""Control: how loud each moment is, times the similarity: what prompt sensitivity can be faked with."""

from __future__ import annotations

from typing import ClassVar

import torch

from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.target import BoundTarget


class LoudnessXSimilarity(Explainer):
    """Level of each frame over the loudest, times half of one plus the cosine of clip and prompt.

    Its mask means follow the similarity by construction, and it points nowhere: on mixtures of two sounds it asks for
    the same cells whatever the prompt.
    """

    name: ClassVar[str] = "loudness-x-similarity"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Control: level of each frame times the similarity; knows how much, not where.",
        control=True,
        needs_gradients=False,
        deterministic=True,
        forwards="1",
        backwards="0",
        reference="none",
    )
    calibration: str = "identity"

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        power = clip.power_on_grid[torch.from_numpy(clip.grid.in_band)].mean(dim=0)
        level = torch.log10(power.clamp(min=clip.masking.floor) / clip.masking.floor)
        similarity = 0.5 * (1.0 + target.similarity(clip.embedding[None])[0])
        loudness = level / level.max().clamp(min=1e-9)
        return Relevance((similarity * loudness).expand(clip.grid.shape).float(), clip.grid, "clip")
