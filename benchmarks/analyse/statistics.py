"""Paired comparisons and ranks, over recordings and not over clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsxai.benchmarks.analyse.bootstrap import Interval, Resampling

Better = Literal["higher", "lower", "neither"]


def score_wins(own: ArrayLike, other: ArrayLike, better: Better) -> NDArray[Any]:
    """Score 1 where the own value is the better one, .5 where both are equal, 0 else; NaN where either is invalid."""
    difference = np.asarray(own, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    sign = {"higher": 1.0, "lower": -1.0, "neither": np.nan}[better]
    found: NDArray[Any] = 0.5 + 0.5 * sign * np.sign(difference)
    return found


def rank(means: ArrayLike, better: Better) -> NDArray[Any]:
    """Rank each column within its row, 1 the best; ties share their mean rank, NaN has none.

    Args:
        means: ``(..., E)``.
        better: Which way is better.
    """
    from scipy.stats import rankdata

    array = np.asarray(means, dtype=np.float64) * (-1.0 if better == "lower" else 1.0)
    # Equal columns of a matrix product may differ in their last bit.
    array = np.round(array, 12)
    found: NDArray[Any] = rankdata(np.where(np.isfinite(array), -array, np.nan), axis=-1, nan_policy="omit")
    return found


@dataclass(frozen=True)
class Comparison:
    """Two explainers on the same rows.

    Attributes:
        difference: Mean of the first less the second, with its interval.
        effect: Mean over standard deviation of the differences (Cohen's d_z); of recordings' mean differences, or of
            rows where a row is of two recordings. NaN where they do not vary.
        share: Share of recordings (or rows of two) on which the first is better, equal ones counting half.
        p: Two-sided.
        test: Which test gave it; empty where none could.
    """

    difference: Interval
    effect: float
    share: float
    p: float
    test: str


def compare(
    first: ArrayLike,
    second: ArrayLike,
    better: Better,
    resampling: Resampling,
    rows: NDArray[Any] | None = None,
) -> Comparison:
    """Compare two explainers on the same rows.

    Rows of one recording each: Wilcoxon's signed-rank test on recordings' mean differences; where all values are 0 or
    1 (or 100), McNemar's exact test, a recording of several clips counting once, by the sign of its sum. Mixtures of
    two recordings share recordings with one another: mean difference over its pigeonhole standard error, against
    Student's t with as many degrees of freedom as there are disjoint pairs of recordings, less one.

    Args:
        first: ``(B,)``.
        second: ``(B,)`` on the same rows; a pair with a NaN is invalid.
        better: Which way is better; ``neither`` leaves the share undefined.
        resampling: Over the recordings.
        rows: ``(B,)`` index of each row among its sources.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    difference = one - two
    valid = np.isfinite(difference)
    found = resampling.intervals(difference[:, None], rows)[0]
    each = difference[valid]
    if resampling.most == 1:
        _, recording = np.unique(resampling.recordings_of(rows)[valid, 0], return_inverse=True)
        each = np.bincount(recording, weights=each) / np.bincount(recording)
    if not len(each):
        return Comparison(found, float("nan"), float("nan"), float("nan"), "")
    # What is 0 but for rounding is 0: a tie, and no spread.
    each = np.where(np.abs(each) < 1e-12, 0.0, each)
    spread = float(each.std(ddof=1)) if len(each) > 1 else 0.0
    effect = float(each.mean()) / spread if spread > 1e-12 else float("nan")
    share = float(score_wins(each, np.zeros_like(each), better).mean())
    if resampling.most > 1:
        free = int(resampling.count_recordings(valid[:, None], rows)[0]) // resampling.most - 1
        p, test = _test_pigeonhole(found, resampling.means(difference[:, None], rows)[:, 0], free), "pigeonhole t"
    elif _is_binary(np.concatenate([one[valid], two[valid]])):
        p, test = _test_mcnemar(each), "McNemar, exact"
    else:
        p, test = _test_wilcoxon(each), "Wilcoxon"
    return Comparison(found, effect, share, p, test if np.isfinite(p) else "")


def _is_binary(values: NDArray[Any]) -> bool:
    found = set(np.unique(values).tolist())
    return found <= {0.0, 1.0} or found <= {0.0, 100.0}


def _test_mcnemar(each: NDArray[Any]) -> float:
    from scipy.stats import binomtest

    wins, losses = int((each > 0).sum()), int((each < 0).sum())
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def _test_wilcoxon(each: NDArray[Any]) -> float:
    from scipy.stats import wilcoxon

    # Zeros are left out, as in Wilcoxon's paper; with nothing left there is no sign of a difference.
    return float(wilcoxon(each).pvalue) if each.any() else 1.0


def _test_pigeonhole(found: Interval, means: NDArray[Any], free: int) -> float:
    from scipy.stats import t

    finite = means[np.isfinite(means)]
    if free < 1 or not np.isfinite(found.low) or len(finite) < 2:
        return float("nan")
    error = float(finite.std(ddof=1))
    if error <= 1e-12:
        return 1.0 if abs(found.mean) <= 1e-12 else 0.0
    return float(2 * t.sf(abs(found.mean) / error, free))
