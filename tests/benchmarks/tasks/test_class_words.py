"""The table of words and classes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from zsxai.benchmarks.tasks.words import load_class_captions, load_class_words
from zsxai.data.esc50 import ESC50
from zsxai.errors import InputError


def test_the_table_of_esc50() -> None:
    words = load_class_words()
    assert {"bark": "dog", "dog barks": "dog", "meow": "cat", "thunder": "thunderstorm"}.items() <= words.items()
    assert not {"vehicle", "water", "door", "goat"} & set(words)
    assert len(Counter(words.values())) == 50


def test_its_classes_are_those_of_the_data(esc50: Path) -> None:
    assert set(load_class_words().values()) == set(ESC50(esc50).labels)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('dog = ["bark"]\ncat = ["bark"]\n', "'bark' stands under 'dog' and 'cat'"),
        ('dog = ["bark", "barkish"]\n', "'barkish' is in none of baseline"),
        ("dog = []\n", "one word or more"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_class_words(path)


def test_every_class_has_a_caption_of_its_own() -> None:
    captions = load_class_captions()
    assert set(captions) == set(load_class_words().values())
    assert len({caption.lower() for caption in captions.values()}) == 50


def test_a_caption_is_a_sentence(tmp_path: Path) -> None:
    table = tmp_path / "mine.toml"
    table.write_text("dog = 3")
    with pytest.raises(InputError, match="takes a sentence"):
        load_class_captions(table)
