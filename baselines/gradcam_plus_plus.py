"""GradCAM++; Captum has none, so the gradients are taken here, at the same taps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from zsxai.attribution import gradients_at_tap, tap_name
from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.target import BoundTarget


class GradCAMPlusPlus(Explainer):
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

    def relevance(self, clip: Clip, targets: Sequence[BoundTarget]) -> Relevance:
        """See :meth:`zsxai.Explainer.relevance`."""
        feature_map, gradients = gradients_at_tap(clip, targets, tap_name(clip, self.tap))
        maps, square, cube = feature_map.values[0], gradients.square(), gradients.pow(3)
        denominator = 2.0 * square + maps.sum(dim=(1, 2), keepdim=True) * cube
        share = torch.where(denominator.abs() > 1e-30, square / denominator, torch.zeros_like(square))
        weights = (share * gradients.clamp(min=0.0)).sum(dim=(2, 3))
        return Relevance(torch.einsum("pc,cft->pft", weights, maps), feature_map.grid, "window")
