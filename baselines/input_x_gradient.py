"""Input times gradient, for any number of prompts by one forward; for one it is Captum's (a test compares)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from zsxai.attribution import gradients_of_clips, on_window
from zsxai.clip import Clip, Relevance
from zsxai.explainer import BatchExplainer, ExplainerCard
from zsxai.target import BoundTarget


class InputXGradient(BatchExplainer):
    """Log-mel above the floor times the gradient of the score."""

    name: ClassVar[str] = "input-x-gradient"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Log-mel above the floor times its gradient.",
        needs_gradients=True,
        deterministic=True,
        reads_masking=False,
        forwards="1, shared by all targets",
        backwards="1 a target",
        reference="Shrikumar et al., arXiv 1605.01713, section 3.3",
    )
    calibration: str = "sqrt-relu-max"

    def relevances(self, clips: Sequence[Clip], targets: Sequence[BoundTarget]) -> list[Relevance]:
        """See :meth:`zsxai.Explainer.relevances`."""
        return [on_window(clip, z * found) for clip, z, found in gradients_of_clips(clips, targets)]
