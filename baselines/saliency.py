"""Saliency: the gradient itself, on Captum."""

from __future__ import annotations

from typing import ClassVar

from captum.attr import Saliency as CaptumSaliency

from zsxai.attribution import log_mel_above_floor, on_window, score_of_log_mel
from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.target import BoundTarget


class Saliency(Explainer):
    """Gradient of the score with respect to log-mel above the floor, signed."""

    name: ClassVar[str] = "saliency"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Gradient with respect to log-mel above the floor, signed.",
        needs_gradients=True,
        deterministic=True,
        reads_masking=False,
        forwards="1",
        backwards="1",
        reference="Simonyan et al., arXiv 1312.6034, section 3 (signed, so that evidence against stays apart)",
    )
    calibration: str = "sqrt-relu-max"

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        z = log_mel_above_floor(clip).requires_grad_()
        return on_window(clip, CaptumSaliency(score_of_log_mel(clip, target)).attribute(z, abs=False)[0])
