"""Peaks: where a prompt's windows lie above a threshold, one stretch for all that share sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zsxai.value import Value
from zsxai.written import clock

if TYPE_CHECKING:
    from zsxai.explanation import Explanation


class Peak(Value):
    """A stretch of a recording in which windows lie above a threshold.

    Windows are as long as the model hears at once, so its edges are coarse: the sound lies somewhere between them.

    Attributes:
        prompt: The prompt.
        start: Start of the first window, seconds.
        stop: End of the last, seconds.
        at: Middle of the strongest window, seconds.
        window: Start and end of the strongest window.
        windows: How many windows it spans.
        cosine: Cosine of the strongest window and the prompt.
        presence: How likely it is that the model hears the prompt there, in [0, 1]; None where that is not known.
        clear: Whether the strongest window has more evidence than absent prompts reach by chance in a recording of
            this length (in 5 % of recordings); None where that is not known.
    """

    prompt: str
    start: float
    stop: float
    at: float
    window: tuple[float, float]
    windows: int = Field(ge=1)
    cosine: float
    presence: float | None = None
    clear: bool | None = None

    def __str__(self) -> str:
        heard = "" if self.presence is None else f"presence {self.presence:.0%}, "
        chance = "; absent sounds reach that by chance in a recording this long" if self.clear is False else ""
        return f"{clock(self.start)}-{clock(self.stop)} {self.prompt!r} ({heard}cosine {self.cosine:.2f}{chance})"


class ExplainedPeak(NamedTuple):
    """A peak and the explanation of the sound around it.

    Attributes:
        peak: The peak.
        start: Where in the recording the explained piece starts, seconds.
        explanation: Of the piece alone: its times count from ``start``.
    """

    peak: Peak
    start: float
    explanation: Explanation


class Run(NamedTuple):
    """Windows ``first`` to ``last`` above a threshold, ``best`` the one furthest above it."""

    first: int
    last: int
    best: int


def find_runs(values: NDArray[Any], starts: NDArray[Any], stops: NDArray[Any], threshold: float) -> list[Run]:
    """Join windows above a threshold, the strongest run first.

    Windows that share sound belong to one run, those between them too; so the best windows of two runs never overlap.

    Args:
        values: ``(W,)`` of the windows.
        starts: ``(W,)``, rising.
        stops: ``(W,)``, rising.
        threshold: What a window of a run is above.
    """
    above = np.flatnonzero(values > threshold)
    if not len(above):
        return []
    parts = np.split(above, np.flatnonzero(starts[above[1:]] >= stops[above[:-1]]) + 1)
    runs = [Run(int(part[0]), int(part[-1]), int(part[values[part].argmax()])) for part in parts]
    return sorted(runs, key=lambda run: -values[run.best])
