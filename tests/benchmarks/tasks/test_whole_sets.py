"""The tasks ``concept-retrieval`` and ``concept-tagging`` before a model that hears a tone for every class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.stages import measured, stage_of
from tests.benchmarks.tasks.test_concepts import LABELS, NAMES, OTHERS, RATE, TABLE, Clips, Tones
from zsxai import InputError
from zsxai.benchmarks.run.suite import load_suite
from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import Failure, Row
from zsxai.concepts.scores import average_precision, f1, nearest
from zsxai.data.clip import LabelledClip

WORD = {owner: word for word, owner in reversed(TABLE.items())}


@dataclass
class Made:
    """Clips of tones: by name the levels of some classes, the labels and the captions."""

    sounds: dict[str, tuple[dict[int, float], tuple[int, ...], tuple[int, ...]]]
    labels = LABELS

    @property
    def clips(self) -> list[LabelledClip]:
        times = np.arange(RATE) / RATE
        found = []
        for name, (levels, labels, captions) in self.sounds.items():
            wave = sum(level * np.sin(2 * np.pi * 500 * (k + 1) * times) for k, level in levels.items())
            named = tuple(LABELS[k] for k in labels)
            sound = {"array": 0.4 * np.asarray(wave, dtype=np.float32), "sampling_rate": RATE}
            said = tuple(WORD[LABELS[k]] for k in captions)
            found.append(LabelledClip(name, named[0], name, audio=sound, labels=named, captions=said))
        return found


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("words") / "toy.txt"
    path.write_text("\n".join([*NAMES, *OTHERS]))
    return str(path)


def judge(kind: str, data: Any, label: str, words: str, **task: Any) -> tuple[dict[str, Row], list[Failure]]:
    stage = stage_of(
        {"kind": kind, "vocabularies": [words], "centrings": ["none"], "penalties": [0.2], "counts": [], **task},
        Tones(),
        {},
    )
    rows, failures = measured(runner_of(kind)(replace(stage, dataset=data)), label, 100, domain="stft")
    return {row.item: row for row in rows}, failures


def figures(rows: dict[str, Row], *names: str) -> dict[str, list[Any]]:
    return {item: [row.figures[name] for name in names] for item, row in rows.items()}


# Each hears most of what the other is said to be, and b holds a little of the third class.
TWO = Made(
    {
        "a": ({1: 0.8, 2: 0.6}, (1,), (1, 2)),
        "b": ({2: 0.8, 1: 0.3, 3: 0.05}, (2,), (3,)),
    }
)


@pytest.mark.parametrize("label", ["dense", "toy/none/lam=0.2"])
def test_captions_and_recordings_find_one_another(words: str, label: str) -> None:
    rows, failures = judge("concept-retrieval", TWO, label, words)
    dense = label == "dense"
    assert not failures
    assert figures(rows, "recall-at-1", "average-precision-at-10") == {
        "a": [1, 1],  # its captions, classes 1 and 2, come first
        "b": [0, pytest.approx(1 / 3)],  # what it is said to be comes third, heard least; without a word, tied
        "a, caption 1": [1, 1],
        "a, caption 2": [0, 0.5],
        "b, caption 1": [float(dense), 1.0 if dense else 0.5],  # lambda took the word away: both are alike
    }
    assert [name for name, row in rows.items() if row.strata["text-to-audio"]] == [n for n in rows if "caption" in n]
    assert rows["b, caption 1"].sources == ("b",)


def test_without_captions_classes_stand_for_them(words: str) -> None:
    rows, _ = judge("concept-retrieval", Clips(0.75), "dense", words)
    assert len(rows) == 2 * len(LABELS)
    assert {row.figures["recall-at-1"] for row in rows.values()} == {1.0}
    assert {row.sources for name, row in rows.items() if name.startswith(f"class {LABELS[3]} (")} == {
        (f"class {LABELS[3]}",)
    }


def test_a_table_gives_every_class_its_caption(words: str, tmp_path: Path) -> None:
    turned = dict(zip(LABELS, [WORD[label] for label in (*LABELS[1:], LABELS[0])], strict=True))
    table = tmp_path / "captions.toml"
    table.write_text("".join(f'"{label}" = "{caption}"\n' for label, caption in turned.items()))
    rows, _ = judge("concept-retrieval", Clips(0.75), "dense", words, captions=str(table))
    assert {row.figures["recall-at-1"] for row in rows.values()} == {0.0}  # every class has another one's caption
    table.write_text(f'"{LABELS[0]}" = "one"\n')
    with pytest.raises(InputError, match=f"no caption for the class '{LABELS[1]}'"):
        judge("concept-retrieval", Clips(0.75), "dense", words, captions=str(table))


def test_captions_of_some_are_refused(words: str) -> None:
    some = Made({"a": TWO.sounds["a"], "b": ({2: 1.0}, (2,), ())})
    with pytest.raises(InputError, match="'b' has no caption, and others have"):
        judge("concept-retrieval", some, "dense", words)


TAGGED = Made(
    {
        "a": ({0: 1.0, 1: 0.5}, (0, 1), ()),
        "b": ({1: 1.0, 2: 0.5}, (2,), ()),
        "c": ({1: 0.2, 3: 1.0}, (3, 1), ()),
    }
)


def test_classes_are_judged_over_all_clips(words: str) -> None:
    rows, failures = judge("concept-tagging", TAGGED, "dense", words)
    assert not failures
    assert list(rows) == LABELS
    hears = [[1, 0.5, 0, 0], [0, 1, 0.5, 0], [0, 0.2, 0, 1]]
    has = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1]], dtype=bool)
    scores = np.array([np.array(row) / np.linalg.norm(row) for row in hears])
    found = np.array(list(figures(rows, "average-precision", "class-f1", "right", "half-of-both").values()))
    np.testing.assert_allclose(found[:4, 0], average_precision(scores, has))
    assert np.isnan(found[4:, :2]).all()
    np.testing.assert_allclose(found[:4, 1], [1, 0, 0, 1])
    assert found[:, 2].sum() / found[:, 3].sum() == pytest.approx(f1(nearest(scores), has)) == pytest.approx(0.5)


def test_a_threshold_gives_a_clip_several_classes_or_none(words: str) -> None:
    rows, _ = judge("concept-tagging", TAGGED, "toy/none/lam=0.2", words, threshold=0.3)
    # a keeps both of its classes, b is also given class 1, c has lost its faint one: TP 4, FP 1, FN 1.
    found = np.array(list(figures(rows, "right", "half-of-both").values())).sum(axis=0)
    assert list(found) == [4, 5]


@pytest.mark.parametrize(("kind", "named"), [("concept-retrieval", ["b", "b, caption 1"]), ("concept-tagging", ["b"])])
def test_what_cannot_be_read_is_left_out_and_named(words: str, kind: str, named: list[str]) -> None:
    clips = TWO.clips
    clips[1] = replace(clips[1], audio=None, path=Path("nowhere.wav"))

    @dataclass
    class Broken:
        labels = LABELS

        @property
        def clips(self) -> list[LabelledClip]:
            return clips

    rows, failures = judge(kind, Broken(), "dense", words)
    assert [failure.item for failure in failures] == named
    assert all("nowhere.wav" in failure.error for failure in failures)
    assert not set(named) & set(rows)
    assert rows


def test_keys_know_every_recording_and_caption(words: str) -> None:
    def key(data: Made, kind: str) -> list[dict[str, Any]]:
        task = load_suite(
            {
                "name": "toy",
                "data": {"sounds": {"reader": "synthetic"}},
                "tasks": [{"kind": kind, "data": ["sounds"], "vocabularies": [words]}],
                "headline": {"task": kind, "metric": "none"},
            }
        ).tasks[0]
        items = runner_of(kind).items(task, data, task.contaminations[0], 0, None)
        return [item.key() for item in items]

    said = Made({**TWO.sounds, "b": (*TWO.sounds["b"][:2], (4,))})
    heard = Made({**TWO.sounds, "b": ({2: 0.9}, *TWO.sounds["b"][1:])})
    retrieval = key(TWO, "concept-retrieval")
    for other in (said, heard):
        assert all(one != two for one, two in zip(retrieval, key(other, "concept-retrieval"), strict=True))
    assert key(TWO, "concept-tagging") == key(said, "concept-tagging") != key(heard, "concept-tagging")
