"""Further controls of a full verdict, each with the very values of the mask that it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.clip import make_grid
from zsxai.explainer import Explainer
from zsxai.recording import Recording, Section
from zsxai.spectral import patch_grid
from zsxai.target import Similarity
from zsxai.verdict.presence import Presence

LOCATED = 0.2
"""A map says where the sound is from this on: what keeping and removing it change together, more than the same mask in
the wrong place does, in cosines (:attr:`zsxai.verdict.judge.Location.strength`)."""


class Control(NamedTuple):
    """A mask that a map is held against: its name, and how much better the map has to be, in cosines."""

    name: str
    bar: float = LOCATED


ROLLED = Control("the same mask in the wrong place")
APART = 0.02
"""So much better than another prompt's map it has to be: more than rounding. Where a recording holds one sound only,
every prompt's map lies on it."""
DRAWS = 3
"""Random masks."""
CONTROLS = (*([Control("a random mask of its size")] * DRAWS), Control("the map of another prompt, as large", APART))
"""What :func:`make_controls` makes."""
CELL = 0.25, 8
"""Seconds, and bands along mel, of the cells of random masks."""


def make_controls(
    recording: Recording,
    section: Section,
    method: Explainer,
    masks: Sequence[NDArray[Any]],
    presences: Sequence[Presence],
) -> list[NDArray[Any]]:
    """Masks of the same size elsewhere: random ones, and those of the foil.

    The foil is the sound of the bank of middling similarity: where a recording holds one sound only, the map of a
    prompt that resembles it lies where that sound is, and rightly so.

    Args:
        recording: The recording before its model.
        section: The windows that they are for.
        method: The explainer, which is asked for the foil too.
        masks: P masks ``(F, N)`` of the whole recording.
        presences: How the prompt of each is heard.

    Returns:
        ``(P, F, n)`` masks over the section's reach for each of :data:`CONTROLS`.
    """
    samples, windows = recording.stretch(section.reach).samples, section.windows
    grid = make_grid(recording.stft.stft_spec, recording.masking.domain, samples.stop - samples.start)
    cells, first = patch_grid(grid, *CELL), recording.clips[windows.start]
    size = section.reach.stop - section.reach.start
    drawn = [
        cells.resample(torch.rand(cells.shape, generator=first.generator(f"control {n}")).numpy(), grid)[:, :size]
        for n in range(DRAWS)
    ]
    foils = [
        Similarity(prompt=presence.windows[presence.best].strongest.middling).bind(recording.model)
        for presence in presences
    ]
    clips = (recording.clips[index] for index in windows)
    other = recording.stitch((clip.place(method.relevance(clip, foils)) for clip in clips), windows)
    parts = [np.array(mask[:, section.reach]) for mask in masks]
    randoms = [np.stack([_as_large(order, mask, grid.in_band) for mask in parts]) for order in drawn]
    foiled = [_as_large(order, mask, grid.in_band) for order, mask in zip(other, parts, strict=True)]
    return [*randoms, np.stack(foiled)]


def _as_large(order: NDArray[Any], mask: NDArray[Any], in_band: NDArray[Any]) -> NDArray[Any]:
    """The values of a mask in the order of another map."""
    made = np.zeros_like(mask)
    inside, values = np.nan_to_num(order[in_band]), np.sort(mask[in_band], axis=None)
    ranked = np.empty(inside.size, dtype=mask.dtype)
    ranked[inside.argsort(axis=None, kind="stable")] = values
    made[in_band] = ranked.reshape(inside.shape)
    return made
