"""The three vocabularies of Zhang, Thomaz, Lu (arXiv 2504.14076, section on vocabularies) from tags with counts.

The paper made them of FSD50K's tags. What it leaves open is decided here: one cleaning for all three, the stemmer, and
words of a pair. Its merging of synonyms takes a list of them: which it used is not said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources

import torch

from zsxai.concepts.embedding import embed_words
from zsxai.concepts.words import is_function_word, misspelt, needs, plain, stem
from zsxai.errors import InputError
from zsxai.model import ZeroShotModel

SIZE, CANDIDATES = 2000, 10_000
"""The paper's: words of a vocabulary, and tags that *pruned* and *clustered* are made of."""


def clean(tags: Mapping[str, int], *, spelling: bool = True, without: Sequence[str] = ()) -> Counter[str]:
    """Tags in plain form (:func:`zsxai.concepts.words.plain`), counts of the same form added.

    Left out are

    - tags of one letter, and those with anything but letters in a word;
    - tags that begin or end with a function word, and expletives;
    - misspellings and other languages: words that an English list does not have;
    - words that the caller names, in all their forms.

    Args:
        tags: Counts of tags.
        spelling: Whether to drop misspellings; the English list lacks some names of sounds too (*vroom*).
        without: Words that no tag may hold, such as *followed* in tags taken from captions.

    Raises:
        MissingExtraError: If a package of the extra ``concepts`` is not installed.
    """
    refused = _expletives() | set(map(stem, without))
    counts: Counter[str] = Counter()
    for tag, count in tags.items():
        words = plain(tag).split()
        if not words or not all(word.replace("'", "").isalpha() for word in words) or max(map(len, words)) < 2:
            continue
        if is_function_word(words[0]) or is_function_word(words[-1]) or not refused.isdisjoint(map(stem, words)):
            continue
        counts[" ".join(words)] += count
    wrong = misspelt({word for tag in counts for word in tag.split()}) if spelling else set()
    return Counter({tag: count for tag, count in counts.items() if wrong.isdisjoint(tag.split())})


def baseline(counts: Mapping[str, int], size: int = SIZE) -> list[str]:
    """The most frequent tags.

    Args:
        counts: Clean tags (:func:`clean`).
        size: How many.

    Raises:
        InputError: If there are fewer.
    """
    return _enough(ranked(counts), size)[:size]


def pruned(
    counts: Mapping[str, int],
    size: int = SIZE,
    *,
    candidates: int = CANDIDATES,
    synonyms: Sequence[Sequence[str]] = (),
) -> list[str]:
    """The most frequent tags after those of one root are merged into the most frequent of them, counts added.

    Args:
        counts: Clean tags (:func:`clean`).
        size: How many.
        candidates: How many of the most frequent are looked at.
        synonyms: Groups of tags that are merged too.

    Raises:
        InputError: If fewer are left.
        MissingExtraError: If a package of the extra ``concepts`` is not installed.
    """
    heads = {stem(word): stem(group[0]) for group in synonyms for word in group}
    form: dict[str, str] = {}
    merged: Counter[str] = Counter()
    for tag in ranked(counts)[:candidates]:
        root = stem(tag)
        merged[form.setdefault(heads.get(root, root), tag)] += counts[tag]
    return _enough(ranked(merged), size)[:size]


def clustered(
    counts: Mapping[str, int],
    model: ZeroShotModel,
    size: int = SIZE,
    *,
    candidates: int = CANDIDATES,
    seed: int = 0,
    progress: bool | None = None,
) -> list[str]:
    """The tag nearest to each centroid of k-means over a model's text embeddings, most frequent first.

    Args:
        counts: Clean tags (:func:`clean`).
        model: Its text tower embeds the tags, bare.
        size: How many clusters.
        candidates: How many of the most frequent tags are looked at.
        seed: Seed of the first centroids.
        progress: A bar; None for one on a terminal.

    Raises:
        InputError: If there are fewer tags, or fewer different embeddings, than clusters.
        MissingExtraError: If scikit-learn is not installed.
    """
    tags = _enough(ranked(counts)[:candidates], size)
    rows = embed_words(model, tags, progress=progress)
    if len(torch.unique(rows, dim=0)) < size:
        raise InputError(f"{model.card.name} gives fewer than {size} different embeddings for {len(tags)} tags")
    fitted = needs("sklearn.cluster").KMeans(size, n_init=1, random_state=seed).fit(rows.numpy())
    off = (rows - torch.from_numpy(fitted.cluster_centers_)[fitted.labels_]).norm(dim=1)
    nearest: dict[int, int] = {}
    for at in torch.argsort(off, stable=True).tolist():
        nearest.setdefault(int(fitted.labels_[at]), at)
    return [tags[at] for at in sorted(nearest.values())]


def ranked(counts: Mapping[str, int]) -> list[str]:
    """Tags, most frequent first; those of one count by the alphabet."""
    return sorted(counts, key=lambda tag: (-counts[tag], tag))


def _enough(tags: list[str], size: int) -> list[str]:
    if not 2 <= size <= len(tags):
        raise InputError(
            f"{len(tags)} tags are left, a vocabulary of {size} cannot be made of them: choose a size from 2"
        )
    return tags


@lru_cache(maxsize=1)
def _expletives() -> frozenset[str]:
    text = (resources.files("zsxai.concepts.building") / "expletives.txt").read_text(encoding="utf-8")
    return frozenset(map(stem, text.split()))
