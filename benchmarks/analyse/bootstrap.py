"""Means and their intervals by bootstrap over recordings: clips cut from one recording are not independent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


def has_mean(found: Interval | None) -> TypeGuard[Interval]:
    """Whether something was measured, and had a valid value."""
    return found is not None and bool(np.isfinite(found.mean))


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

    def recordings_of(self, rows: NDArray[Any] | None = None) -> NDArray[Any]:
        """``(B, most)`` numbers of the recordings of each row; all rows where None."""
        found: NDArray[Any] = self._of_row if rows is None else self._of_row[rows]
        return found

    def weights(self, rows: NDArray[Any] | None = None) -> Iterator[NDArray[Any]]:
        """``(d, B)`` weights of rows, a block of draws at a time."""
        of_row = self.recordings_of(rows)
        size = max(1, _CELLS // max(1, len(of_row)))
        for start in range(0, len(self._times), size):
            block = self._times[start : start + size]
            found = block[:, of_row[:, 0]]
            for column in of_row.T[1:]:
                found = found * block[:, column]
            yield found

    def count_recordings(self, valid: NDArray[Any], rows: NDArray[Any] | None = None) -> NDArray[Any]:
        """Count the recordings behind the valid values ``(B, K)``, as ``(K,)``."""
        of_row = self.recordings_of(rows)
        behind = np.zeros((len(of_row), self.recordings + 1))
        np.put_along_axis(behind, of_row, 1.0, axis=1)
        found: NDArray[Any] = ((valid.astype(np.float64).T @ behind[:, :-1]) > 0).sum(axis=1)
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
        means = [_average(weights, array, classes) for weights in self.weights(rows)]
        return np.concatenate(means) if means else np.empty((0, array.shape[1]))

    def intervals(
        self, values: ArrayLike, rows: NDArray[Any] | None = None, classes: Sequence[str] | None = None
    ) -> list[Interval]:
        """One :class:`Interval` per column; arguments as of :meth:`means`."""
        array = np.asarray(values, dtype=np.float64)
        valid = np.isfinite(array)
        means = self.means(array, rows, classes)
        centre = _average(np.ones((1, len(array))), array, classes)[0]
        low, high = find_bounds(means)
        alone = self.count_recordings(valid, rows) < 2
        low[alone] = high[alone] = np.nan
        counts = (~valid).sum(axis=0)
        return [
            Interval(float(m), float(a), float(b), len(array), int(c))
            for m, a, b, c in zip(centre, low, high, counts, strict=True)
        ]

    def ratio(self, over: ArrayLike, under: ArrayLike, rows: NDArray[Any] | None = None) -> Interval:
        """The mean of one figure over that of another on the same rows, ``(B,)`` each; NaN where that one is 0."""
        pair = np.stack([np.asarray(over, dtype=np.float64), np.asarray(under, dtype=np.float64)], axis=1)
        pair[~np.isfinite(pair).all(axis=1)] = np.nan
        one, other = self.intervals(pair, rows)
        centre = _divide(np.array([one.mean]), np.array([other.mean]))
        low, high = find_bounds(_divide(*self.means(pair, rows).T)[:, None])
        if np.isnan(one.low):
            low, high = np.full((2, 1), np.nan)
        return Interval(float(centre[0]), float(low[0]), float(high[0]), one.n, one.n_invalid)


def find_bounds(draws: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find the 2.5th and 97.5th percentiles of ``(draws, K)``, over the draws that are finite."""
    low, high = np.full((2, draws.shape[1]), np.nan)
    for k, column in enumerate(draws.T):
        if len(finite := column[np.isfinite(column)]):
            low[k], high[k] = np.percentile(finite, [2.5, 97.5])
    return low, high


def _average(weights: NDArray[Any], values: NDArray[Any], classes: Sequence[str] | None) -> NDArray[Any]:
    if classes is None:
        return _weigh(weights, values)
    names, of_row = np.unique(np.asarray(classes, dtype=str), return_inverse=True)
    total = np.zeros((len(weights), values.shape[1]))
    held = np.zeros_like(total)
    for c in range(len(names)):
        mine = of_row == c
        mean = _weigh(weights[:, mine], values[mine])
        present = np.isfinite(mean)
        total += np.where(present, mean, 0.0)
        held += present
    return _divide(total, held)


def _weigh(weights: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    valid = np.isfinite(values)
    return _divide(weights @ np.where(valid, values, 0.0), weights @ valid.astype(np.float64))


def _divide(total: NDArray[Any], count: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return found
