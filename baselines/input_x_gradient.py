"""Input times gradient, for any number of prompts by one forward; for one it is Captum's (a test compares)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from zsxai.attribution import gradients_of_log_mel, log_mel_above_floor, on_window
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
        forwards="1, shared by all targets",
        backwards="1 a target",
        reference="Shrikumar et al., arXiv 1605.01713, section 3.3",
    )
    calibration: str = "sqrt-relu-max"

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`zsxai.Explainer.relevance`."""
        z = log_mel_above_floor(clip)
        return on_window(clip, z * gradients_of_log_mel(clip, targets, z)[:, 0])
