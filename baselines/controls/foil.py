"""Control: the same explainer asked about another prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from zsxai.clip import Clip, Relevance
from zsxai.controls import OfAnother
from zsxai.explainer import ExplainerCard
from zsxai.target import BoundTarget


class Foil(OfAnother):
    """The map of another explainer for another prompt; an explainer blind to prompts equals its foil.

    Attributes:
        of: Name of the explainer; its calibration is used unless one is given.
        prompt: The other prompt.
    """

    name: ClassVar[str] = "foil"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Control: the same explainer asked about another prompt.",
        control=True,
        needs_gradients=False,
        deterministic=True,
        forwards="those of the explainer it asks",
        backwards="those of the explainer it asks",
        reference="none",
    )
    prompt: str = "complete silence"

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`zsxai.Explainer.relevance`."""
        asked = [t.target.model_copy(update={"prompt": self.prompt}).bind(clip.model, t.template) for t in targets]
        return self.other.relevance(clip, asked)
