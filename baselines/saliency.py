"""Saliency: the gradient itself, of any number of prompts by one forward; of one it is Captum's (a test compares)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from zsxai.attribution import gradients_of_clips, on_window
from zsxai.clip import Clip, Relevance
from zsxai.explainer import BatchExplainer, ExplainerCard
from zsxai.target import BoundTarget


class Saliency(BatchExplainer):
    """Gradient of the score with respect to log-mel above the floor, signed."""

    name: ClassVar[str] = "saliency"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Gradient with respect to log-mel above the floor, signed.",
        needs_gradients=True,
        deterministic=True,
        reads_masking=False,
        forwards="1, shared by all targets",
        backwards="1 a target",
        reference="Simonyan et al., arXiv 1312.6034, section 3 (signed, so that evidence against stays apart)",
    )
    calibration: str = "sqrt-relu-max"

    def relevances(self, clips: Sequence[Clip], targets: Sequence[BoundTarget]) -> list[Relevance]:
        """See :meth:`zsxai.Explainer.relevances`."""
        return [on_window(clip, found) for clip, _, found in gradients_of_clips(clips, targets)]
