"""Dictionaries with known answers."""

from __future__ import annotations

import torch
from torch import Tensor

from zsxai.concepts.centring import NONE
from zsxai.concepts.dictionary import Dictionary
from zsxai.concepts.vocabulary import load_vocabulary


def dictionary(rows: dict[str, list[float]], same: dict[str, str] | None = None) -> Dictionary:
    """Words in given directions, without a model."""
    text = torch.nn.functional.normalize(torch.tensor(list(rows.values()), dtype=torch.float64), dim=1)
    words = load_vocabulary([*rows, *(same or {})])
    return Dictionary(words, tuple(rows), same or {}, text, text.mean(dim=0), text, NONE, "made up", None, None)


def weights(*rows: list[float]) -> Tensor:
    """Weights, ``(B, n)``."""
    return torch.tensor(rows, dtype=torch.float64)


ANIMALS = dictionary(
    {"dog": [1, 0, 0, 0], "barks": [1, 0.3, 0, 0], "rain": [0, 0, 1, 0], "wind": [0, 0, 0, 1]}, {"hound": "dog"}
)
"""*dog* and *barks* are near-synonyms, *hound* and *dog* one word; *rain* and *wind* have a direction of their own."""
