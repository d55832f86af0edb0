"""Control: another explainer's own map in the wrong place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from zsxai.clip import Clip, Relevance
from zsxai.controls import OfAnother, roll
from zsxai.explainer import ExplainerCard
from zsxai.target import BoundTarget


class Rolled(OfAnother):
    """The map of another explainer moved half the clip (each window of a long recording) and flipped on the mel axis.

    Attributes:
        of: Name of the explainer; its calibration is used unless one is given.
    """

    name: ClassVar[str] = "rolled"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Control: another explainer's map in the wrong place.",
        control=True,
        needs_gradients=False,
        deterministic=True,
        forwards="those of the explainer it rolls",
        backwards="those of the explainer it rolls",
        reference="none",
    )

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`zsxai.Explainer.relevance`."""
        values = clip.place(self.other.relevance(clip, targets))
        return Relevance(torch.from_numpy(roll(values, clip.grid)), clip.grid, "clip")
