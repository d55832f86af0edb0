"""The model's own gradient at a feature map: a decoder's coarse prior for each prompt.

The maps of a model are most reliable on the recordings that it was trained on itself, where decoders are often trained
too. What a prompt's similarity owes to each channel is computed anew for every recording, and costs a backward pass
through the layers behind the map alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zsxai.attribution import encode_from, gradients
from zsxai.lmac_zs.decoder import DecoderSpec
from zsxai.model import Encoding, Features, SpectralModel


def encode_with_evidence(
    model: SpectralModel, features: Features, spec: DecoderSpec, groups: Sequence[Tensor]
) -> tuple[Encoding, list[Tensor]]:
    """Encode recordings, and weigh the last map's channels by the gradient of similarities, as GradCAM does.

    Args:
        model: The model.
        features: Features of B recordings.
        spec: Of the decoder; where it reads no gradient, none is computed.
        groups: Any number of groups of prompts ``(B, D)``, one for each recording; ``(1, D)`` stands for all.

    Returns:
        The encoding, without a graph, and per group ``(B, f, t)``: ``sum_c w_c h_c`` times the number of cells, w the
        mean gradient of the logit (the cosine at the model's scale); zeros ``(B, 1, 1)`` where none is read.
    """
    if not spec.gradient:
        with torch.no_grad():
            encoding = model.encode(features)
        return encoding, [encoding.embedding.new_zeros(len(encoding.embedding), 1, 1)] * len(groups)
    encoding, values = encode_from(model, features, spec.maps[-1])
    scale = model.logit_scale or 1.0
    with torch.enable_grad():
        logits = (scale * (encoding.embedding.float() * text).sum() for text in groups)
        weights = [gradient.float().sum(dim=(2, 3)) for gradient in gradients(logits, values)]
    maps = values.detach().float()
    return encoding.detach(), [torch.einsum("bc,bcft->bft", w, maps) for w in weights]
