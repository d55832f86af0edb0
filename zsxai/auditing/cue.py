"""Parts of a sound in which a cue may lie, and which of a recording's cells they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zsxai.auditing.profile import EDGE_PARTS, PARTS
from zsxai.level import ACTIVE
from zsxai.spectral import Grid
from zsxai.value import Value

Kind = Literal["band", "start", "end", "silence", "outside", "tone", "click"]
PARTS_OF_SOUND: tuple[Kind, ...] = ("band", "start", "end", "silence", "outside")
"""Where evidence may lie; the other two kinds are what recordings share, whatever the model makes of it."""
EDGE = EDGE_PARTS / PARTS
"""Part of a clip that is an edge."""
LEAK = 0.02
"""Seconds at either side of a click that frames of a transform spread it over."""


class Place(Value):
    """Where a cue lies.

    Attributes:
        kind: What it is.
        low: Lowest hertz of a band or a steady tone.
        high: Highest hertz.
        start: Seconds of a click from the start of a clip, or negative ones from its end.
        stop: Likewise.
    """

    kind: Kind
    low: float = 0.0
    high: float = 0.0
    start: float = 0.0
    stop: float = 0.0

    def __str__(self) -> str:
        if self.kind in ("band", "tone"):
            low, high, unit = (
                (self.low, self.high, "Hz") if self.low < 1000 else (self.low / 1e3, self.high / 1e3, "kHz")
            )
            return f"{low:.0f}-{high:.0f} {unit}" if unit == "Hz" else f"{low:.1f}-{high:.1f} {unit}"
        if self.kind == "click":
            since = "after the start" if self.start >= 0 else "before the end"
            return f"{min(abs(self.start), abs(self.stop)):.2f}-{max(abs(self.start), abs(self.stop)):.2f} s {since}"
        named = {"start": f"the first {EDGE:.0%} of the clip", "end": f"the last {EDGE:.0%} of the clip"}
        return named.get(self.kind, "near-silence" if self.kind == "silence" else "time that is not annotated")

    def mask(
        self, grid: Grid, power: NDArray[Any], annotated: Sequence[tuple[float, float]] | None = None
    ) -> NDArray[np.float32]:
        """1 on the cells of a recording that lie in the part, 0 elsewhere, ``(F, N)``.

        Args:
            grid: Grid of the recording.
            power: ``(F, N)`` on it.
            annotated: Start and stop in seconds of what is annotated in it.
        """
        rows, frames = np.ones(len(grid.frequencies), dtype=bool), np.ones(len(grid.times), dtype=bool)
        edges, end = grid.time_edges, float(grid.time_edges[-1])
        if self.kind in ("band", "tone"):
            rows = (grid.frequency_edges[1:] > self.low) & (grid.frequency_edges[:-1] < self.high)
        elif self.kind == "silence":
            loud = power[grid.in_band].sum(axis=0)
            frames = loud <= ACTIVE * loud.max()
        elif self.kind == "outside":
            frames &= annotated is not None
            for start, stop in annotated or ():
                frames &= (edges[1:] <= start) | (edges[:-1] >= stop)
        else:
            start, stop = (self.start, self.stop) if self.start >= 0 else (end + self.start, end + self.stop)
            if self.kind == "click":
                start, stop = start - LEAK, stop + LEAK
            else:
                start, stop = (0.0, EDGE * end) if self.kind == "start" else ((1 - EDGE) * end, end)
            frames = (edges[1:] > start) & (edges[:-1] < stop)
        return np.outer(rows, frames).astype(np.float32)
