"""GradCAM at a tap, for any number of prompts by one forward; for one it is Captum's (a test compares)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from zsxai.attribution import gradients_at_tap, tap_name
from zsxai.clip import Clip, Relevance
from zsxai.explainer import BatchExplainer, ExplainerCard
from zsxai.target import BoundTarget


class GradCAM(BatchExplainer):
    """Channels of a feature map weighted by their mean gradient and summed.

    Attributes:
        tap: Name of the model's tap; the last one where None.
    """

    name: ClassVar[str] = "gradcam"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="Channels of a feature map weighted by their mean gradient.",
        needs_gradients=True,
        deterministic=True,
        reads_masking=False,
        forwards="1, shared by all targets",
        backwards="1 a target, from the tap on",
        reference="Selvaraju et al., ICCV 2017, eqs. 1-2 (without the final ReLU, which the calibration applies)",
    )
    calibration: str = "sqrt-relu-p99"
    tap: str | None = None

    def relevances(self, clips: Sequence[Clip], targets: Sequence[BoundTarget]) -> list[Relevance]:
        """See :meth:`zsxai.Explainer.relevances`."""
        feature_map, gradients = gradients_at_tap(clips, targets, tap_name(clips[0], self.tap))
        cams = torch.einsum("pbc,bcft->bpft", gradients.mean(dim=(3, 4)), feature_map.values)
        return [Relevance(cam, feature_map.grid, "window") for cam in cams]
