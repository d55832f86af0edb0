"""Where what a mask keeps is heard, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zsxai.errors import InputError
from zsxai.value import Value
from zsxai.written import per_cent

LEAST = 0.005
"""Regions with a smaller share are specks: only the first of all is named however small it is."""
LINE_DB = -6.0
"""The line on pictures, and the edge of regions: where so much of the recording's level remains."""


class Edges(Protocol):
    """Where cells lie: a grid, or the pixels of a picture."""

    @property
    def frequency_edges(self) -> NDArray[Any]:
        """``(F + 1,)`` hertz."""

    @property
    def time_edges(self) -> NDArray[Any]:
        """``(N + 1,)`` seconds."""


class Region(Value):
    """A connected part of a recording that stays near its own level when only the mask's part is kept.

    Attributes:
        start: Seconds.
        stop: Seconds.
        low: Hertz.
        high: Hertz.
        share: Part of all kept power that lies in it.
        under_db: How far its sound is under the recording there, decibels; 0 where all is kept.
    """

    start: float
    stop: float
    low: float
    high: float
    share: float
    under_db: float

    def __str__(self) -> str:
        where = say_place(self.start, self.stop, self.low, self.high)
        return f"{where} ({per_cent(self.share)} of the energy kept, {self.under_db:.1f} dB under the recording)"


def say_place(start: float, stop: float, low: float, high: float) -> str:
    """Seconds and hertz in words."""
    return f"{start:.2f}-{stop:.2f} s, {low:,.0f}-{high:,.0f} Hz"


def say_regions(regions: Sequence[Region], line_db: float = LINE_DB) -> str:
    """Regions in a line."""
    return "; ".join(map(str, regions)) or f"nowhere within {-line_db:g} dB of the recording"


def check_line(line_db: float) -> float:
    """The line as a part of power.

    Raises:
        InputError: If it is no level under the recording's.
    """
    if not -60.0 <= line_db < 0.0:
        raise InputError(f"line_db is a level under the recording's, from -60 to under 0 dB, not {line_db:g}")
    return float(10.0 ** (line_db / 10.0))


def within(gain: NDArray[Any], line_db: float = LINE_DB) -> NDArray[Any]:
    """Cells whose level stays at a line or above it: bool, shaped as the gain.

    Raises:
        InputError: If the line is no level under the recording's.
    """
    # A level that is just the line's, but for rounding, is inside.
    above: NDArray[Any] = gain >= check_line(line_db) * (1.0 - 1e-6)
    return above


def find_regions(
    gain: NDArray[Any], power: NDArray[Any], edges: Edges, count: int = 3, line_db: float = LINE_DB
) -> list[Region]:
    """The connected parts whose level stays above a line, those that keep most power first.

    Args:
        gain: ``(F, N)`` part of the power that is kept, in [0, 1].
        power: ``(F, N)`` power of the recording.
        edges: Where the cells lie.
        count: How many at most.
        line_db: Cells at or above this level, decibels relative to the recording, belong to a region.

    Raises:
        InputError: If the line is no level under the recording's.
    """
    return join_regions([(gain, power)], edges, count, line_db)


def join_regions(
    parts: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    edges: Edges,
    count: int = 3,
    line_db: float = LINE_DB,
    first: int = 0,
) -> list[Region]:
    """As :func:`find_regions`, of a recording that is given in parts, one behind the other.

    Args:
        parts: Gain and power of each, ``(F, n)``.
        edges: Where the cells of the whole lie.
        count: How many at most.
        line_db: As :func:`find_regions` takes it.
        first: The column of the whole with which the first part begins.

    Raises:
        InputError: If the line is no level under the recording's.
    """
    found: list[NDArray[Any]] = []  # of every piece: power kept, power, lowest and highest row, first and last column
    same: list[tuple[NDArray[Any], NDArray[Any]]] = []  # pieces that touch where two parts meet
    total, at, size = 0.0, first, 0
    last: NDArray[Any] | None = None
    for gain, power in parts:
        above = within(gain, line_db)
        remains = gain.astype(np.float64) * power
        total += float(remains.sum())
        pieces = np.full(above.shape, -1, dtype=np.int64)
        if above.any():
            rows, columns = above.nonzero()
            _, part = np.unique(components(above)[above], return_inverse=True)
            pieces[above] = part + size
            kept, whole = (np.bincount(part, weights=v[above].astype(np.float64)) for v in (remains, power))
            ends = [
                _extreme(reach, part, values) for values in (rows, columns + at) for reach in (np.minimum, np.maximum)
            ]
            found.append(np.stack([kept, whole, *ends]))
            size += len(kept)
        if last is not None:
            touch = (last >= 0) & (pieces[:, 0] >= 0)
            same.append((last[touch], pieces[touch, 0]))
        last, at = pieces[:, -1], at + above.shape[1]
    if not found:
        return []
    kept, whole, low, high, start, stop = _merge(np.concatenate(found, axis=1), same)
    regions: list[Region] = []
    for index in np.argsort(-kept, kind="stable")[:count]:
        if regions and kept[index] < LEAST * total:
            break
        under = 10.0 * np.log10(whole[index] / kept[index]) if kept[index] > 0 else 0.0
        regions.append(
            Region(
                start=round(float(edges.time_edges[int(start[index])]), 3),
                stop=round(float(edges.time_edges[int(stop[index]) + 1]), 3),
                low=round(float(edges.frequency_edges[int(low[index])]), 1),
                high=round(float(edges.frequency_edges[int(high[index]) + 1]), 1),
                share=round(float(kept[index]) / total, 4) if total > 0 else 0.0,
                under_db=round(max(float(under), 0.0), 2),
            )
        )
    return regions


def _extreme(reach: np.ufunc, part: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """Least or most of the values of every piece."""
    first = np.full(part.max() + 1, -1, dtype=np.int64)
    first[part[::-1]] = values[::-1]
    reach.at(first, part, values)
    return first


def _merge(pieces: NDArray[Any], same: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> list[NDArray[Any]]:
    """Pieces that are one region as one."""
    label = np.arange(pieces.shape[1])
    for before, after in same:
        for one, other in set(zip(before.tolist(), after.tolist(), strict=True)):
            label[label == label[other]] = label[one]
    _, group = np.unique(label, return_inverse=True)
    kept, whole = (np.bincount(group, weights=values) for values in pieces[:2])
    least, most = np.minimum, np.maximum
    ends = (_extreme(r, group, v.astype(np.int64)) for r, v in zip((least, most, least, most), pieces[2:], strict=True))
    return [kept, whole, *ends]


def components(above: NDArray[Any]) -> NDArray[Any]:
    """Label connected cells alike (neighbours share a side).

    Written here because importing ``scipy.ndimage`` for it alone costs a tenth of a whole ``zsxai explain``.

    Args:
        above: ``(F, N)`` bool.

    Returns:
        ``(F, N)`` int64: the same number on all cells above of one component; other cells mean nothing.
    """
    before = np.zeros_like(above)
    before[:, 1:] = above[:, :-1]
    starts = above & ~before
    run = np.cumsum(starts).reshape(above.shape) - 1
    # Two runs of neighbouring rows touch where both are above, first where one of them starts.
    touch = above[1:] & above[:-1] & (starts[1:] | starts[:-1])
    one, other = run[1:][touch], run[:-1][touch]
    label = np.arange(starts.sum())
    while True:
        # Every run's root takes the least label next to it, then every run its root's label.
        least, found = np.minimum(label[one], label[other]), label.copy()
        np.minimum.at(found, label[one], least)
        np.minimum.at(found, label[other], least)
        found = found[found]
        if np.array_equal(found, label):
            labels: NDArray[Any] = np.append(label, 0)[run]
            return labels
        label = found
