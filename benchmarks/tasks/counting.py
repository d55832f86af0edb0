"""How many clips a model encoded, and for whom."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from torch import Tensor

from zsxai import counting
from zsxai.model import ZeroShotModel


class Forwards:
    """Clips encoded, by purpose.

    Attributes:
        rows: Clips by purpose.
        seen: How often each input was encoded for the harness, by hash; kept only where asked for.
    """

    def __init__(self, *, remember: bool = False) -> None:
        self.rows: Counter[str] = Counter()
        self.seen: Counter[str] | None = Counter() if remember else None
        self._purpose = "harness"

    @contextmanager
    def on_behalf_of(self, purpose: str) -> Iterator[None]:
        """Count under another purpose inside a ``with``."""
        before, self._purpose = self._purpose, purpose
        try:
            yield
        finally:
            self._purpose = before

    def add(self, inputs: Tensor) -> None:
        """Count a batch."""
        self.rows[self._purpose] += len(inputs)
        if self.seen is not None and self._purpose == "harness":
            for row in inputs.detach().cpu():
                self.seen[hashlib.sha256(row.contiguous().numpy().tobytes()).hexdigest()] += 1


def counted(model: ZeroShotModel, forwards: Forwards) -> AbstractContextManager[None]:
    """Count what a model encodes inside a ``with``, as :func:`zsxai.counting.counted` does."""
    return counting.counted(model, forwards.add)
