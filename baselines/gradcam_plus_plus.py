"""GradCAM++; Captum has none, so the gradients are taken here, at the same taps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from zsxai.attribution import gradients_at_tap, tap_name
from zsxai.clip import Clip, Relevance
from zsxai.explainer import BatchExplainer, ExplainerCard
from zsxai.target import BoundTarget


class GradCAMPlusPlus(BatchExplainer):
    """Channels of a feature map weighted by their positive gradients, each cell by its share of the second order.

    Attributes:
        tap: Name of the model's tap; the last one where None.
    """

    name: ClassVar[str] = "gradcam++"
    card: ClassVar[ExplainerCard] = ExplainerCard(
        summary="GradCAM with positive gradients weighted cell by cell.",
        needs_gradients=True,
        deterministic=True,
        reads_masking=False,
        forwards="1, shared by all targets",
        backwards="1 a target, from the tap on",
        reference="Chattopadhay et al., WACV 2018, eqs. 10-15, for a score passed through an exponential",
    )
    tap: str | None = None

    def relevances(self, clips: Sequence[Clip], targets: Sequence[BoundTarget]) -> list[Relevance]:
        """See :meth:`zsxai.Explainer.relevances`."""
        feature_map, gradients = gradients_at_tap(clips, targets, tap_name(clips[0], self.tap))
        maps, square, cube = feature_map.values, gradients.square(), gradients.pow(3)
        denominator = 2.0 * square + maps.sum(dim=(2, 3), keepdim=True) * cube
        share = torch.where(denominator.abs() > 1e-30, square / denominator, torch.zeros_like(square))
        weights = (share * gradients.clamp(min=0.0)).sum(dim=(3, 4))
        cams = torch.einsum("pbc,bcft->bpft", weights, maps)
        return [Relevance(cam, feature_map.grid, "window") for cam in cams]
