"""SmoothGrad: saliency over copies with noise from an own generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field

from zsxai.attribution import gradients_of_log_mel, log_mel_above_floor, on_window
from zsxai.clip import Clip, Relevance, batches
from zsxai.explainer import Count, Explainer, ExplainerCard
from zsxai.target import BoundTarget


class SmoothGrad(Explainer):
    """Mean gradient over noisy copies.

    Captum's ``NoiseTunnel`` draws from the global generator, so two calls differ; here the clip and the seed
    decide the noise.

    Attributes:
        n_samples: Noisy copies.
        noise: Standard deviation, as part of the range of log-mel above the floor.
    """

    name: ClassVar[str] = "smoothgrad"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Mean gradient over noisy copies.",
        needs_gradients=True,
        deterministic=False,
        reads_masking=False,
        forwards="n_samples, shared by all targets",
        backwards="n_samples a target",
        reference="Smilkov et al., arXiv 1706.03825, section 3",
    )
    calibration: str = "sqrt-relu-p99"
    n_samples: Count = 25
    noise: float = Field(default=0.15, ge=0)

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`zsxai.Explainer.relevance`."""
        z = log_mel_above_floor(clip)
        sigma = self.noise * float(z.max() - z.min())
        generator = clip.generator(self.name)
        total = z.new_zeros(len(targets), *z.shape[1:])
        for part in batches(self.n_samples, clip.batch_size):
            # Copy by copy: a generator asked for several at once gives other numbers, so the batch size would count.
            drawn = [torch.randn(z.shape[1:], generator=generator) for _ in range(part.start, part.stop)]
            noise = torch.stack(drawn).to(z)
            total += gradients_of_log_mel(clip, targets, z + sigma * noise).sum(dim=1)
        return on_window(clip, total / self.n_samples)
