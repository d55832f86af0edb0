"""Frechet distance of two sets of embeddings, and how far few of them push it up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsxai.errors import InputError
from zsxai.metrics.functional import Values


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Frechet distance of the Gaussians of two sets (Frechet audio distance; Kilgour et al., arXiv 1812.08466).

    ``|m_P - m_Q|^2 + tr(S_P + S_Q - 2 (S_P S_Q)^(1/2))``; the trace of the root is the sum of the roots of the
    eigenvalues of ``S_P^(1/2) S_Q S_P^(1/2)``, which is symmetric, so no complex root arises.

    The distance of finite sets is too high, by more the fewer rows and the more dimensions: compare sets of one size
    and print :func:`frechet_bias` beside it. It depends on the encoder, too: name it.

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


def frechet_bias(
    embeddings: ArrayLike, sizes: Sequence[int], draws: int = 10, seed: int = 0, groups: Sequence[str] | None = None
) -> Values:
    """Distances between disjoint parts of one set: what the distance of two samples of the same sounds is.

    Args:
        embeddings: ``(n, D)``.
        sizes: Rows in each of the two parts, at most :func:`largest_half`: n / 2 where every row is its own recording.
        draws: Pairs of parts per size.
        seed: Seed of the draws.
        groups: ``(n,)`` recording that each row was cut from: parts are of whole recordings, the last of each cut to
            the size. Windows of one recording are alike, and on both sides they would make the bias look small. Each
            row counts as its own recording where None.

    Returns:
        ``(len(sizes), draws)``; without bias they would scatter about 0.

    Raises:
        InputError: If a size does not fit, or there is not one group per row.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    names = np.arange(len(rows)) if groups is None else np.asarray(groups)
    if len(names) != len(rows):
        raise InputError(f"{len(names)} groups for {len(rows)} rows: name the recording of every row")
    most = largest_half(names)
    for size in sizes:
        if not 2 <= size <= most:
            whole = "" if groups is None else " of whole recordings"
            raise InputError(f"two disjoint parts of {len(rows)} rows{whole} hold 2 to {most} each, not {size}")
    generator = np.random.default_rng(seed)
    found = np.empty((len(sizes), draws))
    for index, size in enumerate(sizes):
        for draw in range(draws):
            one, two = draw_parts(names, [size, size], generator)
            found[index, draw] = frechet_distance(rows[one], rows[two])
    return found


def largest_half(groups: ArrayLike) -> int:
    """Rows that either of two parts of whole groups holds, in whatever order the groups ``(n,)`` are drawn."""
    counts = np.unique(np.asarray(groups), return_counts=True)[1]
    # The cut may leave out all but one row of the largest group.
    return int(counts.sum() - counts.max(initial=1) + 1) // 2


def draw_parts(groups: ArrayLike, sizes: Sequence[int], generator: np.random.Generator) -> list[NDArray[Any]]:
    """Draw disjoint parts of rows without putting rows of one group into two parts.

    Args:
        groups: ``(n,)`` group of every row.
        sizes: Rows of each part. It takes whole groups in random order, and of the last one what is missing.
        generator: Generator of the order.

    Returns:
        ``(size,)`` indices of rows, for every part; fewer where the groups run out.
    """
    _, of_row, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    members = np.split(np.argsort(of_row, kind="stable"), np.cumsum(counts)[:-1])
    order = iter(generator.permutation(len(counts)))
    parts = []
    for size in sizes:
        part: list[int] = []
        while len(part) < size and (group := next(order, None)) is not None:
            part.extend(members[group])
        parts.append(np.array(part[:size], dtype=np.intp))
    return parts


def _moments(embeddings: ArrayLike) -> tuple[Values, Values]:
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise InputError(f"a set of embeddings has two rows or more, (n, D), not {rows.shape}")
    return rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False))


def _roots(eigenvalues: Values) -> Values:
    # Below this an eigenvalue is rounding; a thousand roots of it would add up.
    least = eigenvalues.max(initial=0.0) * eigenvalues.size * np.finfo(np.float64).eps
    return np.asarray(np.sqrt(np.where(eigenvalues > least, eigenvalues, 0.0)))
