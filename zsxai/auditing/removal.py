"""What scores are without a part of the sound: heard, as audio that was rendered without it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zsxai.auditing.cue import Place
from zsxai.model import ZeroShotModel
from zsxai.recording import Recording
from zsxai.target import BoundTarget

Spans = Sequence[tuple[float, float]]


def falls(
    recording: Recording, target: BoundTarget, places: Sequence[Place], annotated: Spans | None = None
) -> list[float]:
    """How far the score of a recording falls without each of some parts.

    Args:
        recording: Before its model.
        target: Whose score it is.
        places: The parts.
        annotated: Start and stop in seconds of what is annotated in it.
    """
    power = recording.power.cpu().numpy()
    whole = _score(recording.model, target, [recording.embedding(i) for i in range(len(recording.spans))])
    found = []
    for place in places:
        mask = torch.from_numpy(place.mask(recording.grid, power, annotated))
        without = recording.render(mask[None], residue=True)
        with torch.no_grad():
            parts = [recording.model.embed_audio(without[:, start:stop])[0] for start, stop in recording.spans]
        found.append(whole - _score(recording.model, target, parts))
    return found


def _score(model: ZeroShotModel, target: BoundTarget, embeddings: Sequence[torch.Tensor]) -> float:
    with torch.no_grad():
        cosines = model.audio_spec.pool(target.cosines(torch.stack(list(embeddings))))
        return float(target.value(cosines[None])[0])
