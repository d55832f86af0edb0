"""A vocabulary as a model hears it: one direction per word, into which embeddings are decomposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zsxai.checks import whole_number
from zsxai.concepts.centring import Centring, find_centring
from zsxai.concepts.embedding import embed_words
from zsxai.concepts.solver import Solution, Solver
from zsxai.concepts.vocabulary import Vocabulary, load_vocabulary
from zsxai.errors import InputError
from zsxai.model import ZeroShotModel
from zsxai.prompt import Template, find_template

ONE = 1 - 1e-6
"""Cosine from which on two words are one to a model: the first of them stands for both."""
MOST_WORDS = 20_000
"""Of a dictionary, whose memory grows with the square: some 5 GB at so many."""


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Words and their directions.

    Attributes:
        vocabulary: As it was given.
        words: ``n`` words with a direction of their own, in the order of the vocabulary.
        same: Words that the model cannot distinguish from another, and that other one.
        text: ``(n, D)`` float64 embeddings of the words, unit rows.
        mean: ``(D,)`` their mean.
        atoms: ``(n, D)`` unit rows: the words as they are centred, ``(n, r)`` on shared axes.
        centring: What was taken off.
        model: Name of the model.
        weights_sha256: Hash of its weights; None where it gives none.
        template: Around every word, if any.
    """

    vocabulary: Vocabulary
    words: tuple[str, ...]
    same: dict[str, str]
    text: Tensor
    mean: Tensor
    atoms: Tensor
    centring: Centring
    model: str
    weights_sha256: str | None
    template: Template

    @cached_property
    def solver(self) -> Solver:
        """What decomposes into :attr:`atoms`."""
        return Solver(self.atoms)

    @cached_property
    def kinship(self) -> Tensor:
        """Text cosines of all words, ``(n, n)``, without what the vocabulary has in common: how near in meaning."""
        meanings = torch.nn.functional.normalize(self.text - self.mean, dim=1)
        return meanings @ meanings.T

    def code_audio(self, embeddings: Tensor) -> Tensor:
        """Embeddings of recordings ``(B, D)`` in the space of :attr:`atoms`, unit rows."""
        return self.centring.audio(embeddings)

    def code_text(self, embeddings: Tensor) -> Tensor:
        """Embeddings of texts ``(B, D)`` in the space of :attr:`atoms`, unit rows."""
        return self.centring.text(embeddings, self.mean)

    def decompose(self, codes: Tensor, penalty: float | Tensor | None = None, k: int | None = None) -> Solution:
        """Decompose codes ``(B, ...)``, with one penalty or into at most ``k`` words each.

        Raises:
            InputError: If both are given or none, or a value is wrong.
        """
        if (penalty is None) == (k is None):
            raise InputError("say either how many concepts (k) or the penalty (lam)")
        if penalty is not None:
            return self.solver.decompose(codes, penalty)
        return self.solver.decompose_to_count(codes, min(whole_number(k, "k", 1), len(self.words)))

    def mix(self, weights: Tensor) -> Tensor:
        """Weights ``(B, n)`` as codes, unit rows; all 0 where there are no words."""
        return torch.nn.functional.normalize(weights @ self.atoms, dim=1)

    def reconstruct(self, weights: Tensor) -> Tensor:
        """Weights ``(B, n)`` as embeddings of recordings ``(B, D)`` in the model's own space, unit rows."""
        return self.centring.restore(self.mix(weights))


def build_dictionary(
    model: ZeroShotModel,
    vocabulary: str | Sequence[str] | Vocabulary = "clustered",
    centring: object = "auto",
    *,
    template: object = None,
    progress: bool | None = None,
) -> Dictionary:
    """Embed a vocabulary.

    Args:
        model: A loaded model.
        vocabulary: As :func:`~zsxai.concepts.vocabulary.load_vocabulary` takes it.
        centring: As :func:`~zsxai.concepts.centring.find_centring` takes it.
        template: Around every word, as :func:`zsxai.explain` takes it; words go in bare where None.
        progress: A bar; None shows one on a terminal.

    Raises:
        InputError: If the vocabulary, the centring or the template does not fit the model, or its text tower refuses a
            word.
    """
    words, around = load_vocabulary(vocabulary), find_template(template, model)
    if len(words) > MOST_WORDS:
        raise InputError(f"{words.name!r} has {len(words):,} words: {MOST_WORDS:,} at most, all are compared with all")
    means = find_centring(centring, model)
    text = embed_words(model, words.words, around, progress=progress)
    means.check_width(text.shape[1], model)
    first = _first_of_its_kind(text)
    kept = [i for i, at in enumerate(first) if i == at]
    if len(kept) < 2:
        raise InputError(f"{model.card.name} gives all {len(words)} words of {words.name!r} one embedding")
    same = {words.words[i]: words.words[at] for i, at in enumerate(first) if i != at}
    rows = text[kept]
    mean = rows.mean(dim=0)
    names = tuple(words.words[i] for i in kept)
    return Dictionary(
        words,
        names,
        same,
        rows,
        mean,
        means.text(rows, mean),
        means,
        model.card.name,
        model.card.weights_sha256,
        around,
    )


def _first_of_its_kind(rows: Tensor) -> list[int]:
    """For every row the first one with the same direction: itself for most."""
    alike = rows @ rows.T >= ONE
    order = torch.arange(len(rows))
    first = torch.where(alike, order, len(rows)).amin(dim=1).minimum(order).tolist()
    return [first[at] for at in first]
