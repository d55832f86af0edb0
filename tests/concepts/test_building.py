"""The three constructions from made-up tags, readers of tags, and the command."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests.toys import BlackBoxToy
from zsxai.cli import main
from zsxai.concepts.building.constructions import baseline, clean, clustered, pruned, ranked
from zsxai.concepts.building.ontology import read_names
from zsxai.concepts.building.tags import read_groups, read_tags
from zsxai.concepts.vocabulary import load_vocabulary
from zsxai.errors import InputError
from zsxai.plugins import load_model

COUNTS = {"coughing": 5, "dog": 4, "cough": 3, "coughs": 3, "rain": 7, "puppy": 2, "dogs barking": 2, "dog bark": 1}


def test_clean_tags_in_one_form() -> None:
    raw = {"Dog's-Bark": 2, "dog_bark": 3, "the dog": 9, "dog of": 9, "of": 9, "x": 9, "808": 9, "mp3": 9, " ": 9}
    raw |= {"shit": 9, "fucking loud": 9, "barkign": 9, "lluvia": 9, "cry": 1, "dog followed": 9, "a capella": 9}
    assert clean(raw, without=["follows"]) == {"dog bark": 5, "cry": 1}
    assert clean(raw, spelling=False, without=["follow"])["lluvia"] == 9


def test_baseline_keeps_the_most_frequent() -> None:
    assert baseline(COUNTS, 4) == ["rain", "coughing", "dog", "cough"]  # of two with 3, the first of the alphabet


def test_pruned_merges_forms_of_one_root_and_adds_their_counts() -> None:
    assert pruned(COUNTS, 5) == ["coughing", "rain", "dog", "dogs barking", "puppy"]  # 11, 7, 4, 3, 2
    assert pruned(COUNTS, 3, candidates=4) == ["coughing", "rain", "dog"]  # 8, 7, 4: "coughs" is the fifth
    assert pruned(COUNTS, 2, synonyms=[["dog", "puppy"], ["rain", "drizzle"]]) == ["coughing", "rain"]
    merged = pruned(COUNTS, 4, synonyms=[["puppy", "dog"]])
    assert merged == ["coughing", "rain", "dog", "dogs barking"]  # the most frequent form survives


ANGLES = {"rain": 0.0, "drizzle": 2.0, "downpour": 10.0, "dog": 90.0, "puppy": 91.0, "hound": 99.0}


class Angles(BlackBoxToy):
    """Words as angles in degrees."""

    def embed_text(self, prompts: Sequence[str]) -> torch.Tensor:
        turned = torch.tensor([ANGLES[p] for p in prompts], dtype=torch.float64).deg2rad()
        return torch.stack([turned.cos(), turned.sin()], dim=1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clustered_keeps_what_is_nearest_to_each_centroid(seed: int) -> None:
    counts = dict(zip(ANGLES, (6, 5, 4, 3, 2, 1), strict=True))
    assert clustered(counts, load_model(Angles()), 2, seed=seed) == ["drizzle", "puppy"]


def test_clusters_of_a_seed_are_the_same() -> None:
    tiny, counts = load_model("tiny"), Counter(load_vocabulary("audioset").words[:60])
    once, again, other = (clustered(counts, tiny, 12, seed=seed) for seed in (0, 0, 1))
    assert once == again != other
    assert len(set(once)) == 12


def test_too_few_tags_are_refused() -> None:
    for size in (1, 9):
        with pytest.raises(InputError, match="8 tags are left"):
            baseline(COUNTS, size)
    with pytest.raises(InputError, match="fewer than 2 different embeddings"):
        clustered(dict.fromkeys(("dog", "rain", "puppy"), 1), load_model(Same()), 2)


class Same(BlackBoxToy):
    def embed_text(self, prompts: Sequence[str]) -> torch.Tensor:
        return torch.ones(len(prompts), 2)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_tags_are_read_and_files_added(tmp_path: Path) -> None:
    notes = {"1": {"tags": ["dog", "dog", "rain"], "title": "x"}, "2": {"tags": ["dog"]}}
    fsd50k = write(tmp_path / "dev_clips_info_FSD50K.json", json.dumps(notes))
    table = write(tmp_path / "counts.csv", "phrase,words,captions\ndog,1,10\nsea waves,2,3\n")
    plain = write(tmp_path / "plain.txt", "rain\ndog\nrain\n")
    assert read_tags([fsd50k]) == {"dog": 2, "rain": 1}
    assert read_tags([fsd50k, table]) == {"dog": 12, "rain": 1, "sea waves": 3}
    assert ranked(read_tags([plain])) == ["rain", "dog"]
    assert read_groups(write(tmp_path / "same.txt", "dog, puppy\n")) == [["dog", "puppy"]]
    with pytest.raises(InputError, match="give it alone"):
        read_tags([plain, table])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "tag,times\ndog,1\n", "lacks a column 'count'"),
        ("a.csv", "name,count\ndog,1\n", "lacks a column 'tag'"),
        ("a.csv", "tag,count\ndog,many\n", "whole number"),
        ("a.csv", "tag,count\ndog,0\n", "counts 1 or more"),
        ("a.json", '{"1": {"title": "x"}}', "holds no tags by clip"),
        ("a.json", "[", "no JSON"),
        ("a.txt", "\n", "no tags"),
    ],
)
def test_bad_tags_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_tags([write(tmp_path / name, text)])


def test_names_of_an_ontology_from_both_files(tmp_path: Path) -> None:
    table = "name,abstract\nHuman sounds,1\n" + '"Roaring cats (lions, tigers)",0\n"Bee, wasp, etc.",0\nBee,0\n'
    entries = [{"name": "Human sounds", "restrictions": ["abstract"]}, {"name": "Bee, wasp, etc.", "restrictions": []}]
    found = read_names(write(tmp_path / "names.csv", table))
    assert found == ["roaring cats (lions, tigers)", "bee", "wasp"]
    assert read_names(write(tmp_path / "ontology.json", json.dumps(entries))) == ["bee", "wasp"]
    with pytest.raises(InputError, match="no list of named classes"):
        read_names(write(tmp_path / "bad.json", "{}"))


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["baseline"], "baseline --size 3"),
        (["pruned", "--candidates", "9"], "pruned --size 3 --candidates 9"),
        (["clustered", "--without", "puppy"], "clustered --size 3 --candidates 10000 --model tiny"),
    ],
)
def test_the_command_writes_words_and_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], made: str
) -> None:
    tags = write(tmp_path / "tags.csv", "tag,count\n" + "".join(f"{t},{c}\n" for t, c in COUNTS.items()))
    out = tmp_path / "mine.json"
    command, *options = words
    assert main(["vocabulary", command, str(tags), "--out", str(out), "--size", "3", "--licence", "MIT", *options]) == 0
    found = load_vocabulary(out)
    assert (found.name, found.licence, found.source, len(found)) == ("mine", "MIT", "tags.csv", 3)
    assert found.construction.startswith(f"zsxai vocabulary {made}")
    assert f"tags.csv (sha256 {hashlib.sha256(tags.read_bytes()).hexdigest()})" in found.construction
    assert f"3 words, sha256 {found.sha256}" in capsys.readouterr().out


def test_the_command_refuses_another_ending(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tags = write(tmp_path / "tags.txt", "dog\nrain\n")
    assert main(["vocabulary", "baseline", str(tags), "--out", str(tmp_path / "m.txt"), "--size", "2"]) == 2
    assert ".json" in capsys.readouterr().err
