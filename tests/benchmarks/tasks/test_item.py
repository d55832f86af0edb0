"""What an item is known by."""

from __future__ import annotations

from zsxai.benchmarks.tasks.base import Item
from zsxai.data import LabelledClip


def test_several_classes_are_part_of_the_key_and_one_class_changes_no_old_key() -> None:
    one = LabelledClip("a", "dog", "source")
    several = LabelledClip("a", "dog", "source", labels=("dog", "rain"))
    keys = [Item("a", (clip,), clip.label).key(lambda _: "hash")["clips"] for clip in (one, several)]
    assert keys == [[["hash", "dog", "source", None]], [["hash", "dog", "source", None, ["dog", "rain"]]]]
