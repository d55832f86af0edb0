"""One clip with several classes."""

from __future__ import annotations

from typing import Any

import pytest

from zsxai.data import LabelledClip
from zsxai.errors import InputError


def test_classes_of_a_clip() -> None:
    assert LabelledClip("a", "dog", "a").classes == ("dog",)
    clip = LabelledClip("a", "a  dog", "a", labels=("rain", "a\tdog", "rain"))
    assert clip.labels == clip.classes == ("rain", "a dog")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("dog", "the labels of 'a' are a list or tuple, in a fixed order, not a str"),
        ({"dog"}, "not a set"),
        (("cat", "cow"), "the label 'dog' of 'a' is none of its labels: cat; cow"),
    ],
)
def test_labels_that_are_no_list_or_lack_the_label(labels: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        LabelledClip("a", "dog", "a", labels=labels)
