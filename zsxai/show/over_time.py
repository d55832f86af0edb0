"""Words over time, as the page and the plot draw them: which rows, and where the columns lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from zsxai.concepts.explanation import Concept, ConceptExplanation

ROWS, WHOLE = 16, 10
"""Rows at most, and those among them at most that are concepts of the whole recording."""
PASSING = 0.1
"""Concepts that only windows have are drawn from this part of the largest weight on."""


class OverTime(NamedTuple):
    """A picture of words over time.

    Attributes:
        rows: Concepts of the whole, strongest first, then passing ones, by their largest weight.
        whole: How many of the rows are concepts of the whole.
        weights: ``(R, W)``.
        edges: ``(W + 1,)`` seconds where columns meet: midway between the centres of windows, which overlap.
    """

    rows: tuple[Concept, ...]
    whole: int
    weights: NDArray[Any]
    edges: NDArray[Any]

    @property
    def peak(self) -> float:
        """The largest weight, 0 where no window says a word."""
        return float(self.weights.max(initial=0.0))


def choose_rows(explanation: ConceptExplanation) -> OverTime:
    """What fits a picture: at most 16 rows."""
    rows, weights = explanation.over_time()
    largest = weights.max(axis=1, initial=0.0)
    count = len(explanation.concepts)
    whole = list(range(min(count, WHOLE)))
    loud = [i for i in range(count, len(rows)) if largest[i] >= PASSING * largest.max()]
    passing = sorted(loud, key=lambda i: -largest[i])[: ROWS - len(whole)]
    chosen = [*whole, *passing]
    return OverTime(tuple(rows[i] for i in chosen), len(whole), weights[chosen], _edges(explanation))


def _edges(explanation: ConceptExplanation) -> NDArray[Any]:
    centres = np.array([(w.start + w.stop) / 2 for w in explanation.windows])
    return np.concatenate([[0.0], (centres[1:] + centres[:-1]) / 2, [explanation.seconds]])
