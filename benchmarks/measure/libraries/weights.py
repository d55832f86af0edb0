"""Random weights under which no layer is trivial."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


@torch.no_grad()
def perturb(model: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight anew: fresh ones hardly move the residual stream, and differ between transformers 4 and 5."""
    for name, parameter in sorted(model.named_parameters()):
        if "_extractor." in name:  # the frozen STFT and mel filters of torchlibrosa
            continue
        noise = torch.randn(parameter.shape, generator=generator)
        if "logit_scale" in name:
            parameter.add_(0.3)
        elif parameter.ndim < 2:
            parameter.add_(0.2 * noise)
        elif "relative_position_bias_table" in name:
            parameter.copy_(0.2 * noise)
        else:
            parameter.copy_(0.7 * noise * parameter[0].numel() ** -0.5)
    for name, module in sorted(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            meets_decibels = name.endswith(("audio_encoder.batch_norm", "bn0"))
            mean, low, high = (-45.0, 200.0, 600.0) if meets_decibels else (0.0, 0.5, 2.0)
            cast("Tensor", module.running_mean).normal_(mean, 0.2 * low**0.5, generator=generator)
            cast("Tensor", module.running_var).uniform_(low, high, generator=generator)
