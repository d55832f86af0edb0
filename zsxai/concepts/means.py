"""Means and shared axes of a data set's recordings."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zsxai.checks import whole_number
from zsxai.concepts.centring import AXES, Centring, Kind, fit_centring
from zsxai.concepts.embedding import embed_words
from zsxai.concepts.recordings import embed_recording
from zsxai.conditions import evaluating
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError
from zsxai.model import ZeroShotModel
from zsxai.progress import track
from zsxai.recording import Recording


def measure_centring(
    kind: Kind,
    model: ZeroShotModel,
    clips: Sequence[LabelledClip],
    *,
    data: str,
    axes: int = AXES,
    progress: bool | None = None,
) -> Centring:
    """Embed recordings, and their captions or labels for ``pls``, and take what :func:`fit_centring` takes.

    Args:
        kind: ``mean`` or ``pls``.
        model: A loaded model.
        clips: Recordings, never those that are to be judged.
        data: What they are, in words; their number is added.
        axes: Shared axes to keep at most.
        progress: A bar; None shows one on a terminal.

    Raises:
        InputError: If there are fewer than two, or one cannot be read.
    """
    axes = whole_number(axes, "axes", 1)
    if len(clips) < 2:
        raise InputError(f"a centring is made from two recordings or more, not {len(clips)}")
    with evaluating(model), torch.no_grad():
        audio = torch.stack(
            [
                embed_recording(Recording(model, clip.read().at(model.sample_rate)))
                for clip in track(clips, len(clips), "embedding recordings", progress)
            ]
        )
        captions = [clip.captions[0] if clip.captions else clip.label for clip in clips]
        text = embed_words(model, captions, progress=progress) if kind == "pls" else None
    return fit_centring(kind, model, audio, text, data=f"{data}, {len(clips)} recordings", axes=axes)
