"""The sparse non-negative mix of concepts that is nearest to an embedding, for many embeddings at once.

Solved is, for every row z of a batch and a dictionary C with one unit row per word,

    min over w >= 0 of  ||C'w - z||^2 + penalty * sum(w)

(arXiv 2504.14076, section III; the same scale as the code of SpLiCE, arXiv 2402.10376). scikit-learn's
``Lasso(alpha, positive=True, fit_intercept=False)`` on D rows is the same problem at ``penalty = 2 * D * alpha``.

Each row has a set of words in use. On it the minimum is a linear system; words whose weight comes out negative leave,
words that are still drawn to what is left enter. A guess in single precision lets many enter and leave at a time. From
there the active set of Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23) goes on in double
precision, several words at a time while that lowers the objective and else by its single steps, so that it ends at the
minimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zsxai.errors import InputError

ROWS = 128
"""Rows that are solved side by side: bounds the memory of their systems, whatever their number."""
ENTER_FIRST = 16
"""Words that may enter a guess at once, or as many as are in use; after the guess a quarter of them."""
GUESSES = 12
"""Rounds of the guess at most: it is checked in any case."""
FEW = 64
"""Up to so many words a mix is gathered word by word; beyond, all words are multiplied."""
ROUNDING = 4.0
"""How far a word may be drawn to what is left and stay out, in units of rounding."""
RIDGE = 100.0
"""On the diagonal of every system, in units of rounding: two words of one embedding then share a weight, and no system
is singular."""
STEPS = 1000
"""Many times what any dictionary took; a row that needs more is given as it is, and its optimality residual says so."""
LEAST_PENALTY, LOWER, SEARCH = 1e-4, 0.7, 40
"""How :func:`decompose_to_count` looks: down to this part of the largest penalty, by this factor, in so many tries."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights, and how far they are from the minimum.

    Attributes:
        weights: ``(B, n)`` float64, 0 or more.
        penalty: ``(B,)`` on the sum of the weights.
        objective: ``(B,)`` squared residual plus the penalty.
        kkt: ``(B,)`` optimality residual: how far, at most, the gradient is from what the conditions of Karush, Kuhn
            and Tucker ask. ``2 C (z - C'w)`` equals the penalty on words in use and is no larger on others.
        gap: ``(B,)`` duality gap: the objective is no further than this above the minimum.
    """

    weights: Tensor
    penalty: Tensor
    objective: Tensor
    kkt: Tensor
    gap: Tensor

    @property
    def counts(self) -> Tensor:
        """Words in use, ``(B,)`` int64."""
        return (self.weights > 0).sum(dim=1)


class Solver:
    """A dictionary made ready: its products are taken once, for any number of decompositions.

    Args:
        concepts: ``(n, D)`` unit rows, one per word. ``n * n`` numbers are held in double and in single precision:
            48 MB for 2,000 words.
    """

    def __init__(self, concepts: Tensor) -> None:
        self.atoms = concepts.detach().cpu().double()
        self.gram = self.atoms @ self.atoms.T
        self._single = self.atoms.float(), self.gram.float()

    def largest_penalty(self, rows: Tensor) -> Tensor:
        """The penalty from which on every weight is 0, ``(B,)``: ``2 max_i <C_i, z>``; 0 where all words point away."""
        return 2 * (self._checked(rows) @ self.atoms.T).amax(dim=1).clamp_min(0.0)

    def decompose(self, rows: Tensor, penalty: float | Tensor, start: Tensor | None = None) -> Solution:
        """Decompose embeddings by a penalty.

        Args:
            rows: ``(B, D)`` unit rows, any number.
            penalty: On the sum of the weights, 0 or more: one number, or ``(B,)``.
            start: ``(B, n)`` weights to start from, such as those of a neighbouring penalty.

        Raises:
            InputError: If a penalty is negative or not finite, or the rows are of another dimension.
        """
        codes = self._checked(rows)
        given = torch.as_tensor(penalty, dtype=torch.float64)
        if not bool((given.isfinite() & (given >= 0)).all()):
            raise InputError(f"the penalty lambda is a finite number of 0 or more, not {penalty}")
        penalties = given.expand(len(codes))
        return self.measure(codes, penalties, self._solve(codes, penalties, start))

    def path(self, rows: Tensor, penalties: Sequence[float]) -> list[Solution]:
        """Decompose embeddings by one penalty after the other, each from the weights of the one before.

        Args:
            rows: ``(B, D)`` unit rows.
            penalties: From the largest to the smallest is the fastest way.

        Returns:
            A solution for each penalty, in their order.
        """
        found: list[Solution] = []
        for penalty in penalties:
            found.append(self.decompose(rows, penalty, found[-1].weights if found else None))
        return found

    def decompose_to_count(self, rows: Tensor, count: int) -> Solution:
        """Decompose embeddings into so many concepts each, or the next smaller number that a penalty gives.

        The number of words in use grows as the penalty falls, but for a few words here and there. From its largest
        value the penalty is lowered until there are too many words, and then found by bisection of its logarithm.

        Args:
            rows: ``(B, D)`` unit rows.
            count: Words at most.
        """
        codes, high = self._checked(rows), self.largest_penalty(rows)
        if count >= codes.shape[1]:  # no more words than dimensions are in use at a minimum: nothing to look for
            return self.decompose(codes, high * LEAST_PENALTY)
        found, weights = high.clone(), codes.new_zeros(len(codes), len(self.atoms))
        least, low = high * LEAST_PENALTY, torch.zeros_like(high)
        here = torch.arange(len(codes))[high > 0]
        for _ in range(SEARCH):
            tried = torch.where(low[here] > 0, (low[here] * high[here]).sqrt(), high[here] * LOWER)
            solved = self._solve(codes[here], tried, weights[here])
            used = (solved > 0).sum(dim=1)
            fits, fit = used <= count, here[used <= count]
            found[fit], high[fit], weights[fit] = tried[fits], tried[fits], solved[fits]
            low[here[~fits]] = tried[~fits]
            here = here[(used != count) & (high[here] > least[here])]
            if not len(here):
                break
        return self.measure(codes, found, weights)

    def _checked(self, rows: Tensor) -> Tensor:
        if rows.ndim != 2 or rows.shape[1] != self.atoms.shape[1]:
            raise InputError(
                f"concepts {tuple(self.atoms.shape)} and embeddings {tuple(rows.shape)} are not of one dimension: "
                "both come from the same model"
            )
        return rows.detach().cpu().double()

    def _solve(self, codes: Tensor, penalties: Tensor, start: Tensor | None) -> Tensor:
        """Weights ``(B, n)``."""
        parts = [codes.new_zeros(0, len(self.atoms))]
        for at in range(0, len(codes), ROWS):
            part = slice(at, at + ROWS)
            rows, half, first = codes[part], penalties[part] / 2, None if start is None else start[part].float()
            words = _guess(*self._single, rows.float(), half.float(), first)
            parts.append(_minimise(self.atoms, self.gram, rows, half, words))
        return torch.cat(parts)

    def measure(self, rows: Tensor, penalty: float | Tensor, weights: Tensor) -> Solution:
        """Objective, optimality residual and duality gap of weights ``(B, n)``, whoever found them."""
        codes = self._checked(rows)
        penalties = torch.as_tensor(penalty, dtype=torch.float64).expand(len(codes))
        residual = codes - _mix(weights, self.atoms)
        drawn = 2 * residual @ self.atoms.T
        over = drawn - penalties[:, None]
        kkt = torch.where(weights > 0, over.abs(), over.clamp_min(0.0)).amax(dim=1)
        objective = residual.square().sum(dim=1) + penalties * weights.sum(dim=1)
        # The dual is max <u, z> - |u|^2 / 4 over u with C u <= penalty; twice the residual, scaled until it fits.
        scale = (penalties / drawn.amax(dim=1).clamp_min(1e-300)).clamp(0.0, 1.0)
        dual = 2 * scale[:, None] * residual
        gap = objective - ((dual * codes).sum(dim=1) - dual.square().sum(dim=1) / 4)
        return Solution(weights, penalties, objective, kkt, gap.clamp_min(0.0))


def penalty_of_alpha(alpha: float, dimensions: int, audio_norm: float = 1.0, text_norm: float = 1.0) -> float:
    """The penalty that scikit-learn's ``alpha`` is, where its rows were not made unit.

    With ``(1 / 2D) ||C'v - y||^2 + alpha sum(v)`` on rows of norms ``audio_norm`` (y) and ``text_norm`` (C), the unit
    rows have weights ``w = v text_norm / audio_norm`` and the penalty ``2 D alpha / (audio_norm text_norm)``.

    Args:
        alpha: As ``Lasso`` takes it.
        dimensions: D.
        audio_norm: Norm of the embeddings of recordings; near ``sqrt(D)`` after a layer norm.
        text_norm: Norm of those of words.
    """
    return 2 * dimensions * alpha / (audio_norm * text_norm)


def _guess(atoms: Tensor, gram: Tensor, codes: Tensor, half: Tensor, start: Tensor | None) -> Tensor:
    """Weights near the minimum, with nearly always its words; ``half`` is ``(B,)``, half of the penalties.

    Words with a negative weight leave all at once and without another solution, which may raise the objective.
    """
    rounding = ROUNDING * torch.finfo(codes.dtype).eps
    pull, done = codes @ atoms.T - half[:, None], codes.new_zeros(len(codes), len(atoms))
    here, active = torch.arange(len(codes)), done > 0 if start is None else start > 0
    drawn = pull.masked_fill(active.any(dim=1, keepdim=True), 0.0)
    for _ in range(GUESSES):
        active = active | _entering(drawn, active.sum(dim=1).clamp_min(ENTER_FIRST), rounding)
        weights = _solve_words(gram, pull, active).clamp_min_(0.0)
        done[here] = weights
        lost = (active & (weights <= 0)).any(dim=1)
        active = weights > 0
        drawn = ((codes - _mix(weights, atoms)) @ atoms.T - half[:, None]).masked_fill_(active, 0.0)
        left = lost | (drawn.amax(dim=1) > rounding)
        if not left.any():
            break
        codes, half, pull, drawn, active, here = (each[left] for each in (codes, half, pull, drawn, active, here))
    return done


def _solve_words(gram: Tensor, pull: Tensor, active: Tensor) -> Tensor:
    """Weights of the words in use, whatever their sign, ``(B, n)``."""
    out = torch.zeros_like(pull)
    systems, sides, inside, at = _systems(gram, pull, active)
    return out.scatter_(1, at, _solve(systems, sides, inside)) if at.shape[1] else out


def _systems(gram: Tensor, pull: Tensor, active: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Systems of the words in use, padded to the longest: ``(B, m, m)``, right sides, which are real, and the words."""
    real, at = active.to(torch.uint8).topk(int(active.sum(dim=1).max()), dim=1)
    systems = torch.take(gram, at[:, :, None] * len(gram) + at[:, None, :])
    return systems, pull.gather(1, at), real > 0, at


def _mix(weights: Tensor, atoms: Tensor) -> Tensor:
    """``weights @ atoms``, where most weights are 0."""
    most = int((weights > 0).sum(dim=1).max()) if len(weights) else 0
    if most > FEW:
        return weights @ atoms
    values, at = weights.topk(most, dim=1)
    return (values[:, None] @ atoms[at.flatten()].view(*at.shape, atoms.shape[1]))[:, 0]


def _minimise(atoms: Tensor, gram: Tensor, codes: Tensor, half: Tensor, start: Tensor) -> Tensor:
    """Weights of some rows, to the last digits of what is given.

    A row that has its minimum is set aside, so that what is computed on is what is left.
    """
    rounding = ROUNDING * torch.finfo(codes.dtype).eps
    pull, done = codes @ atoms.T - half[:, None], codes.new_zeros(len(codes), len(atoms))
    here, careful = torch.arange(len(codes)), torch.zeros_like(half, dtype=torch.bool)
    weights, active = _settle(gram, pull, torch.zeros_like(done), start > 0, careful)
    value = -(pull * weights).sum(dim=1)
    for _ in range(STEPS):
        drawn = ((codes - _mix(weights, atoms)) @ atoms.T - half[:, None]).masked_fill_(active, 0.0)
        left = (drawn.amax(dim=1) > rounding) & (value < torch.inf)
        done[here[~left]] = weights[~left]
        if not left.any():
            break
        state = (codes, half, pull, weights, value, active, careful, here, drawn)
        codes, half, pull, weights, value, active, careful, here, drawn = (each[left] for each in state)
        room = (active.sum(dim=1).clamp_min(ENTER_FIRST) // 4).masked_fill(careful, 1)
        new, used = _settle(gram, pull, weights, active | _entering(drawn, room, rounding), careful)
        reached = -(pull * new).sum(dim=1)
        lower = reached < value - rounding
        weights = torch.where(lower[:, None], new, weights)
        active = torch.where(lower[:, None], used, active)
        # Where not even a careful step lowers it, what is left is rounding.
        value = torch.where(lower, reached, value.masked_fill(careful, torch.inf))
        careful = ~lower
    else:
        done[here] = weights
    return done


def _entering(drawn: Tensor, room: Tensor, rounding: float) -> Tensor:
    """The words most drawn to what is left, ``(B, n)`` bool: so many in a row at most."""
    best, at = drawn.topk(min(int(room.max()), drawn.shape[1]), dim=1)
    taken = (torch.arange(best.shape[1]) < room[:, None]) & (best > rounding)
    return torch.zeros_like(drawn, dtype=torch.bool).scatter_(1, at, taken)


def _settle(gram: Tensor, pull: Tensor, weights: Tensor, active: Tensor, careful: Tensor) -> tuple[Tensor, Tensor]:
    """Minimise over the words in use, and let go those whose weight would be negative, until none is.

    All of them at once; in careful rows, as Lawson and Hanson do, one walks from the weights there are until the first
    weight is 0, which never raises the objective.

    Returns:
        Weights and words in use, ``(B, n)``.
    """
    out, used = torch.zeros_like(weights), torch.zeros_like(active)
    # What leaves is taken out of the systems in place.
    systems, sides, inside, at = _systems(gram, pull, active)
    if not at.shape[1]:
        return out, used
    walked = weights.gather(1, at)
    here = torch.arange(len(pull))
    while True:
        solved = _solve(systems, sides, inside)
        negative = inside & (solved <= 0)
        left = negative.any(dim=1)
        rows, places = here[~left, None], at[~left]
        out[rows, places], used[rows, places] = solved[~left], inside[~left]
        if not left.any():
            return out, used
        state = (systems, sides, inside, walked, at, here, solved, negative)
        systems, sides, inside, walked, at, here, solved, negative = (each[left] for each in state)
        slow = careful[here, None]
        share = torch.where(negative, walked / (walked - solved).clamp_min(1e-300), torch.inf)
        step = share.amin(dim=1, keepdim=True)
        walked = torch.where(slow, (walked + step * (solved - walked)).clamp_min(0.0), walked)
        inside &= ~(negative & (~slow | (share <= step)))


def _solve(systems: Tensor, sides: Tensor, inside: Tensor) -> Tensor:
    """Solve ``(B, m, m)`` systems for the words that are inside; the others get ones on the diagonal, and 0."""
    outside = ~inside
    own = systems.masked_fill(outside[:, :, None] | outside[:, None, :], 0.0)
    own.diagonal(dim1=1, dim2=2).add_(outside.to(own) + RIDGE * torch.finfo(own.dtype).eps)
    factors, _ = torch.linalg.cholesky_ex(own)
    return torch.cholesky_solve(sides.masked_fill(outside, 0.0)[:, :, None], factors)[:, :, 0]
