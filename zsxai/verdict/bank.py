"""A fixed bank of everyday sounds: how strongly a recording resembles what it was not asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.concepts.embedding import embed_words
from zsxai.concepts.vocabulary import Vocabulary, load_vocabulary
from zsxai.errors import ZsxaiError
from zsxai.files import whole_file
from zsxai.model import ZeroShotModel
from zsxai.precision import dtype_name
from zsxai.verdict.cache import cache_folder

SYNONYM = 3.0
"""A word of the bank is left out for a prompt where its text cosine with it lies so many standard deviations above the
mean of all words: relative, because the texts of some models all lie close together."""

_MADE: WeakKeyDictionary[ZeroShotModel, dict[tuple[str, ...], NDArray[Any]]] = WeakKeyDictionary()


class Strongest(NamedTuple):
    """The sound of the bank that a recording resembles most, its near-synonyms with the prompt left out.

    Attributes:
        word: Its name.
        cosine: Cosine of the recording and the word.
        spread: Standard deviation of the recording's cosines with the bank.
        middling: The name of the sound of median cosine: neither like the recording nor unlike it.
    """

    word: str
    cosine: float
    spread: float
    middling: str


@dataclass(frozen=True, eq=False)
class Bank:
    """Everyday sounds before one model.

    Attributes:
        words: n names.
        rows: ``(n, D)`` float32 unit rows.
    """

    words: tuple[str, ...]
    rows: NDArray[Any]

    def others(self, prompt: NDArray[Any]) -> NDArray[Any]:
        """Which words are no near-synonyms of a prompt ``(D,)``: ``(n,)`` bool."""
        cosines = self.rows @ prompt
        apart: NDArray[Any] = cosines < cosines.mean() + SYNONYM * cosines.std()
        return apart

    def strongest(self, recordings: NDArray[Any], prompt: NDArray[Any]) -> list[Strongest]:
        """What each recording resembles most of what it was not asked for.

        Args:
            recordings: ``(W, D)`` unit rows.
            prompt: ``(D,)`` unit row.
        """
        others = self.others(prompt)
        cosines = (recordings @ self.rows.T)[:, others]
        names = np.array(self.words)[others]
        order = cosines.argsort(axis=1)
        best, middling = names[order[:, -1]], names[order[:, len(names) // 2]]
        found = zip(best, cosines.max(axis=1), cosines.std(axis=1), middling, strict=True)
        return [Strongest(str(word), float(most), float(spread), str(other)) for word, most, spread, other in found]


def everyday() -> tuple[str, ...]:
    """The names of the bank's sounds: those of AudioSet's ontology."""
    return _audioset().words


def hash_bank() -> str:
    """Hash of the bank's words."""
    return _audioset().sha256


@lru_cache(maxsize=1)
def _audioset() -> Vocabulary:
    return load_vocabulary("audioset")


def bank_of(model: ZeroShotModel, *, progress: bool | None = None) -> Bank:
    """The bank before a model, embedded once: kept in the process, and in the user's cache by the hash of the weights.

    Args:
        model: The model.
        progress: A bar where the words are to be embedded; None for one on a terminal.
    """
    words = everyday()
    return Bank(words, embed_once(model, words, progress=progress))


def embed_once(model: ZeroShotModel, words: Sequence[str], *, progress: bool | None = None) -> NDArray[Any]:
    """Embed words, or take them from the cache: ``(n, D)`` float32 unit rows.

    Args:
        model: The model.
        words: n words.
        progress: A bar where they are to be embedded; None for one on a terminal.
    """
    words, kept = tuple(words), {}
    with suppress(TypeError):  # a model may be one that no dictionary takes
        kept = _MADE.setdefault(model, {})
    if words not in kept:
        first = embed_words(model, words[:1], progress=False)[0].float().numpy()
        file = _file(model, words, len(first))
        rows = _read(file, (len(words), len(first)))
        # A model that says its hash wrongly gives other rows: one word shows it.
        if rows is None or not np.allclose(rows[0], first, atol=1e-3):
            rows = embed_words(model, words, progress=progress).float().numpy()
            _write(file, rows)
        kept[words] = rows
    return kept[words]


def _file(model: ZeroShotModel, words: tuple[str, ...], size: int) -> Path | None:
    # Without a hash of its weights nobody knows whether it is the same model.
    folder, weights = cache_folder(), model.card.weights_sha256
    if folder is None or weights is None:
        return None
    coarse = [] if dtype_name(model) in (None, "float32") else [str(dtype_name(model))]
    asked = hashlib.sha256("\n".join((weights, *coarse, str(size), *words)).encode()).hexdigest()
    return folder / "embeddings" / f"{asked}.safetensors"


def _read(file: Path | None, shape: tuple[int, int]) -> NDArray[Any] | None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if file is None or not file.is_file():
        return None
    try:
        rows: Tensor = load_file(file)["rows"]
    except (OSError, KeyError, ValueError, SafetensorError):
        return None  # damaged: made anew
    sound = tuple(rows.shape) == shape and rows.dtype == torch.float32 and bool(rows.isfinite().all())
    return rows.numpy() if sound else None


def _write(file: Path | None, rows: NDArray[Any]) -> None:
    from safetensors.numpy import save

    if file is None:
        return
    # A cache that cannot be written costs time and nothing else.
    with suppress(ZsxaiError, OSError), whole_file(file) as draft:
        draft.write_bytes(save({"rows": np.ascontiguousarray(rows)}))
