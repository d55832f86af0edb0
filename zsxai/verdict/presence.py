"""Presence: does the model hear a prompt in a recording? It needs embeddings only, no map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zsxai.errors import InputError, first_line
from zsxai.model import ZeroShotModel
from zsxai.verdict.bank import Bank, Strongest, bank_of, embed_once
from zsxai.verdict.reference import MISTAKEN, Reference, check_reference, reference_of

SPREADS, CONSTANT = 1.13, 1.25
"""Evidence without reference figures: so much for each standard deviation of the recording's cosines with the bank that
the prompt lies above the bank's strongest sound, and a constant. Fitted on the twins of ``tiny``, as figures are."""
MISTAKES = 0.012
"""Part of the absent prompts that then pass on one window."""
DOUBT = 1.0
"""Without reference figures, evidence nearer to 0 than this decides nothing."""
RAMP = 2.0
"""Evidence from which on a window counts in full."""
KNOWN = 0.42
"""Text cosine with the nearest sound that a model was trained on under which a prompt is none of them: captions of
these sounds hardly ever lie below it."""


class Heard(NamedTuple):
    """How a model hears a prompt in one window.

    Attributes:
        similarity: Cosine of window and prompt.
        strongest: What else it resembles most.
        evidence: Above 0 the prompt counts as heard.
        level: The cosine at which it would be 0.
    """

    similarity: float
    strongest: Strongest
    evidence: float
    level: float


class Presence(NamedTuple):
    """How a model hears a prompt in a recording.

    Attributes:
        windows: Each window.
        best: Index of the window with the most evidence.
        bar: Evidence that it needs: 0 of one window, more of one among many.
        reference: The model's figures; None where it has none.
        nearest: The known sound that the prompt is nearest to, with their text cosine, where the model's card says
            which sounds it knows.
    """

    windows: tuple[Heard, ...]
    best: int
    bar: float
    reference: Reference | None
    nearest: tuple[str, float] | None

    @property
    def evidence(self) -> float:
        """That of the best window, over the bar: above 0 the prompt is heard."""
        return self.windows[self.best].evidence - self.bar

    @property
    def level(self) -> float:
        """The cosine of the best window at which it would just be heard."""
        heard = self.windows[self.best]
        if self.reference is not None:
            return self.reference.level(heard.strongest, self.bar)
        return heard.level + self.bar * max(heard.strongest.spread, 1e-6) / SPREADS

    @property
    def is_known(self) -> bool:
        """Whether the prompt is one of the sounds that the model knows, as far as its card says."""
        return self.nearest is None or self.nearest[1] >= KNOWN

    def weights(self) -> tuple[float, ...]:
        """How surely each window hears the prompt, in [0, 1], 0 where it does not.

        Empty where all count alike: there is one window, or none hears the prompt.
        """
        found = tuple(min(max(heard.evidence / RAMP, 0.0), 1.0) for heard in self.windows)
        return found if len(found) > 1 and any(found) else ()


def logistic(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """``1 / (1 + exp(-evidence))``."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(evidence, -50, 50))))


class Listener:
    """Asks one model whether it hears prompts; the bank and the figures are taken once.

    Args:
        model: The model.
        reference: Its figures; those that belong to it where None.
        progress: A bar where the bank is to be embedded; None for one on a terminal.

    Attributes:
        bank: The everyday sounds before the model; None where it cannot embed them.
        problem: Why it cannot.
    """

    def __init__(
        self, model: ZeroShotModel, reference: Reference | None = None, *, progress: bool | None = None
    ) -> None:
        self.model = model
        self.bank: Bank | None = None
        self.problem = ""
        # A model that takes only some prompts has no bank; how it says so is its own affair.
        try:
            self.bank = bank_of(model, progress=progress)
        except Exception as error:
            self.problem = first_line(error)
        self.reference = reference_of(model) if reference is None else check_reference(reference, model)
        self._known = embed_once(model, model.card.knows, progress=False) if model.card.knows else None

    def ask(self, windows: NDArray[np.float32], prompt: NDArray[np.float32], side_by_side: float = 1.0) -> Presence:
        """Does the model hear a prompt?

        Args:
            windows: ``(W, D)`` unit rows, the embeddings of a recording's windows.
            prompt: ``(D,)`` unit row, the prompt's embedding.
            side_by_side: How many windows the recording would have if they did not overlap.

        Raises:
            InputError: If the model cannot embed the bank.
        """
        if self.bank is None:
            raise InputError(f"{self.model.card.name} cannot embed the bank of everyday sounds: {self.problem}")
        similar, others = (windows @ prompt).tolist(), self.bank.strongest(windows, prompt)
        heard = [self._hear(*of_window) for of_window in zip(similar, others, strict=True)]
        best = max(range(len(heard)), key=lambda i: heard[i].evidence)
        return Presence(tuple(heard), best, self.bar(side_by_side), self.reference, self._nearest(prompt))

    def bar(self, side_by_side: float) -> float:
        """Evidence that one window of a recording needs.

        Args:
            side_by_side: How many windows the recording would have if they did not overlap.
        """
        if self.reference is not None:
            return self.reference.bar(side_by_side)
        return max(0.0, math.log(side_by_side * MISTAKES / MISTAKEN))

    def _hear(self, similarity: float, strongest: Strongest) -> Heard:
        if self.reference is not None:
            evidence = self.reference.evidence(similarity, strongest)
            return Heard(similarity, strongest, evidence, self.reference.level(strongest))
        spread = max(strongest.spread, 1e-6)
        evidence = SPREADS * (similarity - strongest.cosine) / spread + CONSTANT
        return Heard(similarity, strongest, evidence, strongest.cosine - CONSTANT * spread / SPREADS)

    def _nearest(self, prompt: NDArray[np.float32]) -> tuple[str, float] | None:
        if self._known is None:
            return None
        cosines: Sequence[float] = (self._known @ prompt).tolist()
        index = int(np.argmax(cosines))
        return self.model.card.knows[index], cosines[index]
