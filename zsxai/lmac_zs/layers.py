"""Layers of the decoder by which the prompt reaches the cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Film(nn.Module):
    """Scale and shift of every channel by the pooled embedding (Perez et al., AAAI 2018).

    Args:
        text_dim: Dimensions of the embedding, whose rows are unit.
        width: Channels.
    """

    def __init__(self, text_dim: int, width: int) -> None:
        super().__init__()
        self.gain = text_dim**0.5
        self.both = nn.Linear(text_dim, 2 * width)

    def forward(self, cells: Tensor, embedding: Tensor) -> Tensor:
        """``(n, width, f, t)`` and ``(n, text_dim)`` to ``(n, width, f, t)``."""
        scale, shift = self.both(self.gain * embedding)[..., None, None].chunk(2, dim=1)
        shifted: Tensor = cells * (1.0 + scale) + shift
        return shifted


class Evidence(nn.Module):
    """How much each cell speaks for the prompt: a scalar product, so that a further prompt costs next to nothing.

    Args:
        text_dim: Dimensions of the prompt's embedding, whose rows are unit.
        width: Channels of the cells.
    """

    def __init__(self, text_dim: int, width: int) -> None:
        super().__init__()
        self.gain = (text_dim / width) ** 0.5
        self.ask = nn.Linear(text_dim, width, bias=False)
        self.spread = nn.Conv2d(1, width, 1)

    def forward(self, cells: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, width, f, t)`` and ``(n, text_dim)`` to evidence ``(n, 1, f, t)``, and what it adds to the cells."""
        evidence = torch.einsum("ncft,nc->nft", cells, self.gain * self.ask(embedding))[:, None]
        return evidence, self.spread(evidence)

    def pooled(self, cells: Tensor, embedding: Tensor) -> Tensor:
        """Mean evidence of ``(B, width, f, t)`` cells for each of ``(K, text_dim)`` prompts, ``(B, K)``."""
        evidence: Tensor = cells.mean(dim=(2, 3)) @ (self.gain * self.ask(embedding)).T
        return evidence


class CrossAttention(nn.Module):
    """Cross-attention from every cell to the prompt's tokens, added to the cell.

    Args:
        token_dim: Dimensions of the token states.
        width: Channels of the cells.
        heads: Number of attention heads.
    """

    def __init__(self, token_dim: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(token_dim)
        self.ask = nn.Linear(width, width)
        self.answer = nn.Linear(token_dim, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, cells: Tensor, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """``(n, width, f, t)``, ``(n, L, token_dim)`` and ``(n, L)`` bool to ``(n, width, f, t)``."""
        n, width, f, t = cells.shape
        rows = cells.flatten(2).transpose(1, 2)
        query = self.ask(rows).view(n, f * t, self.heads, -1).transpose(1, 2)
        key, value = self.answer(self.norm(tokens)).view(n, tokens.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=token_mask[:, None, None])
        added = self.out(mixed.transpose(1, 2).reshape(n, f * t, width))
        attended: Tensor = cells + added.transpose(1, 2).reshape(n, width, f, t)
        return attended
