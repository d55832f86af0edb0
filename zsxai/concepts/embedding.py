"""Embeddings of many words by a model's text tower."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zsxai.model import ZeroShotModel
from zsxai.progress import track

BATCH = 256


def embed_words(model: ZeroShotModel, words: Sequence[str], *, progress: bool | None = None) -> Tensor:
    """Embed words bare, without a template, ``(n, D)`` float64 unit rows on the CPU.

    Args:
        model: A model.
        words: One or more.
        progress: A bar over batches of :data:`BATCH`; None for one on a terminal.
    """
    parts = range(0, len(words), BATCH)
    with torch.no_grad():
        rows = [
            model.embed_text(list(words[at : at + BATCH])).detach().cpu().double()
            for at in track(parts, len(parts), "embedding words", progress)
        ]
    return torch.nn.functional.normalize(torch.cat(rows), dim=1)
