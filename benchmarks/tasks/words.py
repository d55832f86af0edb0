"""Tables of words and classes: which concept means which class's sound."""

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
    shipped = Path(str(resources.files("zsxai.benchmarks") / "tables" / f"{table}-words.toml"))
    path = shipped if isinstance(table, str) and shipped.is_file() else Path(table)
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
