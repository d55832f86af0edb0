"""Which recordings are meant, and where each one goes."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from zsxai.data.recordings import find_recordings
from zsxai.errors import InputError
from zsxai.folders import LONGEST, make_safe, name_prompts, name_recordings


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    for name in ("b.wav", "a.WAV", "sub/c.flac", ".hidden/d.wav", "sub/._c.flac", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(found: object) -> list[str]:
    return [one.name for one in found]  # type: ignore[attr-defined]


def test_folders_patterns_and_files(calls: Path) -> None:
    assert names(find_recordings(calls, ["dog"])) == ["a.WAV", "b.wav", "sub/c.flac"]
    assert names(find_recordings(f"{calls}/*.wav", ["dog"])) == ["b.wav"]
    assert names(find_recordings(f"{calls}/**/*", ["dog"])) == ["a.WAV", "b.wav", "sub/c.flac"]
    (one,) = find_recordings(calls / "b.wav", ["dog", "rain", "dog"])
    assert one == ("b.wav", calls / "b.wav", ("dog", "rain"))
    (calls / "x[1].wav").touch()
    assert names(find_recordings(calls / "x[1].wav", ["dog"])) == ["x[1].wav"], "a file of that name is no pattern"


def test_tables(calls: Path) -> None:
    table = calls / "list.csv"
    table.write_text("File,prompt,score\nb.wav,dog,1\nsub/c.flac, rain ,2\n./b.wav,rain,3\nb.wav,dog,4\n")
    assert find_recordings(table) == [
        ("b.wav", calls / "b.wav", ("dog", "rain")),
        ("sub/c.flac", calls / "sub/c.flac", ("rain",)),
    ]
    table.write_text("id,filename\n1,b.wav\n2,sub/c.flac\n")
    assert [one.prompts for one in find_recordings(table, ["a", "b"])] == [("a", "b")] * 2


@pytest.mark.parametrize(
    ("source", "text", "prompts", "message"),
    [
        ("", "", (), "say what to listen for"),
        ("*.mp3", "", ("dog",), "matches no audio"),
        ("x.csv", "path\nb.wav\n", (), "a column 'prompt' in"),
        ("x.csv", "path,Prompt\nb.wav,dog\n", ("dog",), "has a column 'Prompt': leave the prompt out"),
        ("x.csv", "name\nb.wav\n", ("dog",), "no column of paths: call one 'path'; it has name"),
        ("x.csv", "path,prompt\nb.wav,\n", (), "'prompt' is empty"),
    ],
)
def test_what_names_nothing(calls: Path, source: str, text: str, prompts: tuple[str, ...], message: str) -> None:
    if text:
        (calls / source).write_text(text)
    with pytest.raises(InputError, match=message):
        find_recordings(f"{calls}/{source}", prompts)


def test_every_recording_gets_a_folder_of_its_own() -> None:
    given = [
        "a.wav",
        "sub/a.wav",
        "Dog.wav",
        "dog.wav",
        "dog?.wav",
        "dog*.wav",
        "café.wav",
        "cafe\u0301.wav",
        "../up.wav",
    ]
    found = name_recordings(given, {})
    assert found["sub/a.wav"] == "sub/a.wav"
    assert len({unicodedata.normalize("NFC", folder).casefold() for folder in found.values()}) == len(given)
    assert not any(set('?*<>:"|\\') & set(folder) or ".." in folder for folder in found.values())
    # What has its folder keeps it; what comes later does not get it.
    later = name_recordings(["DOG.wav", "a.wav"], {"dog.wav": "dog.wav", "a.wav": "old", "/": "table.csv"})
    assert later["a.wav"] == "old"
    assert later["DOG.wav"].startswith("DOG.wav-")
    assert name_recordings(["Table.CSV"], {"/": "table.csv"}) != {"Table.CSV": "Table.CSV"}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("/data/a.wav", "data/a.wav"),
        (".x/b. ", "_x/b"),
        ("a\nb.wav", "a_nb.wav"),
        ("caf\udce9.wav", "caf_xe9.wav"),
        ("sub/Nul.wav", "sub/_Nul.wav"),
        ("console.wav", "console.wav"),
    ],
)
def test_names_that_file_systems_refuse(name: str, safe: str) -> None:
    assert make_safe(name) == safe
    assert len(make_safe("x" * 300).encode()) <= LONGEST


def test_prompts_give_readable_folders_of_their_own() -> None:
    given = [
        "A dog, barking!",
        "a dog barking",
        "a_dog_barking",
        "con",
        "...",
        "x" * 99,
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    ]
    expected = [
        "a-dog-barking",
        "a-dog-barking-2",
        "a-dog-barking-3",
        "con-",
        "unnamed",
        "x" * 60,
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    ]
    assert name_prompts(given) == expected
