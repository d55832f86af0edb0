"""Embeddings of many words by a model's text tower."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zsxai.errors import InputError
from zsxai.model import ZeroShotModel
from zsxai.names import printable
from zsxai.progress import track
from zsxai.prompt import Template, embed_prompts

BATCH = 256
"""Words at once."""


def embed_words(
    model: ZeroShotModel, words: Sequence[str], template: Template = None, *, progress: bool | None = None
) -> Tensor:
    """Embed words, ``(n, D)`` float64 unit rows on the CPU.

    Args:
        model: A model.
        words: One or more.
        template: Around every word (:func:`zsxai.prompt.find_template`); bare words where None.
        progress: A bar over batches of :data:`BATCH`; None for one on a terminal.

    Raises:
        InputError: If the text tower refuses a word, which is named.
    """
    order = sorted(range(len(words)), key=lambda i: len(words[i]))  # short words with short ones: little is padded
    parts = [[words[i] for i in order[at : at + BATCH]] for at in range(0, len(order), BATCH)]
    with torch.no_grad():
        rows = [_embed(model, part, template) for part in track(parts, len(parts), "embedding words", progress)]
    embedded = torch.nn.functional.normalize(torch.cat(rows), dim=1)
    return torch.empty_like(embedded).index_copy_(0, torch.tensor(order), embedded)


def _embed(model: ZeroShotModel, words: Sequence[str], template: Template) -> Tensor:
    try:
        return embed_prompts(model, words, template).embedding.detach().cpu().double()
    except InputError as error:
        if len(words) == 1:
            raise InputError(f"{model.card.name} refuses the word {printable(words[0])!r}: {error}") from error
        for word in words:  # which one is it?
            _embed(model, [word], template)
        raise
