"""Data sets by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zsxai
from zsxai.data import Dataset, LabelledClip, load_dataset
from zsxai.errors import InputError
from zsxai.registry import DATASETS


@pytest.fixture
def registered() -> Iterator[None]:
    yield
    DATASETS.unregister("mine")


def test_every_listed_data_set_is_a_reader() -> None:
    # Nothing but readers is listed: each loads, or asks where its files are.
    assert isinstance(load_dataset("synthetic"), Dataset)
    for name in {*zsxai.list_datasets()} - {"synthetic"}:
        with pytest.raises(InputError, match="needs the place where it lies"):
            load_dataset(name)


def test_by_name_with_options(esc_folder: Path) -> None:
    data = load_dataset("esc50", esc_folder, folds=[2])
    assert [clip.name for clip in data.clips] == ["2-200-A-46.wav"]
    assert load_dataset("esc50", str(esc_folder)).labels == data.labels


@pytest.mark.parametrize(
    ("name", "root", "options", "said"),
    [
        ("esc5", None, {}, "unknown dataset 'esc5': did you mean 'esc50'"),
        ("esc50", None, {}, "'esc50' needs the place where it lies"),
        ("esc50", ".", {"fold": [1]}, "no option 'fold': it takes folds"),
        ("folder", ".", {"folds": [1]}, "no option 'folds': it takes none"),
        ("synthetic", "here", {}, "reads no files: leave 'here' out"),
        ("csv", "nowhere.csv", {}, "no CSV file at nowhere.csv"),
        ("csv", 3, {}, "a CSV file is named by its path, not by 3"),
        ("synthetic", None, {"clips_per_class": 0}, "clips_per_class is a whole number, 1 or more, not 0"),
    ],
)
def test_errors_are_one_line(name: str, root: Any, options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        load_dataset(name, root, **options)
    assert "\n" not in str(error.value)


def test_registered_by_this_process(registered: None) -> None:
    class Mine:
        def __init__(self, root: str, **anything: object) -> None:
            self.clips = [LabelledClip(str(anything["name"]), "dog", root)]
            self.labels = ["dog"]

    DATASETS.register("mine", Mine)
    assert load_dataset("mine", "there", name="a").clips[0] == LabelledClip("a", "dog", "there")
    DATASETS.register("mine", Mine("there", name="b"), overwrite=True)
    assert load_dataset("mine").clips[0].name == "b"
    with pytest.raises(InputError, match="takes neither a folder nor options"):
        load_dataset("mine", "there")
    DATASETS.register("mine", lambda: 3, overwrite=True)
    with pytest.raises(InputError, match=r"gave no data set: one has \.clips and \.labels, int has not"):
        load_dataset("mine")


class Given:
    """A data set as somebody else may write one."""

    def __init__(self, clips: Any, labels: Any) -> None:
        self.clips, self.labels = clips, labels


CLIP = LabelledClip("a", "dog", "a")


@pytest.mark.parametrize(
    ("clips", "labels", "said"),
    [
        ([CLIP], {"dog"}, "the labels of the data set 'mine' are a set: give a list or tuple"),
        ([CLIP], (label for label in ["dog"]), "labels of the data set 'mine' are a generator"),
        ((clip for clip in [CLIP]), ["dog"], "clips of the data set 'mine' are a generator"),
        ([CLIP], "dog", "labels of the data set 'mine' are a str"),
        ([CLIP], ["cat"], "has clips of 'dog', which is not among its labels"),
    ],
)
def test_clips_and_labels_are_lists(registered: None, clips: Any, labels: Any, said: str) -> None:
    DATASETS.register("mine", Given(clips, labels))
    with pytest.raises(InputError, match=said):
        load_dataset("mine")


@pytest.mark.parametrize(
    "captions", [["a dog", "tu\u0308r"], ("a dog", "t\u00fcr"), (c for c in ("a dog", "t\u00fcr"))]
)
def test_captions_are_kept_in_their_order(captions: Any) -> None:
    assert LabelledClip("a", "dog", "a", captions=captions).captions == ("a dog", "t\u00fcr")


@pytest.mark.parametrize("captions", ["a dog", {"a dog", "rain"}])
def test_captions_without_an_order(captions: Any) -> None:
    with pytest.raises(InputError, match="captions of 'a' are a list or tuple, in a fixed order, not a"):
        LabelledClip("a", "dog", "a", captions=captions)
