"""How many clips a model encodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from zsxai.model import Encoding, Features, SpectralModel, ZeroShotModel


@contextmanager
def counted(model: ZeroShotModel, add: Callable[[Tensor], object]) -> Iterator[None]:
    """Tell what a model encodes inside a ``with``; a spectral model at its encoder, a black box at its sound.

    Args:
        model: The model.
        add: Called with every batch before it is encoded; a row is a clip.
    """
    name = "encode" if isinstance(model, SpectralModel) else "embed_audio"
    inner: Callable[..., Any] = getattr(model, name)

    def encode(features: Features) -> Encoding:
        add(features.input)
        encoding: Encoding = inner(features)
        return encoding

    def embed_audio(waveforms: Tensor) -> Tensor:
        add(waveforms)
        embedded: Tensor = inner(waveforms)
        return embedded

    before = vars(model).get(name)
    vars(model)[name] = encode if isinstance(model, SpectralModel) else embed_audio
    try:
        yield
    finally:
        if before is None:
            del vars(model)[name]
        else:
            vars(model)[name] = before
