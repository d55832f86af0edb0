"""What gradient explainers share: gradients of many targets by one forward, at a tap or at log-mel above the floor.

Relevance of cells is attributed in ``z = log(mel / floor)``, cut at 0: silence is z = 0, so the baseline of
integrated gradients is silence and its completeness error stays small (in mel power it does not).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from zsxai.clip import Clip, Relevance, batches, features_of, keep_encodings
from zsxai.errors import InputError
from zsxai.hooks import graph_starts_at
from zsxai.model import Encoding, FeatureMap, Features, SpectralModel
from zsxai.spectral import mel_grid
from zsxai.target import BoundTarget


def log_mel_above_floor(clip: Clip) -> Tensor:
    """``(1, n_mels, N)`` of the filled window, nepers of power above the model's floor, >= 0."""
    floor = clip.spectral.front_end.spec.floor
    return torch.log(clip.features.mel.clamp(min=floor) / floor).float()


def embed_log_mel(clip: Clip, z: Tensor) -> Tensor:
    """Embedding as a function of :func:`log_mel_above_floor`, ``(B, n_mels, N)`` to ``(B, D)``."""
    model = clip.spectral
    return model.encode(model.features_from_mel(model.front_end.spec.floor * torch.exp(z))).embedding


def score_of_log_mel(clip: Clip, target: BoundTarget) -> Callable[[Tensor], Tensor]:
    """The score as a function of :func:`log_mel_above_floor`, ``(B, n_mels, N)`` to ``(B,)``."""
    return lambda z: target(embed_log_mel(clip, z))


def gradients(scores: Iterable[Tensor], of: Tensor) -> list[Tensor]:
    """Gradient of each score: one graph for all, whose backward alone is repeated."""
    return [torch.autograd.grad(score, of, retain_graph=True)[0] for score in scores]


def gradients_of_log_mel(clip: Clip, targets: Sequence[BoundTarget], z: Tensor) -> Tensor:
    """Gradient of every target's score at :func:`log_mel_above_floor`, all of one forward.

    Captum would encode the clip anew for every target; for one target its result is the same (a test compares).

    Args:
        clip: The clip.
        targets: P targets.
        z: ``(B, n_mels, N)``.

    Returns:
        ``(P, B, n_mels, N)``.
    """
    with torch.enable_grad():
        leaf = z.detach().requires_grad_()
        embedding = embed_log_mel(clip, leaf)
        return torch.stack(gradients((target(embedding).sum() for target in targets), leaf))


def gradients_of_clips(clips: Sequence[Clip], targets: Sequence[BoundTarget]) -> Iterator[tuple[Clip, Tensor, Tensor]]:
    """:func:`gradients_of_log_mel` of several clips, windows of one length, a few by one forward.

    Yields:
        Every clip with :func:`log_mel_above_floor` ``(1, n_mels, N)`` and the gradients there, ``(P, n_mels, N)``.
    """
    # A graph of the whole encoder takes several times the memory of a forward without one.
    for part in batches(len(clips), max(1, clips[0].batch_size // 4)):
        some = clips[part]
        z = [log_mel_above_floor(clip) for clip in some]
        found = gradients_of_log_mel(some[0], targets, torch.cat(z))
        yield from zip(some, z, found.transpose(0, 1), strict=True)


def encode_from(model: SpectralModel, features: Features, tap: str) -> tuple[Encoding, Tensor]:
    """Encode with a graph that starts at a tap; returns the encoding and the tap's map ``(B, C, f, t)``, a leaf."""
    with graph_starts_at(model.taps[tap]), torch.enable_grad():
        encoding = model.encode(features)
    return encoding, map_at(encoding.feature_maps, tap).values


def gradients_at_tap(clips: Sequence[Clip], targets: Sequence[BoundTarget], tap: str) -> tuple[FeatureMap, Tensor]:
    """A tap's map of the clips, and the gradient of every target's score there, all of one forward.

    The clips keep their encodings: their own embeddings cost no further forward.

    Args:
        clips: B clips of one model, windows of one length.
        targets: P targets.
        tap: Name of the tap.

    Returns:
        The map, without a graph, and ``(P, B, C, f, t)``.
    """
    encoding, leaf = encode_from(clips[0].spectral, features_of(clips), tap)
    with torch.enable_grad():
        # No clip's score depends on another's features: the gradient of the sum is that of each.
        found = gradients((target(encoding.embedding).sum() for target in targets), leaf)
    encoding = encoding.detach()
    keep_encodings(clips, encoding)
    return map_at(encoding.feature_maps, tap), torch.stack(found)


def on_window(clip: Clip, values: Tensor) -> Relevance:
    """Relevance ``(P, n_mels, N)``, or of one target ``(n_mels, N)``, on the mel cells of the filled window."""
    return Relevance(values.detach(), mel_grid(clip.spectral.front_end.spec, clip.window_samples), "window")


def tap_name(clip: Clip, wanted: str | None) -> str:
    """The tap to explain at: the last one, or one by name.

    Raises:
        InputError: If the model has no tap of that name.
    """
    names = list(clip.spectral.taps)
    if wanted is None:
        return names[-1]
    if wanted not in names:
        raise InputError(f"{clip.model.card.name} has no tap {wanted!r}: one of {', '.join(names)}")
    return wanted


def map_at(maps: tuple[FeatureMap, ...], name: str) -> FeatureMap:
    """The feature map of a tap."""
    return next(m for m in maps if m.name == name)
