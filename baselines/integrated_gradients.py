"""Integrated gradients on Captum, from silence, in bounded memory."""

from __future__ import annotations

from typing import ClassVar

import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from pydantic import Field

from zsxai.attribution import log_mel_above_floor, on_window, score_of_log_mel
from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.target import BoundTarget


class IntegratedGradients(Explainer):
    """Gradient integrated along the straight line from silence; its sum is score minus score of silence.

    Attributes:
        n_steps: Points of the Gauss-Legendre quadrature, 1,000 at most: finding them takes their square in memory.
    """

    name: ClassVar[str] = "integrated-gradients"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Gradient integrated from silence to the clip, in log-mel above the floor.",
        needs_gradients=True,
        deterministic=True,
        reads_masking=False,
        forwards="n_steps",
        backwards="n_steps",
        reference="Sundararajan et al., ICML 2017, eq. 1",
    )
    calibration: str = "sqrt-relu-max"
    n_steps: int = Field(default=50, ge=1, le=1000)

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        z = log_mel_above_floor(clip)
        method = CaptumIntegratedGradients(score_of_log_mel(clip, target))
        values = method.attribute(
            z, baselines=torch.zeros_like(z), n_steps=self.n_steps, internal_batch_size=clip.batch_size
        )
        return on_window(clip, values[0])
