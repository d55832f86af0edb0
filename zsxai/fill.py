"""How a clip shorter than the model's window fills it, and the way back.

The rule is one map from window positions to clip positions. Masks follow it forward (copies repeat the mask);
relevance follows its adjoint (the relevance of copies is summed on the clip).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from zsxai.spectral.front_end import StftSpec

FillRule = Literal["none", "zero", "repeat", "repeat-pad"]


def source_index(rule: FillRule, length: int, window: int) -> Tensor:
    """Clip sample behind every window sample, ``(window,)`` int64; -1 where the window is silent.

    Args:
        rule: ``zero`` pads with silence, ``repeat`` tiles and cuts, ``repeat-pad`` tiles whole copies and then
            pads with silence (LAION's rule), ``none`` leaves the clip as it is.
        length: Samples in the clip, 1 <= length.
        window: Samples in the model's window.
    """
    if rule == "none" or length >= window:
        return torch.arange(length if rule == "none" else window)
    position = torch.arange(window)
    if rule == "zero":
        return torch.where(position < length, position, -1)
    if rule == "repeat":
        return position % length
    copied = (window // length) * length
    return torch.where(position < copied, position % length, -1)


def fill(waveforms: Tensor, rule: FillRule, window: int | None) -> Tensor:
    """Fill ``(B, T)`` clips to ``(B, window)``."""
    length = waveforms.shape[-1]
    if window is None or rule == "none" or length == window:
        return waveforms
    index = source_index(rule, length, window).to(waveforms.device)
    return waveforms[..., index.clamp(min=0)] * (index >= 0).to(waveforms.dtype)


class FrameMap:
    """Frames of a clip -> frames of the filled window, and the adjoint.

    Args:
        rule: The model's fill rule.
        spec: Gives the hop.
        length: Samples in the clip.
        window: Samples in the window, or None where the model takes any length.
    """

    def __init__(self, rule: FillRule, spec: StftSpec, length: int, window: int | None) -> None:
        self.n_clip = spec.n_frames(length)
        filled = window if window is not None and rule != "none" else length
        source = source_index(rule, length, filled)
        if rule == "repeat" and length < filled and 0 < filled % length <= spec.hop:
            # A last copy of one frame at most is no copy: it would light up the clip's first frame once more.
            source[-(filled % length) :] = -1
        samples = (torch.arange(spec.n_frames(filled)) * spec.hop).clamp(max=filled - 1)
        at = source[samples]
        # A frame centred on the very end of the sound is the clip's last frame, though silence starts there.
        before = source[(samples - 1).clamp(min=0)]
        at = torch.where((at < 0) & ((before + 1) % spec.hop == 0), before, at)
        frames = torch.div(at + spec.hop // 2, spec.hop, rounding_mode="floor").clamp(max=self.n_clip - 1)
        self.sounding = at >= 0
        # A silent frame takes the mask of the last sounding one: its window still reaches into the sound.
        last = torch.cummax(torch.where(self.sounding, torch.arange(len(at)), 0), dim=0).values
        self.source = frames[last]
        self._same = torch.equal(self.source, torch.arange(self.n_clip))

    @property
    def n_window(self) -> int:
        """Frames of the filled window."""
        return len(self.source)

    def forward(self, mask: Tensor) -> Tensor:
        """Repeat a mask over the copies, ``(..., n_clip)`` to ``(..., n_window)``."""
        return mask if self._same else mask[..., self.source.to(mask.device)]

    def adjoint(self, relevance: Tensor) -> Tensor:
        """Sum the relevance of copies, ``(..., n_window)`` to ``(..., n_clip)``; silence has no source."""
        if self._same:
            return relevance
        out = relevance.new_zeros(*relevance.shape[:-1], self.n_clip)
        sounding = self.sounding.to(relevance.device)
        return out.index_add_(-1, self.source.to(relevance.device)[sounding], relevance[..., sounding])

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the copies, ``(..., n_window)`` to ``(..., n_clip)``; a frame without any has the one before it."""
        if self._same:
            return values
        count = self.adjoint(values.new_ones(self.n_window))
        last = torch.cummax(torch.where(count > 0, torch.arange(self.n_clip, device=count.device), 0), dim=0).values
        return (self.adjoint(values) / count.clamp(min=1.0))[..., last]


@lru_cache(maxsize=16)
def frame_map(rule: FillRule, spec: StftSpec, length: int, window: int | None) -> FrameMap:
    """The :class:`FrameMap` of these, computed once: clips of a data set are mostly of one length."""
    return FrameMap(rule, spec, length, window)
