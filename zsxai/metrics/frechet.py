"""Frechet distance of two sets of embeddings, and how far few of them push it up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from zsxai.errors import InputError
from zsxai.metrics.functional import Values


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Frechet distance of the Gaussians of two sets (Frechet audio distance; Kilgour et al., arXiv 1812.08466).

    ``|m_P - m_Q|^2 + tr(S_P + S_Q - 2 (S_P S_Q)^(1/2))``; the trace of the root is the sum of the roots of the
    eigenvalues of ``S_P^(1/2) S_Q S_P^(1/2)``, which is symmetric, so no complex root arises.

    The distance of finite sets is too high, by more the fewer rows and the more dimensions: compare sets of one size
    and print :func:`frechet_bias` beside it. It hangs on the encoder, too: name it.

    Args:
        first: ``(n, D)``, n > 1.
        second: ``(m, D)``, m > 1.

    Raises:
        InputError: If a set has fewer than two rows, or the widths differ.
    """
    (mean_p, spread_p), (mean_q, spread_q) = _moments(first), _moments(second)
    if mean_p.size != mean_q.size:
        raise InputError(f"embeddings of unlike widths, {mean_p.size} and {mean_q.size}: use one encoder for both")
    values, vectors = np.linalg.eigh(spread_p)
    root = (vectors * _roots(values)) @ vectors.T
    overlap = float(_roots(np.linalg.eigvalsh(root @ spread_q @ root)).sum())
    return float(np.sum((mean_p - mean_q) ** 2) + np.trace(spread_p) + np.trace(spread_q) - 2.0 * overlap)


def frechet_bias(embeddings: ArrayLike, sizes: Sequence[int], draws: int = 10, seed: int = 0) -> Values:
    """Distances between disjoint parts of one set: what the distance of two samples of the same sounds is.

    Args:
        embeddings: ``(n, D)``.
        sizes: Rows in each of the two parts, at most n / 2.
        draws: Pairs of parts per size.
        seed: Of the draws.

    Returns:
        ``(len(sizes), draws)``; without bias they would scatter about 0.

    Raises:
        InputError: If a size does not fit.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    for size in sizes:
        if not 2 <= size <= len(rows) // 2:
            raise InputError(f"two disjoint parts of {len(rows)} rows hold 2 to {len(rows) // 2} each, not {size}")
    generator = np.random.default_rng(seed)
    found = np.empty((len(sizes), draws))
    for index, size in enumerate(sizes):
        for draw in range(draws):
            chosen = generator.permutation(len(rows))[: 2 * size]
            found[index, draw] = frechet_distance(rows[chosen[:size]], rows[chosen[size:]])
    return found


def _moments(embeddings: ArrayLike) -> tuple[Values, Values]:
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise InputError(f"a set of embeddings has two rows or more, (n, D), not {rows.shape}")
    return rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False))


def _roots(eigenvalues: Values) -> Values:
    # Below this an eigenvalue is rounding; a thousand roots of it would add up.
    least = eigenvalues.max(initial=0.0) * eigenvalues.size * np.finfo(np.float64).eps
    return np.asarray(np.sqrt(np.where(eigenvalues > least, eigenvalues, 0.0)))
