"""How far two maps of one recording agree, and where they differ most.

Maps of unlike models lie on unlike grids. All are averaged onto one raster first: mel-spaced rows inside the band that
every model hears, columns evenly in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.explanation import Explanation
from zsxai.metrics.similarity import pearson, ranks
from zsxai.regions import find_regions, within
from zsxai.spectral import Grid, overlap
from zsxai.spectral.front_end import hz_to_mel, mel_to_hz
from zsxai.value import Value

ROWS, COLUMNS, STEP = 64, 1000, 0.05
"""Rows of the common raster; columns at most; seconds of a column, where these suffice."""
LEAST = 0.1
"""Two that nowhere differ by so much in the part of the power that they keep differ nowhere worth naming."""
HALF_DB = 10.0 * float(np.log10(0.5))
"""Half of the greatest difference, as a level."""


class Difference(Value):
    """The connected part of seconds x hertz in which two explanations keep most unlike parts of the recording.

    Attributes:
        start: Seconds.
        stop: Seconds.
        low: Hertz.
        high: Hertz.
        first: Part of the recording's power there that the first keeps.
        second: Part that the second keeps.
    """

    start: float
    stop: float
    low: float
    high: float
    first: float
    second: float

    @property
    def where(self) -> str:
        """Seconds and hertz in words."""
        return f"{self.start:.2f}-{self.stop:.2f} s, {self.low:,.0f}-{self.high:,.0f} Hz"

    def describe(self, first: str, second: str) -> str:
        """In words, with the names of the two."""
        return f"at {self.where}: {first} keeps {self.first:.0%} of the energy there, {second} {self.second:.0%}"


class Agreement(Value):
    """Of two explanations of one prompt.

    Attributes:
        prompt: What was listened for.
        first: Label of a cell (:attr:`zsxai.comparison.comparison.Cell.label`).
        second: Label of another.
        correlation: Spearman's rank correlation of relevance, in [-1, 1]; None where a map is flat or not finite.
        overlap: What both keep within 6 dB of the recording, over what either does, in [0, 1] (intersection over
            union); None where neither keeps anything.
        difference: Where what they keep differs most; None where it does not.
    """

    prompt: str
    first: str
    second: str
    correlation: float | None
    overlap: float | None
    difference: Difference | None


@dataclass(frozen=True, eq=False)
class Rastered:
    """An explanation on the common raster.

    Attributes:
        relevance: ``(R, C)``, raw.
        power: ``(R, C)``, of the recording.
        gain: ``(R, C)`` in [0, 1]: the part of the power that is kept.
        heard: ``(R, C)`` bool: where at least half of a cell is within 6 dB of the recording.
    """

    relevance: NDArray[Any]
    power: NDArray[Any]
    gain: NDArray[Any]
    heard: NDArray[Any]

    @cached_property
    def ranks(self) -> NDArray[Any] | None:
        """Of :attr:`relevance`; None where it is not finite."""
        return ranks(self.relevance) if np.isfinite(self.relevance).all() else None


def common_grid(explanations: Sequence[Explanation]) -> Grid:
    """The raster on which explanations of one recording are compared."""
    low = max(e.grid.band[0] for e in explanations)
    high = min(e.grid.band[1] for e in explanations)
    seconds = min(e.seconds for e in explanations)
    edges = mel_to_hz(np.linspace(float(hz_to_mel(low)), float(hz_to_mel(high)), ROWS + 1))
    times = np.linspace(0.0, seconds, int(np.clip(round(seconds / STEP), 2, COLUMNS)) + 1)
    return Grid(_middles(edges), _middles(times), edges, times, "map", (low, high))


def rastered(explanation: Explanation, onto: Grid) -> Rastered:
    """An explanation averaged over the cells of a raster."""
    e = explanation
    rows = overlap(e.grid.frequency_edges, onto.frequency_edges)
    columns = overlap(e.grid.time_edges, onto.time_edges).T

    def average(values: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = rows @ values.astype(np.float64) @ columns
        return found

    heard = within(e.gain) & e.grid.in_band[:, None]
    return Rastered(average(e.relevance), average(e.power), average(e.gain), average(heard) >= 0.5)


def agree(prompt: str, first: tuple[str, Rastered], second: tuple[str, Rastered], grid: Grid) -> Agreement:
    """How far two explanations agree.

    Args:
        prompt: What was listened for.
        first: Label and map.
        second: Label and map.
        grid: Their raster.
    """
    one, other = first[1], second[1]
    either = np.count_nonzero(one.heard | other.heard)
    return Agreement(
        prompt=prompt,
        first=first[0],
        second=second[0],
        correlation=correlation(one, other),
        overlap=np.count_nonzero(one.heard & other.heard) / either if either else None,
        difference=_difference(one, other, grid),
    )


def correlation(first: Rastered, second: Rastered) -> float | None:
    """Spearman's rank correlation of relevance; None where a map is flat or not finite."""
    if first.ranks is None or second.ranks is None:
        return None
    found = pearson(first.ranks, second.ranks)
    return None if np.isnan(found) else float(np.clip(found, -1.0, 1.0))


def _difference(first: Rastered, second: Rastered, grid: Grid) -> Difference | None:
    apart = np.abs(first.gain - second.gain)
    most = float(apart.max(initial=0.0))
    if most < LEAST:
        return None
    # The loudest part in which they are at least half as far apart as anywhere.
    region = find_regions(apart / most, first.power, grid, 1, HALF_DB)[0]
    rows = (grid.frequencies > region.low) & (grid.frequencies < region.high)
    columns = (grid.times > region.start) & (grid.times < region.stop)
    inside = np.ix_(rows, columns)
    kept = {
        name: float((one.gain * first.power)[inside].sum() / max(first.power[inside].sum(), 1e-30))
        for name, one in (("first", first), ("second", second))
    }
    return Difference(start=region.start, stop=region.stop, low=region.low, high=region.high, **kept)


def _middles(edges: NDArray[Any]) -> NDArray[Any]:
    return np.array([(low + high) / 2 for low, high in pairwise(edges)])
