"""What a word is to a vocabulary: its plain form, its stem, whether it says anything by itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module
from typing import Any

from zsxai.errors import MissingExtraError

CONTENT = frozenset(
    {"bill", "call", "cry", "describe", "empty", "fill", "fire", "mill", "move", "system", "thick", "thin"}
)
"""On scikit-learn's list of stop words, and yet words for sounds and things."""
GRAMMAR = frozenset({"did", "does", "doing", "don", "having", "just", "let", "lets"})
"""Function words that scikit-learn's list lacks."""

_POSSESSIVE = re.compile(r"['\u2019]s?(?= |$)")
_JOINTS = re.compile(r"[\s_\-]+")


def plain(tag: str) -> str:
    """A tag in lower case, one blank between its words, without possessive endings: ``Dog's-bark`` is ``dog bark``."""
    joined = _JOINTS.sub(" ", unicodedata.normalize("NFKC", tag).lower()).strip()
    return _POSSESSIVE.sub("", joined)


def stem(phrase: str) -> str:
    """The stems of a phrase's words by Porter's English stemmer (Snowball): ``dogs barking`` is ``dog bark``.

    Raises:
        MissingExtraError: If snowballstemmer is not installed.
    """
    return " ".join(_stemmer().stemWords(plain(phrase).split()))


def content_stems(phrase: str) -> frozenset[str]:
    """Stems of a phrase's words other than function words; of all its words where it has no others.

    Raises:
        MissingExtraError: If a package of the extra ``concepts`` is not installed.
    """
    words = plain(phrase).split()
    telling = [word for word in words if not is_function_word(word)]
    return frozenset(map(stem, telling or words))


def is_function_word(word: str) -> bool:
    """Whether a word says nothing by itself, such as *the* and *of*: scikit-learn's list, put right for sounds.

    Raises:
        MissingExtraError: If scikit-learn is not installed.
    """
    return word in _function_words()


def misspelt(words: Iterable[str]) -> set[str]:
    """Those that an English word list (pyspellchecker) does not have.

    Raises:
        MissingExtraError: If pyspellchecker is not installed.
    """
    found: set[str] = _spelling().unknown(list(words))
    return found


def needs(module: str) -> Any:
    """A module of the extra ``concepts``.

    Raises:
        MissingExtraError: If its package is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = {"sklearn": "scikit-learn", "spellchecker": "pyspellchecker"}.get(str(error.name), str(error.name))
        raise MissingExtraError(f"vocabularies need the package {package!r}: pip install 'zsxai[concepts]'") from error


@lru_cache(maxsize=1)
def _function_words() -> frozenset[str]:
    listed: frozenset[str] = needs("sklearn.feature_extraction.text").ENGLISH_STOP_WORDS
    return (listed | GRAMMAR) - CONTENT


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    make: Callable[[str], Any] = needs("snowballstemmer").stemmer
    return make("english")


@lru_cache(maxsize=1)
def _spelling() -> Any:
    return needs("spellchecker").SpellChecker(language="en")
