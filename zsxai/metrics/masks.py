"""How a mask is spread over its cells: the Gini index and the entropy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsxai.metrics.functional import Values, heard_rows

EPSILON = 1e-7
"""Added by Quantus to every cell before it ranks them."""

_BLOCK = 1 << 15
_RANKS = np.arange(_BLOCK, dtype=np.float64)


def sparseness(masks: Sequence[ArrayLike] | NDArray[Any], in_band: ArrayLike) -> Values:
    """Gini index of masks, as Quantus's ``Sparseness``: 0 all cells alike, near 1 one cell alone.

    Of the n cells a, divided by their maximum, increased by 1e-7 and sorted to rise:
    ``sum_k (2k - n - 1) a_k / (n sum_k a_k)`` (Chalasani et al., arXiv 1810.06583).

    Args:
        masks: B masks ``(F, N)`` in [0, 1].
        in_band: ``(F,)`` bool: rows that count.

    Returns:
        ``(B,)`` in [0, 1); 0 for a constant mask, an empty one too; NaN where no row counts.
    """
    return np.array([_gini(mask.ravel()) for mask in heard_rows(masks, in_band)], dtype=np.float64)


def complexity(masks: Sequence[ArrayLike] | NDArray[Any], in_band: ArrayLike) -> Values:
    """Entropy of masks in nats, as Quantus's ``Complexity``: ``-sum b log b`` with ``b = a / sum a``.

    Args:
        masks: B masks ``(F, N)`` in [0, 1].
        in_band: ``(F,)`` bool: rows that count.

    Returns:
        ``(B,)`` in [0, log n] for n cells (Bhatt et al., arXiv 2005.00631); NaN for an empty mask.
    """
    return np.array([_entropy(mask.ravel()) for mask in heard_rows(masks, in_band)], dtype=np.float64)


def _gini(cells: NDArray[Any]) -> float:
    count = cells.size
    rising = np.sort(_nonzero(cells))
    if not rising.size:
        return 0.0 if count else float("nan")
    total = ranked = 0.0
    for start, block in _blocks(rising):
        part = float(block.sum())
        total += part
        # Zeros come first: they add nothing, but take the lowest ranks.
        ranked += (2 * (count - rising.size + start) + 1 - count) * part + 2 * float(_RANKS[: block.size] @ block)
    # The weights of the ranks sum to 0, so what is added to every cell counts in the denominator alone.
    return ranked / (count * (total + count * EPSILON * float(rising[-1])))


def _entropy(cells: NDArray[Any]) -> float:
    total = weighted = 0.0
    for _, block in _blocks(_nonzero(cells)):
        total += float(block.sum())
        weighted += float(block @ np.log(block))
    return float("nan") if total == 0 else float(np.log(total)) - weighted / total


def _nonzero(cells: NDArray[Any]) -> NDArray[Any]:
    # Masks are often mostly zeros, and sorting many equal values is several times slower than sorting unlike ones.
    found = cells != 0
    return cells if found.all() else cells[found]


def _blocks(cells: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    # In doubles for accuracy, and by blocks that stay in the cache: a whole map in doubles costs more than the sort.
    for start in range(0, cells.size, _BLOCK):
        yield start, cells[start : start + _BLOCK].astype(np.float64)
