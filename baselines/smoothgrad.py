"""SmoothGrad: Captum's saliency over copies with noise from an own generator."""

from __future__ import annotations

from typing import ClassVar

import torch
from captum.attr import Saliency
from pydantic import Field

from zsxai.attribution import log_mel_above_floor, on_window, score_of_log_mel
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
        forwards="n_samples",
        backwards="n_samples",
        reference="Smilkov et al., arXiv 1706.03825, section 3",
    )
    calibration: str = "sqrt-relu-p99"
    n_samples: Count = 25
    noise: float = Field(default=0.15, ge=0)

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        z = log_mel_above_floor(clip)
        sigma = self.noise * float(z.max() - z.min())
        generator = clip.generator(self.name)
        saliency = Saliency(score_of_log_mel(clip, target))
        total = torch.zeros_like(z[0])
        for part in batches(self.n_samples, clip.batch_size):
            # Copy by copy: a generator asked for several at once gives other numbers, so the batch size would count.
            drawn = [torch.randn(z.shape[1:], generator=generator) for _ in range(part.start, part.stop)]
            noise = torch.stack(drawn).to(z)
            total += saliency.attribute((z + sigma * noise).requires_grad_(), abs=False).sum(dim=0)
        return on_window(clip, total / self.n_samples)
