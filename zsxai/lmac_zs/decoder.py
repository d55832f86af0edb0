"""The decoder: a frozen model's feature maps and a prompt in, the log-odds of a mask out.

The published decoder is a stack of transposed convolutions over the last four maps of the audio encoder, conditioned
by cross-attention (arXiv 2405.17615, sections 3 and 4.2; widths and places of attention are not stated). This one is
designed so that a second prompt is cheap and any model fits:

* an audio-only trunk runs once per clip, from the coarsest map to the finest, each map resized to meet the next;
* the prompt enters behind it: token states by cross-attention at the coarse maps; at all of them the pooled embedding,
  by scale and shift (FiLM) and by its product with every cell (:class:`zsxai.lmac_zs.layers.Evidence`);
* what the model's own gradient says at the coarsest map comes in beside it (:mod:`zsxai.lmac_zs.gradient`): features
  that the model knows from its own training mislead on new recordings, the gradient less;
* it stops at the finest map's cells: what finer ones would gain is little (docs/lmac-zs.md), and they cost the most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from zsxai.lmac_zs.layers import CrossAttention, Evidence, Film
from zsxai.model import FeatureMap, TextEncoding

ATTENDED = 2
"""Number of coarsest maps at which tokens are attended to: their cells are few, and see far."""


class DecoderSpec(BaseModel):
    """Sizes of a decoder.

    Attributes:
        maps: Names of the feature maps that it reads, early to late.
        channels: Number of channels of each of those maps.
        widths: Number of channels inside the decoder, for each map.
        text_dim: Dimensions of the model's shared space.
        token_dim: Dimensions of the model's token states; None where it gives none.
        conditioning: ``tokens``: cross-attention to token states besides what the pooled vector does; ``pooled``: the
            pooled vector alone.
        gradient: Whether the model's own gradient at the last map comes in.
        heads: Number of attention heads.
        open: Log-odds that an untrained decoder gives everywhere: training starts from a nearly open mask.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    maps: tuple[str, ...] = Field(min_length=1)
    channels: tuple[int, ...]
    widths: tuple[Annotated[int, Field(gt=0)], ...]
    text_dim: int = Field(gt=0)
    token_dim: int | None = None
    conditioning: Literal["tokens", "pooled"] = "tokens"
    gradient: bool = True
    heads: int = Field(default=4, gt=0)
    open: float = 2.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not len(self.maps) == len(self.channels) == len(self.widths):
            raise ValueError(f"{len(self.maps)} maps need as many channels and widths: {self.channels}, {self.widths}")
        if any(width % self.heads for width in self.widths):
            raise ValueError(f"widths are multiples of the {self.heads} heads: {self.widths}")
        if self.conditioning == "tokens" and self.token_dim is None:
            raise ValueError("the model gives no token states: say conditioning = 'pooled'")
        return self


class Decoder(nn.Module):
    """Feature maps and prompts to the log-odds of masks, on the cells of the first map that it reads.

    Args:
        spec: Its sizes.
    """

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = spec.widths
        count = len(widths)
        for k, channels in enumerate(spec.channels):
            self.register_buffer(f"mean_{k}", torch.zeros(channels, 1, 1))
            self.register_buffer(f"std_{k}", torch.ones(channels, 1, 1))
        finer = list(zip(widths[1:], widths, strict=False))
        self.lateral = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(spec.channels, widths, strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in finer)
        self.smooth = nn.ModuleList(nn.Conv2d(w, w, 3, padding=1) for w in widths)
        self.norm = nn.ModuleList(nn.GroupNorm(spec.heads, w) for w in widths)
        self.evidence = nn.ModuleList(Evidence(spec.text_dim, w) for w in widths)
        self.trust = nn.Parameter(torch.full((count,), 0.25))
        if spec.gradient:
            self.gradient = nn.Conv2d(1, widths[-1], 1)
            self.trust_gradient = nn.Parameter(torch.tensor(0.25))
        self.film = nn.ModuleList(Film(spec.text_dim, w) for w in widths)
        attended = range(max(0, count - ATTENDED), count) if spec.conditioning == "tokens" else ()
        self.attention = nn.ModuleDict(
            {str(k): CrossAttention(spec.token_dim or 0, widths[k], spec.heads) for k in attended}
        )
        self.descend = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for coarse, fine in finer)
        self.merge = nn.ModuleList(nn.Conv2d(w, w, 3, padding=1) for w in widths)
        self.out = nn.Conv2d(widths[0], 1, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.constant_(self.out.bias, spec.open)  # type: ignore[arg-type]

    def _evidence(self) -> list[Evidence]:
        return [e for e in self.evidence if isinstance(e, Evidence)]

    @torch.no_grad()
    def standardise(self, maps: Sequence[Tensor]) -> None:
        """Take each channel's mean and spread from a batch of maps: models scale theirs as they like."""
        for k, values in enumerate(maps):
            mean, std = getattr(self, f"mean_{k}"), getattr(self, f"std_{k}")
            mean.copy_(values.float().mean(dim=(0, 2, 3))[:, None, None])
            spread = values.float().std(dim=(0, 2, 3))
            # A channel that is silent on these clips must not dominate on others.
            std.copy_(spread.clamp(min=0.1 * float(spread.mean()) + 1e-6)[:, None, None])

    def trunk(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The audio side, once per clip.

        Args:
            maps: ``(B, C, f, t)`` for every map of the spec.

        Returns:
            ``(B, width, f, t)`` for every map, early to late.
        """
        levels: list[Tensor] = []
        for k in reversed(range(len(maps))):
            values = (maps[k].detach().float() - getattr(self, f"mean_{k}")) / getattr(self, f"std_{k}")
            cells = self.lateral[k](values)
            if levels:
                cells = cells + _resize(self.narrow[k](levels[0]), cells)
            levels.insert(0, torch.relu(self.norm[k](self.smooth[k](torch.relu(cells)))))
        return levels

    def head(self, levels: Sequence[Tensor], text: TextEncoding, gradient: Tensor | None = None) -> Tensor:
        """The prompt's side.

        Args:
            levels: From :meth:`trunk`, a row per pair: ``(n, width, f, t)``, or one row for all pairs.
            text: n prompts.
            gradient: ``(n, f, t)`` on the cells of the last map, from :mod:`zsxai.lmac_zs.gradient`; None
                reads the maps alone.

        Returns:
            ``(n, f, t)`` log-odds on the cells of the first map.
        """
        cells = levels[-1].new_zeros(len(text), self.spec.widths[-1], 1, 1)
        prior = levels[-1].new_zeros(len(text), 1, 1, 1) if gradient is None else gradient[:, None]
        total = self.trust_gradient * prior if self.spec.gradient else torch.zeros_like(prior)
        for k in reversed(range(len(levels))):
            level = levels[k].expand(len(text), -1, -1, -1)
            evidence, added = self.evidence[k](level, text.embedding)
            total = _resize(total, level) + self.trust[k] * evidence
            conditioned = self.film[k](level, text.embedding) + added
            if k < len(levels) - 1:
                conditioned = conditioned + _resize(self.descend[k](cells), conditioned)
            elif self.spec.gradient:
                conditioned = conditioned + self.gradient(prior)
            if str(k) in self.attention:
                conditioned = self.attention[str(k)](conditioned, *_token_states(text))
            cells = conditioned + self.merge[k](torch.relu(conditioned))
        log_odds: Tensor = self.out(torch.relu(cells)) + total
        return log_odds[:, 0]

    def forward(
        self, maps: Sequence[Tensor], text: TextEncoding, of: Tensor, bank: Tensor, gradient: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Log-odds for pairs of clips and prompts, and evidence, for training.

        Args:
            maps: ``(B, C, f, t)`` for every map of the spec.
            text: n prompts.
            of: ``(n,)`` index of the clip that each prompt is about.
            bank: ``(K, text_dim)`` other prompts.
            gradient: ``(n, f, t)`` on the cells of the last map.

        Returns:
            ``(n, f, t)``, and for every map the mean evidence ``(B, K)`` of its cells.
        """
        levels = self.trunk(maps)
        pooled = [e.pooled(level, bank) for e, level in zip(self._evidence(), levels, strict=True)]
        return self.head([level[of] for level in levels], text, gradient), pooled


def select_maps(feature_maps: Sequence[FeatureMap], names: Sequence[str]) -> list[Tensor]:
    """Values of the maps that a decoder reads, early to late."""
    by_name = {m.name: m.values for m in feature_maps}
    return [by_name[name] for name in names]


def count_parameters(module: nn.Module) -> int:
    """Number of trained weights."""
    return sum(p.numel() for p in module.parameters())


def _resize(coarse: Tensor, fine: Tensor) -> Tensor:
    return nn.functional.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)


def _token_states(text: TextEncoding) -> tuple[Tensor, Tensor]:
    if text.tokens is None or text.token_mask is None:
        raise ValueError("a decoder of tokens was given prompts without token states")
    return text.tokens.float(), text.token_mask
