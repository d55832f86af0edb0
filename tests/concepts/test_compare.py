"""Averages and differences of sets: exact values, recordings and not clips, corrections."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests.concepts.made_up import ANIMALS, weights
from tests.toys import BandToy
from zsxai import InputError, explain_concepts
from zsxai.concepts.compare import average, compare_sets, tabulate, weights_of
from zsxai.concepts.sets import explain_folder
from zsxai.concepts.statistics import bootstrap_means, bounds, correct_holm, permutation_test, sign_flip_test
from zsxai.data import load_dataset


def test_permutations_by_hand() -> None:
    """Of the 6 ways to divide 1, 2, 3 and 4 two are as far apart as 3, 4 and 1, 2; of no difference all are."""
    p, exact = permutation_test(np.array([[3.0, 1], [4, 1]]), np.array([[1.0, 1], [2, 1]]))
    assert exact
    np.testing.assert_allclose(p, [2 / 6, 1])


def test_sign_flips_by_hand() -> None:
    p, exact = sign_flip_test(np.array([[1.0, 1], [2, -1], [3, 0]]))
    assert exact
    np.testing.assert_allclose(p, [2 / 8, 1])


def test_draws_come_near_the_exact_value() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((6, 3)) + 0.2, rng.random((6, 3))
    for test, given in ((permutation_test, (first, second)), (sign_flip_test, (first - second,))):
        exact, drawn = test(*given), test(*given, most=60 if test is sign_flip_test else 900)  # type: ignore[operator]
        assert (exact[1], drawn[1]) == (True, False)
        again = test(*given, most=900, seed=1) if test is permutation_test else drawn  # type: ignore[operator]
        np.testing.assert_allclose(drawn[0], exact[0], atol=0.15)
        np.testing.assert_allclose(again[0], exact[0], atol=0.15)
        assert (drawn[0] > 0).all()  # what was found counts as a draw


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(correct_holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(correct_holm([0.5, 0.9]), [1.0, 1.0])
    np.testing.assert_allclose(correct_holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    assert correct_holm([]).shape == (0,)


def test_bootstrap_of_two_recordings() -> None:
    """Means of 0 and 1 drawn twice: 0, .5 and 1 in a quarter, a half and a quarter of the draws."""
    means = bootstrap_means(np.array([[0.0], [1.0]]), 4000)
    values, counts = np.unique(means, return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    np.testing.assert_allclose(counts / 4000, [0.25, 0.5, 0.25], atol=0.03)
    assert [end.tolist() for end in bounds(means)] == [[0], [1]]


def sets(repeat: int = 1) -> Any:
    """Four recordings of dogs and four of rain; every clip ``repeat`` times."""
    rows = [[0.4, 0.1, 0, 0], [0.5, 0.1, 0, 0], [0.6, 0, 0, 0.1], [0.5, 0.2, 0, 0]]
    rows += [[0, 0, 0.4, 0], [0, 0, 0.5, 0.2], [0, 0, 0.6, 0], [0, 0, 0.7, 0]]
    names = [f"r{i}" for i in range(8)]
    labels = ["dogs"] * 4 + ["rain"] * 4
    return tabulate(ANIMALS, weights(*rows * repeat), names * repeat, labels * repeat)


def test_average_of_recordings() -> None:
    found = average(sets(), "dogs")
    assert [(c.name, c.words, c.recordings) for c in found.concepts] == [
        ("dog", ("dog", "barks"), 4),  # near-synonyms are one concept
        ("wind", ("wind",), 1),
    ]
    assert found.concepts[0].mean == pytest.approx((0.5 + 0.6 + 0.6 + 0.7) / 4)
    assert 0.5 <= found.concepts[0].low < found.concepts[0].mean < found.concepts[0].high <= 0.7  # type: ignore[operator]
    assert average(sets(), seed=1).recordings == 8
    assert "dogs: 4 recordings" in str(found)
    barks = tabulate(ANIMALS, weights([0.9, 0, 0, 0], [0, 0.2, 0, 0]), ["a", "b"], ["one", "other"])
    assert [(c.name, c.words) for c in average(barks, "other").concepts] == [("dog", ("barks",))]


def test_intervals_and_tests_are_of_recordings_and_not_of_clips() -> None:
    once, often = average(sets(), "dogs"), average(sets(5), "dogs")
    assert (often.clips, often.recordings) == (20, 4)
    for one, other in zip(once.concepts, often.concepts, strict=True):
        assert (one.low, one.high, one.mean) == pytest.approx((other.low, other.high, other.mean))
    one, other = compare_sets(sets(), "dogs", "rain"), compare_sets(sets(5), "dogs", "rain")
    assert [c.p for c in one.concepts] == [c.p for c in other.concepts]
    assert tabulate(ANIMALS, weights([1, 0, 0, 0]), ["r"]).of(None)[0] == ["r"]
    alone = average(tabulate(ANIMALS, weights([1, 0, 0, 0]), ["r"]))
    assert (alone.concepts[0].low, alone.concepts[0].high) == (None, None)


def test_differences_of_two_sets() -> None:
    found = compare_sets(sets(), "dogs", "rain", least=3)
    assert (found.tested, found.untested, found.recordings) == (2, 1, (4, 4))  # wind is in two recordings
    by_name = {c.name: c for c in found.concepts}
    # Of the 70 divisions of 8 recordings the one that was found and its mirror image are the furthest.
    assert by_name["dog"].p == by_name["rain"].p == pytest.approx(2 / 70)
    assert by_name["dog"].corrected == pytest.approx(4 / 70)
    assert by_name["rain"].difference == pytest.approx(-(0.4 + 0.5 + 0.6 + 0.7) / 4)
    assert by_name["rain"].low < -0.5 < by_name["rain"].high  # type: ignore[operator]
    assert not found.found()
    assert len(found.found(0.06)) == 2
    assert compare_sets(sets(), "dogs").second == "the others"
    assert compare_sets(sets(), "dogs", "rain", least=1).tested == 3
    nothing = compare_sets(sets(), "dogs", "rain", least=9)
    assert (nothing.tested, nothing.concepts) == (0, ())


def test_paired_sets() -> None:
    """The same recordings before and after: dogs fall in all five, by .1 to .5; one has no partner."""
    before = [[0.6, 0, 0.1, 0]] * 6
    after = [[0.6 - 0.1 * i, 0, 0.1, 0] for i in range(1, 6)]
    names = [f"r{i}" for i in range(6)]
    table = tabulate(ANIMALS, weights(*before, *after), [*names, *names[:5]], ["before"] * 6 + ["after"] * 5)
    found = compare_sets(table, "before", "after", paired=True)
    assert (found.recordings, found.left_out, found.test) == ((5, 5), 1, "all sign flips")
    assert {c.name: c.p for c in found.concepts} == pytest.approx({"dog": 2 / 32, "rain": 1.0})
    assert found.concepts[0].difference == pytest.approx(0.3)
    unpaired = compare_sets(table, "before", "after", paired=True, least=6)
    assert unpaired.tested == 0
    with pytest.raises(InputError, match="are of the same recordings: say paired=True"):
        compare_sets(table, "after", "before")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: compare_sets(sets(), "dogs", "dogs"), "the two sets are one"),
        (lambda: compare_sets(sets(), "dog"), "unknown set 'dog': did you mean 'dogs'"),
        (lambda: compare_sets(sets(), "dogs", "rain", paired=True), "share no recording"),
        (lambda: compare_sets(sets(), "dogs", "rain", least=0), "least is a whole number, 1 or more"),
        (lambda: average(sets(), "cats"), "unknown set 'cats'"),
        (lambda: tabulate(ANIMALS, weights([1, 0]), ["r"]), "no table of 1 labelled clips and 4 words"),
        (lambda: tabulate(ANIMALS, weights([1, 0, 0, 0]), []), "each of 1 rows of weights has a source"),
    ],
)
def test_errors(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()


def test_explanations_as_rows(tone: Callable[..., Any]) -> None:
    made = explain_concepts(tone(), sample_rate=16000, model=BandToy(), vocabulary=["band 0", "band 1"], window=0)
    with pytest.raises(InputError, match="'band 0' of array is no word of the dictionary"):
        weights_of(ANIMALS, [made])
    assert weights_of(ANIMALS, []).shape == (0, 4)


@pytest.fixture
def folder(tmp_path: Path, tone: Callable[..., Any], noise: Callable[..., Any]) -> Path:
    """Four low and four high sounds, and a file that is none."""
    for label, hertz in (("low <b>", 100.0), ("high", 6000.0)):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for i in range(4):
            sound = tone(hertz=hertz * (1 + 0.02 * i)) + 0.001 * noise(seed=i)
            soundfile.write(tmp_path / "sounds" / label / f"{i}.wav", sound, 16000)
    (tmp_path / "sounds" / "high" / "broken.wav").write_bytes(b"no sound")
    return tmp_path / "sounds"


def test_a_folder(folder: Path, tmp_path: Path) -> None:
    words = [f"band {i}" for i in range(4)]
    with pytest.warns(UserWarning, match="recordings passed over: 1"):
        found = explain_folder(folder, model=BandToy(), vocabulary=words, k=2)
    assert [a.label for a in found.averages] == ["high", "low <b>"]
    assert [a.concepts[0].name for a in found.averages] == ["band 3", "band 0"]
    assert (found.overall.recordings, [clip.name for clip in found.skipped]) == (8, ["high/broken.wav"])
    (difference,) = found.differences
    best = {c.name: c for c in difference.concepts}
    assert best["band 3"].p == pytest.approx(2 / 70)
    assert best["band 3"].difference > 0 > best["band 0"].difference
    saved = found.save(tmp_path / "out")
    assert json.loads((saved / "concepts-of-sets.json").read_text())["overall"]["recordings"] == 8
    page = (saved / "index.html").read_text(encoding="utf-8")
    assert "low &lt;b&gt;" in page
    assert "low <b>" not in page
    assert "high/broken.wav" in page
    with pytest.warns(UserWarning, match="passed over"):
        paired = explain_folder(folder, model=BandToy(), vocabulary=words, k=2, paired=True)
    assert paired.differences[0].test == "all sign flips"
    assert paired.differences[0].recordings == (4, 4)


def test_a_data_set_by_a_function() -> None:
    clips = load_dataset("synthetic", clips_per_class=1, seconds=1.0)
    words = [f"band {i}" for i in range(4)]
    options: dict[str, Any] = {"model": BandToy(), "vocabulary": words, "k": 2}
    found = explain_folder(clips, lambda clip: f"fold {clip.fold}", **options)
    assert [(a.label, a.recordings) for a in found.averages] == [("fold 1", 8)]
    assert found.differences == ()
    every = explain_folder(clips, **options)
    assert len(every.differences) == 8
    assert {d.second for d in every.differences} == {"the others"}
    with pytest.raises(InputError, match="paired takes two sets, not 8"):
        explain_folder(clips, paired=True, **options)
    with pytest.raises(InputError, match="by is 'folder', or a function"):
        explain_folder(clips, "class", **options)  # type: ignore[arg-type]


def test_no_global_generator_is_used() -> None:
    before = (np.random.get_state()[1].tolist(), torch.random.get_rng_state())  # type: ignore[index,union-attr]  # noqa: NPY002
    compare_sets(sets(), "dogs", "rain", permutations=10)
    average(sets())
    assert np.random.get_state()[1].tolist() == before[0]  # type: ignore[index,union-attr]  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), before[1])
