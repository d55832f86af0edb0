"""The captions of a data set, as one model reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from zsxai.conditions import evaluating
from zsxai.errors import InputError
from zsxai.model import SpectralModel, TextEncoding

FEWEST_GROUPS = 3
"""Classes or captioned clips: one heard, one it is mixed with, one that is foreign to both."""
CACHE_BYTES = 2 * 2**30
"""Token states kept in memory."""
_EMBED = 64


class Captions:
    """Captions in groups that mean the same. Those that are longer than the model reads are left out.

    Args:
        model: Reads them.
        wording: The captions of every group, by its key.

    Attributes:
        texts: The captions, group by group.
        embedding: ``(C, D)`` of them.
        keys: Keys of the groups that have any.
        group: ``(C,)`` number of each caption's group.
        by_group: Numbers of the captions of each group.
        too_long: Number of captions left out.

    Raises:
        InputError: If there are fewer than three groups: nothing is left to be foreign.
    """

    def __init__(self, model: SpectralModel, wording: Mapping[str, Sequence[str]]) -> None:
        self.model = model
        embedded = self._embed(list(dict.fromkeys(text for texts in wording.values() for text in texts)))
        self.too_long = sum(text not in embedded for texts in wording.values() for text in texts)
        readable = {key: [t for t in texts if t in embedded] for key, texts in wording.items()}
        self.keys = [key for key, texts in readable.items() if texts]
        if embedded == {} and wording:
            raise InputError(f"all {self.too_long} captions are too long for {model.card.name}: shorten them")
        count = len(self.keys)
        if count < FEWEST_GROUPS:
            raise InputError(f"the data hold {count} classes or captioned clips: training takes three or more")
        self.texts = [text for key in self.keys for text in readable[key]]
        self.group = np.repeat(np.arange(count), [len(readable[key]) for key in self.keys])
        self.by_group = [np.flatnonzero(self.group == group).tolist() for group in range(count)]
        self.embedding = torch.stack([embedded[text] for text in self.texts])

    def _embed(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Embeddings of the texts that the model can read."""
        embedded: dict[str, Tensor] = {}
        with evaluating(self.model), torch.no_grad():
            for at in range(0, len(texts), _EMBED):
                part = texts[at : at + _EMBED]
                try:
                    embedded.update(zip(part, self.model.embed_text(part), strict=True))
                except InputError:  # one of them is too long
                    for text in part:
                        with suppress(InputError):
                            embedded[text] = self.model.embed_text([text])[0]
        return embedded

    def encode(self, captions: Tensor) -> TextEncoding:
        """Captions ``(n,)`` with their token states, which are kept where those of all captions fit into memory."""
        if self._encoded is not None:
            return self._encoded.rows(captions)
        different, at = torch.unique(captions, return_inverse=True)
        with torch.no_grad():
            return self.model.encode_text([self.texts[i] for i in different.tolist()]).rows(at.to(self.model.device))

    @cached_property
    def _encoded(self) -> TextEncoding | None:
        with evaluating(self.model), torch.no_grad():
            longest = self.model.encode_text([max(self.texts, key=len)])
            if longest.tokens is not None and longest.tokens.numel() * 4 * len(self.texts) > CACHE_BYTES:
                return None
            parts = [self.texts[at : at + _EMBED] for at in range(0, len(self.texts), _EMBED)]
            return TextEncoding.join([self.model.encode_text(part) for part in parts])

    def same(self, captions: Tensor, others: Tensor, above: float) -> Tensor:
        """Which captions mean the same: those of one group, and those whose cosine is ``above`` or more.

        Args:
            captions: ``(n,)``; -1 stands for none.
            others: ``(K,)``.
            above: Cosine.

        Returns:
            ``(n, K)`` bool.
        """
        group = torch.from_numpy(self.group)
        alike = self.embedding[captions] @ self.embedding[others].T >= above
        return (group[captions][:, None] == group[others][None]).to(alike.device) | alike
