"""Vocabularies: the words that an embedding is written in, with a card of where they come from."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError, field_validator

from zsxai.concepts.words import content_stems
from zsxai.errors import InputError, first_problem, unknown
from zsxai.files import as_path, write_text
from zsxai.names import printable
from zsxai.value import Value

VOCABULARIES = ("baseline", "pruned", "clustered", "audioset")
"""Those that come with zsxai."""


class Vocabulary(Value):
    """Words with their card.

    Attributes:
        name: What the vocabulary is called.
        words: Two or more different words or phrases, most frequent first where counts are known.
        source: What the words were taken from.
        licence: SPDX expression of the list, or ``unknown``.
        construction: How the list was made: options, seed, and the hash of what it was made from.
    """

    name: str
    words: tuple[str, ...]
    source: str = "unknown"
    licence: str = "unknown"
    construction: str = "as given"

    @field_validator("words")
    @classmethod
    def _distinct(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if len(words) < 2:
            raise ValueError(f"a vocabulary has two words or more, not {len(words) or 'none'}")
        if any(not word.strip() for word in words):
            raise ValueError(f"word {next(n for n, w in enumerate(words, 1) if not w.strip())} is blank: leave it out")
        if odd := [word for word in words if not _is_line(word)]:
            raise ValueError(f"{printable(odd[0])!r} is not one line of text in UTF-8")
        twice = [word for word, times in Counter(words).items() if times > 1]
        if twice:
            more = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
            raise ValueError(f"{twice[0]!r}{more} comes more than once: every word has one weight")
        return words

    def __len__(self) -> int:
        return len(self.words)

    @property
    def sha256(self) -> str:
        """Hash of the words, in UTF-8 with a line feed between two."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()

    def save(self, path: str | Path) -> Path:
        """Write card and words as one JSON file, which :func:`load_vocabulary` reads; returns the path.

        Raises:
            InputError: If it cannot be written.
        """
        fields = self.model_dump()
        words = fields.pop("words")
        record = {**fields, "sha256": self.sha256, "words": words}
        return write_text(as_path(path), json.dumps(record, indent=1, ensure_ascii=False) + "\n")

    def without(self, labels: Sequence[str], *, synonyms: Sequence[str] = ()) -> Self:
        """Leave labels out, so that naming one is no look-up.

        A word goes where it shares the stem of a content word with a label: *dog* takes *dogs* and *dog barking* along,
        and *sea waves* takes *wave*. It also goes where it holds all of a synonym: *small dog* takes *two small dogs*,
        and leaves *small* alone. Irregular forms (*geese*) have another stem: list them.

        Args:
            labels: What the words are to be tested on, such as class names.
            synonyms: Further words that mean a label.

        Raises:
            InputError: If fewer than two words are left, or there is no label.
            MissingExtraError: If a package of the extra ``concepts`` is not installed.
        """
        labels, synonyms = as_words(labels, "labels"), as_words(synonyms, "synonyms")
        if not labels:
            raise InputError("there are no labels to leave out: name one or more")
        told = frozenset[str]().union(*map(content_stems, labels))
        meant = list(map(content_stems, synonyms))
        stems = {word: content_stems(word) for word in self.words}
        kept = [word for word, own in stems.items() if not told & own and not any(one <= own for one in meant)]
        also = f" and {len(synonyms)} synonyms" if synonyms else ""
        return self.keep(kept, f"words that share a stem with a label ({', '.join(labels)}){also}")

    def keep(self, kept: Iterable[str], left_out: str) -> Self:
        """A vocabulary of some of the words, in their order, which says what was left out.

        Args:
            kept: Those to keep.
            left_out: What the others are.

        Raises:
            InputError: If fewer than two are left.
        """
        chosen = set(kept)
        words = tuple(word for word in self.words if word in chosen)
        if len(words) < 2:
            count = "1 word" if words else "no word"
            raise InputError(f"{self.name} has {count} left without {left_out}: two are needed")
        lost = f"without {len(self) - len(words)} {left_out}"
        return self.model_copy(update={"words": words, "construction": f"{self.construction}; {lost}"})


def load_vocabulary(given: str | os.PathLike[str] | Sequence[str] | Vocabulary) -> Vocabulary:
    """A vocabulary by its name, from a file, or from words.

    Args:
        given: One of :data:`VOCABULARIES`; the path of a file that :meth:`Vocabulary.save` wrote (``.json``), or of a
            plain one with a word a line; a list of words; or a vocabulary, which comes back as it is.

    Raises:
        InputError: If there is no such vocabulary, its words have changed since it was saved, or they are fewer than
            two, blank or not different from each other.
    """
    if isinstance(given, Vocabulary):
        return given
    if isinstance(given, str) and given in VOCABULARIES:
        return _read_card(Path(str(resources.files("zsxai.concepts") / "vocabularies" / f"{given}.json")))
    if isinstance(given, (str, os.PathLike)):
        path = as_path(given)
        if not path.is_file():
            if isinstance(given, str) and not path.suffix:
                raise InputError(unknown("vocabulary", given, VOCABULARIES))
            raise InputError(f"no vocabulary at {printable(path)}: no such file")
        return _read_card(path) if path.suffix.lower() == ".json" else _read_list(path)
    return make_vocabulary(name="given", words=as_words(given, "words"))


def make_vocabulary(**fields: Any) -> Vocabulary:
    """A vocabulary of its fields.

    Raises:
        InputError: If a field does not fit; one line.
    """
    try:
        return Vocabulary(**fields)
    except ValidationError as error:
        problem = first_problem(error, Vocabulary.model_fields).removeprefix("words: ")
        raise InputError(f"vocabulary {fields.get('name')!r}: {problem}") from error


def as_words(given: object, what: str) -> tuple[str, ...]:
    """Several texts as a tuple; one text by itself is refused, whose letters would be taken for words.

    Raises:
        InputError: If it is none of texts.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InputError(f"{what} are a list of texts, not {given!r}")
    texts = tuple(given)
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise InputError(f"{what} are texts, not {wrong[0]!r}")
    return texts


def _is_line(word: str) -> bool:
    """Whether a word is one line that UTF-8 can write: others would be read back, and hashed, as something else."""
    return word.splitlines() == [word] and not any("\ud800" <= letter <= "\udfff" for letter in word)


def _read_card(path: Path) -> Vocabulary:
    try:
        record = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{printable(path)} is no JSON: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("words"), list):
        raise InputError(f"{printable(path)} holds no card with words; a plain list has another ending, such as .txt")
    sha256 = record.pop("sha256", None)
    found = make_vocabulary(**{"name": path.stem, **record})
    if sha256 not in (None, found.sha256):
        raise InputError(
            f"{printable(path)}: the words are not those of its sha256; take that line out if you meant it"
        )
    return found


def _read_list(path: Path) -> Vocabulary:
    lines = (line.strip() for line in _read(path).splitlines())
    return make_vocabulary(name=path.stem, words=tuple(filter(None, lines)), source=path.name)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{printable(path)} is no text in UTF-8: save it as such") from error
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {error}") from error
