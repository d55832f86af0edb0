"""Many recordings in words: averages with intervals, and how two sets differ.

Whatever is counted is a recording: clips of one source are averaged first, so that ten cuts of one recording are one.
Words are grouped once, over all recordings that are compared: a concept then means the same in every set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.checks import whole_number
from zsxai.concepts.dictionary import Dictionary
from zsxai.concepts.explanation import ConceptExplanation, count_in_words
from zsxai.concepts.groups import GROUPED, group_words
from zsxai.concepts.statistics import (
    BOOTSTRAPS,
    PERMUTATIONS,
    bootstrap_means,
    bounds,
    correct_holm,
    mean_by,
    permutation_test,
    sign_flip_test,
)
from zsxai.errors import InputError, unknown
from zsxai.value import Value

LEAST = 3
"""Recordings that must use a concept for it to be tested: one that fewer use cannot distinguish sets."""
SHOWN = 10
"""Rows of a printed table."""


class ConceptAverage(Value):
    """A concept in a set of recordings.

    Attributes:
        name: Its word that weighs most over all recordings compared.
        words: Its words that the set uses, the one that weighs most first: *ambulance siren* may be *alarm* here.
        mean: Mean weight over recordings, those without it counting 0.
        low: 2.5th percentile of the bootstrap over recordings; None where there is only one.
        high: 97.5th percentile.
        recordings: In how many it is.
    """

    name: str
    words: tuple[str, ...]
    mean: float
    low: float | None
    high: float | None
    recordings: int


class Averages(Value):
    """Mean weights of concepts in a set of recordings.

    Attributes:
        label: Which set.
        recordings: How many.
        clips: How many clips of them.
        concepts: Strongest first; those that no recording of the set uses are left out.
        draws: Bootstrap draws.
        seed: Seed of the draws.
    """

    label: str
    recordings: int
    clips: int
    concepts: tuple[ConceptAverage, ...]
    draws: int
    seed: int

    def __str__(self) -> str:
        lines = [f"{self.label}: {count_in_words(self.recordings, 'recording')}, mean weight with 95 % interval"]
        lines += [
            f"  {c.mean:.3f} {interval_text(c.low, c.high):16} {c.name} (in {c.recordings})"
            for c in self.concepts[:SHOWN]
        ]
        return "\n".join(lines if self.concepts else [*lines, "  no words"])


class ConceptDifference(Value):
    """A concept in two sets.

    Attributes:
        name: Its word that weighs most over all recordings compared.
        words: All its words.
        first: Mean weight in the first set.
        second: Mean weight in the second set.
        low: 2.5th percentile of the bootstrap of their difference; None where a set is of one recording.
        high: 97.5th percentile.
        p: p value of the test, two-sided.
        corrected: The same, corrected by Holm over the concepts tested.
    """

    name: str
    words: tuple[str, ...]
    first: float
    second: float
    low: float | None
    high: float | None
    p: float
    corrected: float

    @property
    def difference(self) -> float:
        """First less second."""
        return self.first - self.second


class Differences(Value):
    """How two sets differ.

    Attributes:
        first: Name of the first set.
        second: Name of the second set.
        recordings: How many are compared, of each.
        left_out: Recordings that are not compared: those without a partner where sets are paired, and those of both
            sets where they are not.
        paired: Whether they are the same recordings twice.
        least: Recordings that must use a concept for it to be tested.
        tested: Concepts tested: the family of Holm's correction.
        untested: Concepts that too few recordings use.
        test: Which test, in words.
        concepts: Those tested, the surest first.
        permutations: Gone through or drawn at most.
        draws: Bootstrap draws.
        seed: Of both.
    """

    first: str
    second: str
    recordings: tuple[int, int]
    left_out: int
    paired: bool
    least: int
    tested: int
    untested: int
    test: str
    concepts: tuple[ConceptDifference, ...]
    permutations: int
    draws: int
    seed: int

    def found(self, level: float = 0.05) -> tuple[ConceptDifference, ...]:
        """Those whose corrected p value is no more than ``level``."""
        return tuple(c for c in self.concepts if c.corrected <= level)

    def __str__(self) -> str:
        lines = [
            f"{self.first} ({self.recordings[0]}) against {self.second} ({self.recordings[1]} recordings): "
            f"{self.test}, Holm over {count_in_words(self.tested, 'concept')} in {self.least} recordings or more"
        ]
        lines += [
            f"  {c.first:.3f} {c.second:.3f}  {c.difference:+.3f} {interval_text(c.low, c.high):16} "
            f"p {c.corrected:.2g} {c.name}"
            for c in self.concepts[:SHOWN]
        ]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class ConceptTable:
    """Concept weights of clips, with the recording and the set that each is of.

    Attributes:
        groups: Words of each of ``K`` concepts, the one that weighs most first.
        weights: ``(N, M)`` weights of these words, in their order.
        sources: ``N`` recordings.
        labels: ``N`` sets.
    """

    groups: tuple[tuple[str, ...], ...]
    weights: NDArray[np.float64]
    sources: tuple[str, ...]
    labels: tuple[str, ...]

    def of(self, label: str | None, *, but: str | None = None) -> tuple[list[str], NDArray[np.float64], int]:
        """Recordings of a set, their mean weights ``(R, M)``, and how many clips they are of.

        Args:
            label: The set; all where None.
            but: Where ``label`` is None, a set to leave out.

        Raises:
            InputError: If there is no such set, or nothing in it.
        """
        for name in (label, but):
            if name is not None and name not in self.labels:
                raise InputError(unknown("set", str(name), sorted(set(self.labels))))
        mine = np.array([(label is None or own == label) and own != but for own in self.labels])
        if not mine.any():
            raise InputError(f"there is no set but {but!r} to compare it with")
        names, means = mean_by(self.weights[mine], np.array(self.sources)[mine])
        return names, means, int(mine.sum())

    def add_up(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of words ``(R, M)`` as those of concepts, ``(R, K)``: the sums of their words."""
        if not self.groups:
            return weights
        first = np.cumsum([0, *map(len, self.groups[:-1])])
        found: NDArray[np.float64] = np.add.reduceat(weights, first, axis=1)
        return found


def tabulate(
    words: Dictionary,
    weights: Tensor,
    sources: Sequence[str],
    labels: Sequence[str] | None = None,
    *,
    grouped: float = GROUPED,
) -> ConceptTable:
    """Group the words of many recordings.

    Args:
        words: The dictionary that they were decomposed into.
        weights: ``(N, n)``.
        sources: The recording of each: the unit of every interval and test.
        labels: The set of each; one set, ``all``, where None.
        grouped: Text cosine from which on words are one concept; they are grouped in the order of their mean weights
            over all recordings.

    Raises:
        InputError: If the numbers of rows, words and names differ, or there are none.
    """
    values = weights.detach().cpu().double().numpy()
    sets = ["all"] * len(values) if labels is None else list(labels)
    if values.ndim != 2 or values.shape[1] != len(words.words) or len(sets) != len(values):
        raise InputError(
            f"weights {values.shape} are no table of {len(sets)} labelled clips and {len(words.words)} words"
        )
    _, means = mean_by(values, np.array(sources))
    mean = means.mean(axis=0)
    order = [int(i) for i in np.argsort(-mean, kind="stable") if mean[i] > 0]
    groups = group_words(order, words.kinship, grouped)
    return ConceptTable(
        tuple(tuple(words.words[i] for i in group) for group in groups),
        values[:, [i for group in groups for i in group]],
        tuple(map(str, sources)),
        tuple(map(str, sets)),
    )


def weights_of(words: Dictionary, explanations: Iterable[ConceptExplanation]) -> Tensor:
    """Weights of explanations as rows over the words of a dictionary, ``(N, n)``: what :func:`tabulate` takes.

    Raises:
        InputError: If one was made of another vocabulary.
    """
    column = {word: i for i, word in enumerate(words.words)}
    rows = []
    for made in explanations:
        strange = [word for word in made.weights if word not in column]
        if strange:
            raise InputError(
                f"{strange[0]!r} of {made.provenance.audio_name} is no word of the dictionary: decompose all "
                "recordings into the same one"
            )
        row = torch.zeros(len(column), dtype=torch.float64)
        for word, weight in made.weights.items():
            row[column[word]] = weight
        rows.append(row)
    return torch.stack(rows) if rows else torch.zeros(0, len(column), dtype=torch.float64)


def average(table: ConceptTable, label: str | None = None, *, draws: int = BOOTSTRAPS, seed: int = 0) -> Averages:
    """Mean weights of a set with 95 % intervals.

    Args:
        table: From :func:`tabulate`.
        label: The set; all recordings where None.
        draws: Bootstrap draws of recordings.
        seed: Seed of the draws.

    Raises:
        InputError: If there is no such set.
    """
    names, parts, clips = table.of(label)
    values, of_words = table.add_up(parts), iter(parts.mean(axis=0).tolist())
    in_words = [sorted(((next(of_words), word) for word in group), key=lambda pair: -pair[0]) for group in table.groups]
    used = np.flatnonzero((values > 0).any(axis=0))
    values = values[:, used]
    mean, (low, high) = values.mean(axis=0), _ends(len(names) > 1, values, draws, seed)
    made = [
        ConceptAverage(
            name=table.groups[k][0],
            words=tuple(word for weight, word in in_words[k] if weight > 0),
            mean=float(mean[i]),
            low=low[i],
            high=high[i],
            recordings=int((values[:, i] > 0).sum()),
        )
        for i, k in enumerate(used)
    ]
    return Averages(
        label="all" if label is None else label,
        recordings=len(names),
        clips=clips,
        concepts=tuple(sorted(made, key=lambda c: -c.mean)),
        draws=draws,
        seed=seed,
    )


def compare_sets(
    table: ConceptTable,
    first: str,
    second: str | None = None,
    *,
    paired: bool = False,
    least: int = LEAST,
    permutations: int = PERMUTATIONS,
    draws: int = BOOTSTRAPS,
    seed: int = 0,
) -> Differences:
    """Test which concepts two sets of recordings differ in.

    Independent sets: their recordings are exchanged; the statistic is the difference of means. Paired sets (the same
    sources in both, as before and after): signs of the differences are turned. p values are corrected by Holm over the
    concepts that at least ``least`` of the recordings compared use, in one set or both; others are not tested.

    Args:
        table: From :func:`tabulate`.
        first: A set.
        second: Another; all recordings that are not of the first where None.
        paired: Compare each source of the first set with the same source of the second.
        least: Recordings.
        permutations: So many arrangements at most: all, where there are no more of them, or else drawn.
        draws: Bootstrap draws for the intervals.
        seed: Of both.

    Raises:
        InputError: If there is no such set, the sets are one, are of the same recordings though not paired, or are
            paired and share none.
    """
    if first == second:
        raise InputError(f"the two sets are one: {first!r}")
    names, of_first, _ = table.of(first)
    others, of_second, _ = table.of(second, but=first if second is None else None)
    values, against = table.add_up(of_first), table.add_up(of_second)
    both, here, there = np.intersect1d(names, others, return_indices=True)
    if paired and not len(both):
        raise InputError(f"{first!r} and {second or 'the others'!r} share no recording: leave paired out")
    if paired:
        left_out = len(names) + len(others) - 2 * len(both)
        values, against = values[here], against[there]
    else:  # what is in both sets distinguishes nothing
        left_out = len(both)
        values, against = np.delete(values, here, axis=0), np.delete(against, there, axis=0)
        if not len(values) or not len(against):
            raise InputError(f"{first!r} and {second or 'the others'!r} are of the same recordings: say paired=True")
    least = whole_number(least, "least", 1)
    using = ((values > 0) | (against > 0)).sum(axis=0) if paired else _using(values) + _using(against)
    kept = np.flatnonzero(using >= least)
    untested = int(((using > 0) & (using < least)).sum())
    one, two = values[:, kept], against[:, kept]
    if paired:
        p, exact = sign_flip_test(one - two, permutations, seed)
        low, high = _ends(len(one) > 1, one - two, draws, seed)
    else:
        p, exact = permutation_test(one, two, permutations, seed)
        low, high = _ends(min(len(one), len(two)) > 1, one, draws, seed, less=two)
    corrected = correct_holm(p)
    made = [
        ConceptDifference(
            name=table.groups[k][0],
            words=table.groups[k],
            first=float(one[:, i].mean()),
            second=float(two[:, i].mean()),
            low=low[i],
            high=high[i],
            p=float(p[i]),
            corrected=float(corrected[i]),
        )
        for i, k in enumerate(kept)
    ]
    how = "sign flips" if paired else "permutations"
    return Differences(
        first=first,
        second="the others" if second is None else second,
        recordings=(len(one), len(two)),
        left_out=left_out,
        paired=paired,
        least=least,
        tested=len(kept),
        untested=untested,
        test=f"all {how}" if exact else f"{permutations:,} {how} drawn",
        concepts=tuple(sorted(made, key=lambda c: (c.corrected, c.p, -abs(c.difference)))),
        permutations=permutations,
        draws=draws,
        seed=seed,
    )


def interval_text(low: float | None, high: float | None) -> str:
    """An interval as it is printed; nothing where there is none."""
    return "" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"


def _using(values: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = (values > 0).sum(axis=0)
    return found


def _ends(
    several: bool, values: NDArray[Any], draws: int, seed: int, *, less: NDArray[Any] | None = None
) -> tuple[list[float | None], list[float | None]]:
    """Ends of the interval of a mean, or of a difference of means; None where recordings are too few for one."""
    if not several or not values.shape[1]:
        return [None] * values.shape[1], [None] * values.shape[1]
    means = bootstrap_means(values, draws, seed)
    if less is not None:
        means = means - bootstrap_means(less, draws, seed + 1)
    low, high = bounds(means)
    return low.tolist(), high.tolist()
