"""Integrated gradients from silence, in bounded memory, for any number of prompts by the same forwards.

For one prompt they are Captum's (a test compares).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from zsxai.attribution import gradients_of_log_mel, log_mel_above_floor, on_window
from zsxai.clip import Clip, Relevance, batches
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
        forwards="n_steps, shared by all targets",
        backwards="n_steps a target",
        reference="Sundararajan et al., ICML 2017, eq. 1",
    )
    calibration: str = "sqrt-relu-max"
    n_steps: int = Field(default=50, ge=1, le=1000)

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`zsxai.Explainer.relevance`."""
        z = log_mel_above_floor(clip)
        points, weights = np.polynomial.legendre.leggauss(self.n_steps)  # on [-1, 1]; the line is [0, 1]
        at, share = (torch.from_numpy(0.5 * half).to(z) for half in (1.0 + points, weights))
        total = z.new_zeros(len(targets), *z.shape[1:])
        for part in batches(self.n_steps, clip.batch_size):
            gradients = gradients_of_log_mel(clip, targets, at[part, None, None] * z)
            total += torch.einsum("b,pbft->pft", share[part], gradients)
        return on_window(clip, z * total)
