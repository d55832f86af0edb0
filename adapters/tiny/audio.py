"""The audio encoder: a small residual network on log-mels, with taps on its maps.

Sizes are chosen so that every map divides the mel axis and the frames evenly: the stem's 4 x 4 kernel with stride
2 centres cell i on frames 2i and 2i + 1, and pooling rounds up, so a cell of map k covers 2^k frames exactly and only
the last one may reach past the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zsxai.adapters.tiny.spec import DIM, FRONT_END

WIDTHS = (32, 64, 128, 256)
"""Channels of the four stages."""
STEM = 32
"""Channels of the stem."""
TAPS: dict[str, int] = {"stem": 2, "stage1": 4, "stage2": 8, "stage3": 16, "stage4": 32}
"""Frames (and mel bands) that a cell of each tapped map covers, early to late."""


class Block(nn.Module):
    """A basic residual block.

    Args:
        before: Channels in.
        after: Channels out.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.norm_1 = nn.BatchNorm2d(after)
        self.conv_2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm_2 = nn.BatchNorm2d(after)
        self.skip = nn.Conv2d(before, after, 1, bias=False) if before != after else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, before, f, t)`` to ``(B, after, f, t)``."""
        # Out of place: Captum's hooks and gradient checks need the values that an in-place ReLU would overwrite.
        inner = torch.relu(self.norm_1(self.conv_1(maps)))
        return torch.relu(self.norm_2(self.conv_2(inner)) + self.skip(maps))


class AudioEncoder(nn.Module):
    """Log-mel to the shared space."""

    mean: Tensor
    std: Tensor
    log_scale: Tensor

    def __init__(self, dropout: Sequence[float] = (0.2, 0.2)) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FRONT_END.n_mels))
        self.register_buffer("std", torch.ones(FRONT_END.n_mels))
        self.stem = nn.Conv2d(1, STEM, 4, stride=2, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(STEM)
        self.pool = nn.AvgPool2d(2, ceil_mode=True)
        before = (STEM, *WIDTHS[:-1])
        self.stages = nn.ModuleList(Block(b, a) for b, a in zip(before, WIDTHS, strict=True))
        self.taps = nn.ModuleDict({name: nn.Identity() for name in TAPS})
        self.hidden = nn.Linear(2 * WIDTHS[-1], 512, bias=False)
        self.hidden_norm = nn.BatchNorm1d(512)
        self.out = nn.Linear(512, DIM)
        self.drop_1, self.drop_2 = (nn.Dropout(p) for p in dropout)
        self.log_scale = nn.Parameter(torch.tensor(2.66))

    def forward(self, log_mel: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Encode clips.

        Args:
            log_mel: ``(B, 1, n_mels, N)`` decibels.

        Returns:
            ``(B, D)`` unit rows and the tapped maps ``(B, C, f, t)`` by name.
        """
        # Only then in the type of the weights: decibels as they come would lose most to a coarse one.
        maps = ((log_mel - self.mean[:, None]) / self.std[:, None]).to(self.stem.weight.dtype)
        maps = self.taps["stem"](torch.relu(self.stem_norm(self.stem(maps))))
        tapped = {"stem": maps}
        for i, stage in enumerate(self.stages, start=1):
            maps = tapped[f"stage{i}"] = self.taps[f"stage{i}"](stage(self.pool(maps)))
        rows = maps.mean(dim=2)
        pooled = self.drop_1(torch.cat([rows.mean(dim=2), rows.amax(dim=2)], dim=1))
        hidden = self.drop_2(torch.relu(self.hidden_norm(self.hidden(pooled))))
        return nn.functional.normalize(self.out(hidden).float(), dim=-1), tapped
