"""GradCAM++; Captum has none, so the gradients are taken here, at the same taps."""

from __future__ import annotations

from typing import ClassVar

import torch

from zsxai.attribution import map_at, tap_name
from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.hooks import graph_starts_at
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
        forwards="1",
        backwards="1, from the tap on",
        reference="Chattopadhay et al., WACV 2018, eqs. 10-15, for a score passed through an exponential",
    )
    tap: str | None = None

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        model, name = clip.spectral, tap_name(clip, self.tap)
        with graph_starts_at(model.taps[name]), torch.enable_grad():
            encoding = model.encode(clip.features)
            feature_map = map_at(encoding.feature_maps, name)
            (gradient,) = torch.autograd.grad(target(encoding.embedding).sum(), feature_map.values)
        maps, grad = feature_map.values.detach()[0], gradient[0]
        square, cube = grad.square(), grad.pow(3)
        denominator = 2.0 * square + maps.sum(dim=(1, 2), keepdim=True) * cube
        share = torch.where(denominator.abs() > 1e-30, square / denominator, torch.zeros_like(square))
        weights = (share * grad.clamp(min=0.0)).sum(dim=(1, 2))
        return Relevance(torch.einsum("c,cft->ft", weights, maps), feature_map.grid, "window")
