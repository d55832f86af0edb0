"""Near-synonyms under their strongest word: *dog*, *barking* and *dog barks* are one thing that was heard."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

GROUPED = 0.3
"""Text cosine with a group's first word from which on a word joins it (less what the vocabulary has in common)."""


def group_words(order: Iterable[int], kinship: Tensor, bound: float = GROUPED) -> list[list[int]]:
    """Group words, strongest first.

    A word joins the first group whose strongest word is as near as ``bound``, or else begins one.

    Args:
        order: Numbers of the words, strongest first.
        kinship: ``(n, n)`` text cosines (:attr:`~zsxai.concepts.dictionary.Dictionary.kinship`).
        bound: Cosine.

    Returns:
        Groups in the order of their strongest words, the strongest word first in each.
    """
    words = list(order)
    cosines = kinship[words][:, words].tolist()
    groups: list[list[int]] = []
    for at in range(len(words)):
        near = next((group for group in groups if cosines[at][group[0]] >= bound), None)
        if near is None:
            groups.append([at])
        else:
            near.append(at)
    return [[words[at] for at in group] for group in groups]
