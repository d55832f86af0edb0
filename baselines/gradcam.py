"""GradCAM on Captum, at a tap, with the graph started there."""

from __future__ import annotations

from typing import ClassVar

from captum.attr import LayerGradCam
from torch import Tensor

from zsxai.attribution import map_at, tap_name
from zsxai.clip import Clip, Relevance
from zsxai.explainer import Explainer, ExplainerCard
from zsxai.hooks import graph_starts_at
from zsxai.model import FeatureMap, Features
from zsxai.target import BoundTarget


class GradCAM(Explainer):
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
        forwards="1",
        backwards="1, from the tap on",
        reference="Selvaraju et al., ICCV 2017, eqs. 1-2 (without the final ReLU, which the calibration applies)",
    )
    calibration: str = "sqrt-relu-p99"
    tap: str | None = None

    def attribute(self, clip: Clip, target: BoundTarget) -> Relevance:
        """See :meth:`zsxai.Explainer.attribute`."""
        model, name = clip.spectral, tap_name(clip, self.tap)
        seen: list[tuple[FeatureMap, ...]] = []

        def score(model_input: Tensor) -> Tensor:
            encoding = model.encode(Features(None, clip.features.mel, model_input, clip.features.extras))
            seen.append(encoding.feature_maps)
            return target(encoding.embedding)

        tap = model.taps[name]
        with graph_starts_at(tap):
            cam = LayerGradCam(score, tap).attribute(clip.features.input)
        if not isinstance(cam, Tensor):
            raise TypeError("LayerGradCam gave no tensor for one layer")
        return Relevance(cam[0, 0].detach(), map_at(seen[0], name).grid, "window")
