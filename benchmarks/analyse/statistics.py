"""Intervals and tests over recordings, not over clips: clips cut from one recording are not independent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Better = Literal["higher", "lower", "neither"]
DRAWS = 2000
_CELLS = 4_000_000
"""Weights held at once, so that memory does not grow with the number of draws times that of clips."""


class Interval(NamedTuple):
    """A mean with its 95 % interval.

    Attributes:
        mean: Over the valid values.
        low: 2.5th percentile of the bootstrap; NaN where fewer than two recordings are behind the mean.
        high: 97.5th percentile.
        n: Values given.
        n_invalid: NaN or infinite ones among them.
    """

    mean: float
    low: float
    high: float
    n: int
    n_invalid: int


class Resampling:
    """Recordings drawn with replacement, the same draws for everything measured on them.

    A row of one recording counts as often as its recording was drawn (the cluster bootstrap); a mixture of two counts
    the product of both (the pigeonhole bootstrap: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1,
    2007). That errs on the side of wide intervals: by up to the square root of 3 where no mixtures share a recording.

    Args:
        sources: ``(B,)`` recordings of every row: one id, or a tuple of ids.
        draws: Bootstrap draws.
        seed: Seed of the draws; they do not depend on the order of the rows.
    """

    def __init__(self, sources: Sequence[str | Sequence[str]], draws: int = DRAWS, seed: int = 0) -> None:
        each = [(s,) if isinstance(s, str) else tuple(dict.fromkeys(s)) for s in sources]
        names = sorted({name for row in each for name in row})
        number = {name: i for i, name in enumerate(names)}
        self.recordings = len(names)
        self.most = max((len(row) for row in each), default=1)
        # A row with fewer recordings than others is filled up with one that is drawn once in every draw.
        self._of_row = np.full((len(each), self.most), self.recordings)
        for i, row in enumerate(each):
            self._of_row[i, : len(row)] = [number[name] for name in row]
        times = np.ones((draws, self.recordings + 1))
        if names:
            shares = np.full(self.recordings, 1 / self.recordings)
            times[:, :-1] = np.random.default_rng(seed).multinomial(self.recordings, shares, size=draws)
        self._times = times

    def __len__(self) -> int:
        """Rows."""
        return len(self._of_row)

    def first_of(self, rows: NDArray[Any] | None = None) -> NDArray[Any]:
        """``(B,)`` number of each row's first recording."""
        found: NDArray[Any] = self._of_row[:, 0] if rows is None else self._of_row[rows, 0]
        return found

    def weights(self, rows: NDArray[Any] | None = None) -> Iterator[NDArray[Any]]:
        """``(d, B)`` weights of rows, a block of draws at a time."""
        of_row = self._of_row if rows is None else self._of_row[rows]
        size = max(1, _CELLS // max(1, len(of_row)))
        for start in range(0, len(self._times), size):
            block = self._times[start : start + size]
            found = block[:, of_row[:, 0]]
            for column in of_row.T[1:]:
                found = found * block[:, column]
            yield found

    def behind(self, valid: NDArray[Any], rows: NDArray[Any] | None = None) -> NDArray[Any]:
        """``(K,)`` recordings behind the valid values ``(B, K)``."""
        of_row = self._of_row if rows is None else self._of_row[rows]
        stands = np.zeros((len(of_row), self.recordings + 1))
        np.put_along_axis(stands, of_row, 1.0, axis=1)
        found: NDArray[Any] = ((valid.astype(np.float64).T @ stands[:, :-1]) > 0).sum(axis=1)
        return found

    def means(
        self, values: ArrayLike, rows: NDArray[Any] | None = None, classes: Sequence[str] | None = None
    ) -> NDArray[Any]:
        """Means of every draw.

        Args:
            values: ``(B, K)``; NaN counts as invalid.
            rows: ``(B,)`` index of each value's row among the sources; in order where None.
            classes: ``(B,)`` for the mean over classes of class means; a draw leaves out classes it holds no row of.

        Returns:
            ``(draws, K)``; NaN where a draw holds no valid row.
        """
        array = np.asarray(values, dtype=np.float64)
        means = [_means(weights, array, classes) for weights in self.weights(rows)]
        return np.concatenate(means) if means else np.empty((0, array.shape[1]))

    def intervals(
        self, values: ArrayLike, rows: NDArray[Any] | None = None, classes: Sequence[str] | None = None
    ) -> list[Interval]:
        """One :class:`Interval` per column; arguments as of :meth:`means`."""
        array = np.asarray(values, dtype=np.float64)
        valid = np.isfinite(array)
        means = self.means(array, rows, classes)
        centre = _means(np.ones((1, len(array))), array, classes)[0]
        low, high = bounds(means)
        alone = self.behind(valid, rows) < 2
        low[alone] = high[alone] = np.nan
        counts = (~valid).sum(axis=0)
        return [
            Interval(float(m), float(a), float(b), len(array), int(c))
            for m, a, b, c in zip(centre, low, high, counts, strict=True)
        ]


def bounds(draws: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """2.5th and 97.5th percentiles of ``(draws, K)``, over the draws that are finite."""
    low, high = np.full(draws.shape[1], np.nan), np.full(draws.shape[1], np.nan)
    finite = np.isfinite(draws)
    whole = finite.all(axis=0) & (len(draws) > 0)
    if whole.any():
        low[whole], high[whole] = np.percentile(draws[:, whole], [2.5, 97.5], axis=0)
    for k in np.flatnonzero(~whole & finite.any(axis=0)):
        low[k], high[k] = np.percentile(draws[finite[:, k], k], [2.5, 97.5])
    return low, high


def _means(weights: NDArray[Any], values: NDArray[Any], classes: Sequence[str] | None) -> NDArray[Any]:
    if classes is None:
        return _weighted(weights, values)
    names, of_row = np.unique(np.asarray(classes, dtype=str), return_inverse=True)
    total = np.zeros((len(weights), values.shape[1]))
    held = np.zeros_like(total)
    for c in range(len(names)):
        mine = of_row == c
        mean = _weighted(weights[:, mine], values[mine])
        present = np.isfinite(mean)
        total += np.where(present, mean, 0.0)
        held += present
    return _ratio(total, held)


def _weighted(weights: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    valid = np.isfinite(values)
    return _ratio(weights @ np.where(valid, values, 0.0), weights @ valid.astype(np.float64))


def _ratio(total: NDArray[Any], count: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return found


def interval(
    values: ArrayLike,
    sources: Sequence[str | Sequence[str]],
    classes: Sequence[str] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Mean and 95 % percentile interval by bootstrap over recordings.

    Args:
        values: ``(B,)`` one per row; NaN counts as invalid.
        sources: ``(B,)`` the recording that each row was cut from, or a tuple of two for a mixture.
        classes: ``(B,)`` for the macro mean, over classes of class means; the mean over rows where None.
        draws: Bootstrap draws.
        seed: Seed of the draws.
    """
    column = np.asarray(values, dtype=np.float64)[:, None]
    return Resampling(sources, draws, seed).intervals(column, classes=classes)[0]


def ahead(own: ArrayLike, other: ArrayLike, better: Better) -> NDArray[Any]:
    """1 where the own value is the better one, .5 where both are equal, 0 else; NaN where either is invalid."""
    difference = np.asarray(own, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    sign = {"higher": 1.0, "lower": -1.0, "neither": np.nan}[better]
    found: NDArray[Any] = 0.5 + 0.5 * sign * np.sign(difference)
    return found


def ranks(means: ArrayLike, better: Better) -> NDArray[Any]:
    """Rank of each column within its row, 1 the best; ties share their mean rank, NaN has none.

    Args:
        means: ``(..., E)``.
        better: Which way is better.
    """
    array = np.asarray(means, dtype=np.float64) * (-1.0 if better == "lower" else 1.0)
    # Equal columns of a matrix product may differ in their last bit.
    array = np.round(array, 12)
    above = (array[..., None, :] > array[..., :, None]).sum(axis=-1)
    equal = (array[..., None, :] == array[..., :, None]).sum(axis=-1)
    found: NDArray[Any] = np.where(np.isfinite(array), 1 + above + (equal - 1) / 2, np.nan)
    return found


@dataclass(frozen=True)
class Comparison:
    """Two explainers on the same rows.

    Attributes:
        difference: Mean of the first less the second, with its interval.
        effect: Mean over standard deviation of the differences (Cohen's d_z); of recordings' mean differences, or of
            rows where a row is of two recordings. NaN where they do not vary.
        share: Of recordings (or rows of two) on which the first is better, equal ones counting half.
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
    """Paired comparison.

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
        _, recording = np.unique(resampling.first_of(rows)[valid], return_inverse=True)
        each = np.bincount(recording, weights=each) / np.bincount(recording)
    if not len(each):
        return Comparison(found, float("nan"), float("nan"), float("nan"), "")
    # What is 0 but for rounding is 0: a tie, and no spread.
    each = np.where(np.abs(each) < 1e-12, 0.0, each)
    spread = float(each.std(ddof=1)) if len(each) > 1 else 0.0
    effect = float(each.mean()) / spread if spread > 1e-12 else float("nan")
    share = float(ahead(each, np.zeros_like(each), better).mean())
    if resampling.most > 1:
        free = int(resampling.behind(valid[:, None], rows)[0]) // resampling.most - 1
        p, test = _pigeonhole(found, resampling.means(difference[:, None], rows)[:, 0], free), "pigeonhole t"
    elif _is_binary(np.concatenate([one[valid], two[valid]])):
        p, test = _mcnemar(each), "McNemar, exact"
    else:
        p, test = _wilcoxon(each), "Wilcoxon"
    return Comparison(found, effect, share, p, test if np.isfinite(p) else "")


def _is_binary(values: NDArray[Any]) -> bool:
    found = set(np.unique(values).tolist())
    return found <= {0.0, 1.0} or found <= {0.0, 100.0}


def _mcnemar(each: NDArray[Any]) -> float:
    from scipy.stats import binomtest

    wins, losses = int((each > 0).sum()), int((each < 0).sum())
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def _wilcoxon(each: NDArray[Any]) -> float:
    from scipy.stats import wilcoxon

    # Zeros are left out, as in Wilcoxon's paper; with nothing left there is no sign of a difference.
    return float(wilcoxon(each).pvalue) if each.any() else 1.0


def _pigeonhole(found: Interval, means: NDArray[Any], free: int) -> float:
    from scipy.stats import t

    finite = means[np.isfinite(means)]
    if free < 1 or not np.isfinite(found.low) or len(finite) < 2:
        return float("nan")
    error = float(finite.std(ddof=1))
    if error <= 1e-12:
        return 1.0 if abs(found.mean) <= 1e-12 else 0.0
    return float(2 * t.sf(abs(found.mean) / error, free))


def holm(p_values: ArrayLike) -> NDArray[Any]:
    """Holm's step-down correction over a family (Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: ``(K,)``; NaN stands for a test that could not be made, and stays out of the family.

    Returns:
        ``(K,)`` adjusted, in the same order.
    """
    given = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(given.shape, np.nan)
    made = np.flatnonzero(np.isfinite(given))
    order = made[np.argsort(given[made], kind="stable")]
    steps = given[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
