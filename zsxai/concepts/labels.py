"""Label-free vocabularies: also without words that a model hears as a label."""

from __future__ import annotations

from collections.abc import Sequence

from zsxai.concepts.embedding import embed_words
from zsxai.concepts.vocabulary import Vocabulary, as_words
from zsxai.errors import InputError
from zsxai.model import ZeroShotModel


def label_free(
    vocabulary: Vocabulary,
    labels: Sequence[str],
    model: ZeroShotModel,
    *,
    bound: float,
    synonyms: Sequence[str] = (),
    progress: bool | None = None,
) -> Vocabulary:
    """Leave out labels, their forms, synonyms (:meth:`Vocabulary.without`), and what a model takes for a label.

    Args:
        vocabulary: Words.
        labels: What the words are to be tested on, such as class names.
        model: Its text embeddings say what is near; words and labels go in bare.
        bound: Cosine with a label or synonym from which on a word is left out, in (-1, 1].
        synonyms: Further words that mean a label.
        progress: A bar; None for one on a terminal.

    Raises:
        InputError: If the bound lies outside, there is no label, or fewer than two words are left.
        MissingExtraError: If a package of the extra ``concepts`` is not installed.
    """
    if not -1 < bound <= 1:
        raise InputError(f"the bound is a cosine above -1 and up to 1, not {bound}")
    far = vocabulary.without(labels, synonyms=synonyms)
    meant = embed_words(model, (*as_words(labels, "labels"), *synonyms), progress=progress)
    nearest = (embed_words(model, far.words, progress=progress) @ meant.T).amax(dim=1)
    kept = [word for word, cosine in zip(far.words, nearest.tolist(), strict=True) if cosine < bound]
    return far.keep(kept, f"words with a text cosine of {bound:g} or more to one of these, by {model.card.name}")
