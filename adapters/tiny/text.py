"""The text tower: a small BERT with factorised embeddings; the teacher is the same network, larger."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

VOCABULARY = 30522
"""Tokens."""
LIMIT = 64
"""Most tokens of a prompt, [CLS] and [SEP] included: prompts are phrases, and positions cost bytes."""


class TextShape(NamedTuple):
    """Numbers of a tower.

    Attributes:
        layers: Transformer layers.
        factor: Width of the factorised word embeddings; None for full width.
        limit: Number of positions.
        width: Width of the tower and of the embedding.
        heads: Attention heads.
        inner: Width inside the feed-forward part.
    """

    layers: int = 2
    factor: int | None = 128
    limit: int = LIMIT
    width: int = 384
    heads: int = 12
    inner: int = 1536


STUDENT = TextShape()
TEACHER = TextShape(layers=6, factor=None, limit=512)


class Layer(nn.Module):
    """One post-norm BERT layer.

    Args:
        shape: Numbers of the tower.
    """

    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.attended = nn.Linear(shape.width, shape.width)
        self.norm_1 = nn.LayerNorm(shape.width, eps=1e-12)
        self.up = nn.Linear(shape.width, shape.inner)
        self.down = nn.Linear(shape.inner, shape.width)
        self.norm_2 = nn.LayerNorm(shape.width, eps=1e-12)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """``(P, L, E)`` states and ``(P, L)`` bool mask to ``(P, L, E)``."""
        b, n, e = states.shape
        q, k, v = self.qkv(states).view(b, n, 3, self.heads, e // self.heads).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        states = self.norm_1(states + self.attended(mixed.transpose(1, 2).reshape(b, n, e)))
        out: Tensor = self.norm_2(states + self.down(nn.functional.gelu(self.up(states))))
        return out


class TextTower(nn.Module):
    """Token ids to token states and their masked mean.

    Args:
        shape: Numbers of the tower.
    """

    def __init__(self, shape: TextShape = STUDENT) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(VOCABULARY, shape.factor or shape.width)
        self.widen = nn.Linear(shape.factor, shape.width, bias=False) if shape.factor else nn.Identity()
        # BERT adds a constant segment embedding; it is folded into the positions.
        self.positions = nn.Embedding(shape.limit, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encode tokens.

        Args:
            ids: ``(P, L)`` int64.
            mask: ``(P, L)`` bool, True on real tokens.

        Returns:
            Unit embeddings ``(P, E)`` and token states ``(P, L, E)``.
        """
        states = self.norm(self.widen(self.words(ids)) + self.positions.weight[: ids.shape[1]])
        for layer in self.layers:
            states = layer(states, mask)
        weight = mask.to(states.dtype)[..., None]
        mean = (states * weight).sum(dim=1) / weight.sum(dim=1)
        return nn.functional.normalize(mean, dim=-1), states


def centred(embedding: Tensor, centre: Tensor) -> Tensor:
    """Take the mean of the captions off and make the rows unit: what text and audio meet on, ``(P, D)``."""
    return nn.functional.normalize(embedding - centre, dim=-1)


@torch.inference_mode()
def embed_ids(tower: TextTower, rows: list[list[int]], batch: int = 128) -> Tensor:
    """Unit embeddings ``(n, E)`` of token rows, batched by length so that little is padded."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    out = torch.empty(len(rows), tower.shape.width)
    for at in range(0, len(order), batch):
        chosen = order[at : at + batch]
        ids, mask = pad([rows[i] for i in chosen])
        out[chosen] = tower(ids, mask)[0]
    return out


def pad(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Pad token rows with zeros, ``(n, L)`` ids and bool mask."""
    length = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(length)[None] < lengths[:, None]
