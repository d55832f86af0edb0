"""WordPiece as BERT (uncased) does it, in plain Python."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from zsxai.errors import InputError

_LONGEST_WORD = 100
"""Characters; BERT maps longer words to [UNK]."""
_CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """Text to token ids.

    Args:
        vocabulary: Tokens by id; must hold [PAD], [UNK], [CLS] and [SEP].
        limit: Most tokens of a prompt, with [CLS] and [SEP].
    """

    def __init__(self, vocabulary: Sequence[str], limit: int) -> None:
        self.ids = {token: i for i, token in enumerate(vocabulary)}
        self.limit = limit
        try:
            self.pad, self.unknown, self.start, self.end = (self.ids[t] for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]"))
        except KeyError as error:
            raise InputError(f"the vocabulary lacks {error.args[0]}") from None

    @classmethod
    def from_file(cls, path: Path, limit: int) -> WordPiece:
        """Read a vocabulary file, one token a line."""
        return cls(path.read_text(encoding="utf-8").rstrip("\n").split("\n"), limit)

    def tokenize(self, text: str) -> list[int]:
        """Ids of one text, [CLS] and [SEP] included, of any length."""
        pieces = [i for word in split_words(text) for i in self._pieces(word)]
        return [self.start, *pieces, self.end]

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Encode texts.

        Returns:
            Ids ``(P, L)`` int64 padded on the right, and their mask ``(P, L)`` bool, True on real tokens.

        Raises:
            InputError: If a text has more tokens than the tower takes.
        """
        rows = [self.tokenize(text) for text in texts]
        for text, row in zip(texts, rows, strict=True):
            if len(row) > self.limit:
                raise InputError(
                    f"the prompt {text[:40]!r}... has {len(row) - 2} tokens; "
                    f"the text tower of tiny takes at most {self.limit - 2}"
                )
        length = max((len(row) for row in rows), default=2)
        ids = torch.full((len(rows), length), self.pad, dtype=torch.int64)
        mask = torch.zeros((len(rows), length), dtype=torch.bool)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = True
        return ids, mask

    def _pieces(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self.unknown]
        pieces: list[int] = []
        at = 0
        while at < len(word):
            for end in range(len(word), at, -1):
                piece = self.ids.get(("##" if at else "") + word[at:end])
                if piece is not None:
                    break
            else:
                return [self.unknown]
            pieces.append(piece)
            at = end
        return pieces


def split_words(text: str) -> list[str]:
    """Lower-case words and single punctuation marks, accents stripped."""
    cleaned = "".join(_clean(c) for c in text)
    stripped = (c for c in unicodedata.normalize("NFD", cleaned.lower()) if unicodedata.category(c) != "Mn")
    return "".join(f" {c} " if _is_mark(c) else c for c in stripped).split()


def _clean(char: str) -> str:
    if char in "\t\n\r":
        return " "
    category = unicodedata.category(char)
    if char in "\0\ufffd" or category in ("Cc", "Cf", "Cn", "Co"):
        return ""
    if category == "Zs":
        return " "
    code = ord(char)
    return f" {char} " if any(low <= code <= high for low, high in _CJK) else char


@lru_cache(maxsize=4096)
def _is_mark(char: str) -> bool:
    # BERT takes every ASCII symbol as punctuation, "$" and "^" too.
    return (char.isascii() and not char.isalnum() and not char.isspace()) or unicodedata.category(char)[0] == "P"
