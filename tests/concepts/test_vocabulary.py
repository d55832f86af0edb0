"""Vocabularies by name, from files and from words; labels left out of them."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
import torch

from zsxai.concepts.labels import label_free
from zsxai.concepts.vocabulary import VOCABULARIES, Vocabulary, load_vocabulary
from zsxai.concepts.words import content_stems, is_function_word, plain, stem
from zsxai.errors import InputError, MissingExtraError
from zsxai.plugins import load_model


@pytest.mark.parametrize("name", VOCABULARIES)
def test_a_shipped_vocabulary_is_what_its_card_says(name: str) -> None:
    found = load_vocabulary(name)
    assert found.name == name
    assert len(set(found.words)) == len(found) == (698 if name == "audioset" else 2000)
    assert found.licence == ("CC-BY-SA-4.0" if name == "audioset" else "MIT")
    assert f"zsxai vocabulary {'ontology' if name == 'audioset' else name}" in found.construction
    assert not [word for word in found.words if is_function_word(word) or word != word.lower().strip()]
    if name != "audioset":  # whose names stand as they are: "a capella"
        assert not [w for w in found.words if is_function_word(w.split()[0]) or is_function_word(w.split()[-1])]


def test_the_hash_is_of_the_words() -> None:
    found = load_vocabulary(["dog", "caf\xe9"])
    assert found.sha256 == hashlib.sha256("dog\ncaf\xe9".encode()).hexdigest()


def test_a_vocabulary_is_saved_and_read_again(tmp_path: Path) -> None:
    mine = Vocabulary(name="mine", words=("dog", "rain"), source="me", licence="CC0-1.0", construction="by hand")
    path = mine.save(tmp_path / "mine.json")
    assert load_vocabulary(path) == mine
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, "words": ["dog", "snow"]}), encoding="utf-8")
    with pytest.raises(InputError, match="not those of its sha256"):
        load_vocabulary(path)


def test_a_plain_list_has_a_word_a_line(tmp_path: Path) -> None:
    path = tmp_path / "theirs.txt"
    path.write_text("dog\n\n church bells \n", encoding="utf-8")
    found = load_vocabulary(str(path))
    assert (found.name, found.words, found.licence) == ("theirs", ("dog", "church bells"), "unknown")
    assert load_vocabulary(found) is found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "two words or more, not none"),
        (["dog"], "two words or more, not 1"),
        (["dog", "cat", "dog"], "'dog' comes more than once"),
        (["dog", " "], "word 2 is blank"),
        (["dog", "rain\nwind"], "'rain.*nwind' is not one line"),
        (["dog", "\ud800"], "ud800' is not one line of text in UTF-8"),
        (["dog", 3], "words are texts, not 3"),
        (7, "words are a list of texts, not 7"),
        ("audio-set", "did you mean 'audioset'"),
        ("nowhere.json", "no vocabulary at nowhere.json"),
    ],
)
def test_bad_vocabularies_are_refused(given: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_vocabulary(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no card with words"),
        ('{"words": ["a", "b"], "colour": 1}', "unknown option 'colour'"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_vocabulary(path)


def test_a_list_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "theirs.txt"
    path.write_bytes("dog\nbébé\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"theirs.txt is no text in UTF-8: save it as such"):
        load_vocabulary(path)


def test_words_in_plain_form_and_stems() -> None:
    assert plain("  The_Dog\u2019s-Bark ") == "the dog bark"
    assert stem("dogs barking") == stem("Dog barks") == "dog bark"
    assert content_stems("can opening") == {"open"}
    assert content_stems("the") == {"the"}
    assert is_function_word("of")
    assert not is_function_word("cry")  # which scikit-learn's list has


WORDS = load_vocabulary(["dogs", "dog barking", "small", "two small puppies", "wave", "geese", "rain", "siren"])


@pytest.mark.parametrize(
    ("labels", "synonyms", "lost"),
    [
        (["dog"], [], {"dogs", "dog barking"}),
        (["sea waves"], [], {"wave"}),
        (["goose"], ["geese"], {"geese"}),
        (["dog"], ["small puppy"], {"dogs", "dog barking", "two small puppies"}),
    ],
)
def test_labels_go_with_their_forms_and_synonyms(labels: list[str], synonyms: list[str], lost: set[str]) -> None:
    found = WORDS.without(labels, synonyms=synonyms)
    assert set(WORDS.words) - set(found.words) == lost
    assert f"without {len(lost)} words" in found.construction
    assert labels[0] in found.construction
    assert found.sha256 != WORDS.sha256


def test_leaving_out_has_its_limits() -> None:
    two = load_vocabulary(["dog", "cat"])
    with pytest.raises(InputError, match="1 word left"):
        two.without(["dog"])
    with pytest.raises(InputError, match="no labels"):
        two.without([])
    with pytest.raises(InputError, match="labels are a list"):
        two.without("dog")


def test_a_label_free_vocabulary_keeps_what_is_far() -> None:
    tiny = load_model("tiny")
    rows = torch.nn.functional.normalize(tiny.embed_text(["puppy", "rain", "siren", "dog"]).double(), dim=1)
    puppy, rain, siren = (rows[:3] @ rows[3]).tolist()
    assert puppy > max(rain, siren)
    found = label_free(load_vocabulary(["dogs", "puppy", "rain", "siren"]), ["dog"], tiny, bound=(puppy + rain) / 2)
    assert found.words == ("rain", "siren")
    assert "by tiny" in found.construction
    with pytest.raises(InputError, match="bound"):
        label_free(WORDS, ["dog"], tiny, bound=1.5)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from zsxai.concepts import words

    words._stemmer.cache_clear()
    monkeypatch.setitem(sys.modules, "snowballstemmer", None)
    with pytest.raises(MissingExtraError, match=r"'snowballstemmer': pip install 'zsxai\[concepts\]'"):
        WORDS.without(["dog"])
    words._stemmer.cache_clear()
