"""Tables of classes: the words that mean a class's sound, a caption for each, and wordings of sounds that none is."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from zsxai.concepts.vocabulary import VOCABULARIES, load_vocabulary
from zsxai.errors import InputError
from zsxai.toml import read_toml


def load_class_words(table: str | Path = "esc50") -> dict[str, str]:
    """Read a table of class = [words], shipped as ``tables/<name>-words.toml``.

    Args:
        table: Name of a shipped table, or the path of one.

    Returns:
        The class of every word.

    Raises:
        InputError: If there is no such table, a word stands under two classes, or is in none of the shipped
            vocabularies.
    """
    path = _find(table, "words")
    known = {word for name in VOCABULARIES for word in load_vocabulary(name).words}
    classes: dict[str, str] = {}
    for label, words in read_toml(path).items():
        if not isinstance(words, list) or not words:
            raise InputError(f"{path.name}: {label} = [...] takes one word or more")
        for word in words:
            if word in classes:
                raise InputError(
                    f"{path.name}: {word!r} stands under {classes[word]!r} and {label!r}: one class a word"
                )
            if word not in known:
                raise InputError(f"{path.name}: {word!r} is in none of {', '.join(VOCABULARIES)}")
            classes[word] = label
    return classes


def load_class_captions(table: str | Path = "esc50") -> dict[str, str]:
    """Read a table of class = caption, shipped as ``tables/<name>-captions.toml``.

    Args:
        table: Name of a shipped table, or the path of one.

    Raises:
        InputError: If there is no such table, or a caption is no text.
    """
    path = _find(table, "captions")
    captions = read_toml(path)
    for label, caption in captions.items():
        if not isinstance(caption, str) or not caption.strip():
            raise InputError(f"{path.name}: {label} = '...' takes a sentence")
    return captions


def load_outside(table: str | Path = "esc50") -> list[str]:
    """Read a table of kind = [wordings of sounds that no class is], shipped as ``tables/<name>-outside.toml``.

    Args:
        table: Name of a shipped table, or the path of one.

    Raises:
        InputError: If there is no such table, or a wording is no text or comes twice.
    """
    path = _find(table, "outside")
    found: list[str] = []
    for kind, wordings in read_toml(path).items():
        if not isinstance(wordings, list) or not all(isinstance(w, str) and w.strip() for w in wordings):
            raise InputError(f"{path.name}: {kind} = [...] takes wordings")
        found += wordings
    if twice := [wording for wording in found if found.count(wording) > 1]:
        raise InputError(f"{path.name}: {twice[0]!r} comes twice")
    return found


def _find(table: str | Path, kind: str) -> Path:
    shipped = Path(str(resources.files("zsxai.benchmarks") / "tables" / f"{table}-{kind}.toml"))
    return shipped if isinstance(table, str) and shipped.is_file() else Path(table)
