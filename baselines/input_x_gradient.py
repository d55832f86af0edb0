"""Input times gradient, on Captum."""

from __future__ import annotations

from typing import ClassVar

from captum.attr import InputXGradient as CaptumInputXGradient

from zsxai.attribution import log_mel_above_floor, on_window, score_of_log_mel
from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.target import BoundTarget


class InputXGradient(Explainer):
    """Log-mel above the floor times the gradient of the score."""

    name: ClassVar[str] = "input-x-gradient"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Log-mel above the floor times its gradient.",
        needs_gradients=True,
        deterministic=True,
        reads_masking=False,
        forwards="1",
        backwards="1",
        reference="Shrikumar et al., arXiv 1605.01713, section 3.3",
    )
    calibration: str = "sqrt-relu-max"

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        z = log_mel_above_floor(clip).requires_grad_()
        return on_window(clip, CaptumInputXGradient(score_of_log_mel(clip, target)).attribute(z)[0])
