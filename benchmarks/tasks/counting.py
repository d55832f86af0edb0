"""How many clips a model encoded, and for whom."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from zsxai.model import Encoding, Features, SpectralModel, ZeroShotModel


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


@contextmanager
def counted(model: ZeroShotModel, forwards: Forwards) -> Iterator[None]:
    """Count what a model encodes inside a ``with``; a spectral model at its encoder, a black box at its sound."""
    name = "encode" if isinstance(model, SpectralModel) else "embed_audio"
    inner: Callable[..., Any] = getattr(model, name)

    def encode(features: Features) -> Encoding:
        forwards.add(features.input)
        encoding: Encoding = inner(features)
        return encoding

    def embed_audio(waveforms: Tensor) -> Tensor:
        forwards.add(waveforms)
        embedded: Tensor = inner(waveforms)
        return embedded

    vars(model)[name] = encode if isinstance(model, SpectralModel) else embed_audio
    try:
        yield
    finally:
        del vars(model)[name]
