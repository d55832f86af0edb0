"""Embeddings of recordings, whole and in parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zsxai.clip import batches
from zsxai.model import check_rows
from zsxai.recording import Recording


def embed_recording(recording: Recording) -> Tensor:
    """Unit embedding of a recording, ``(D,)`` float64: the mean over its windows, so that cosines are mean cosines."""
    rows = torch.stack([recording.embedding(index) for index in range(len(recording.clips))])
    check_rows(rows, len(recording.clips), recording.model.card.name, "clips")
    return torch.nn.functional.normalize(rows.double().mean(dim=0), dim=0).cpu()


def embed_spans(recording: Recording, spans: Sequence[tuple[int, int]]) -> Tensor:
    """Unit embeddings of stretches of a recording, given in samples, ``(W, D)`` float64."""
    return recording.batch.run(lambda size: _embed_spans(recording, spans, size))


def _embed_spans(recording: Recording, spans: Sequence[tuple[int, int]], size: int) -> Tensor:
    model, rows = recording.model, []
    for part in batches(len(spans), size):
        cut = [recording.waveform[start:stop] for start, stop in spans[part]]
        alike = len({len(piece) for piece in cut}) == 1
        rows += [model.embed_audio(torch.stack(cut))] if alike else [model.embed_audio(piece[None]) for piece in cut]
    if not rows:
        return torch.zeros(0, len(recording.embedding(0)), dtype=torch.float64)
    return torch.nn.functional.normalize(torch.cat(rows).double().cpu(), dim=1)
