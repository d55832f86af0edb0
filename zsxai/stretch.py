"""A part of a recording in time, with what is computed of it: spectrum, power, gains of masks, sound.

All of these are local in time, so that a long recording is worked on stretch by stretch, in memory that does not grow
with it. A stretch that is the whole recording computes the very same numbers as the transform of the whole does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.arrays import forget
from zsxai.spectral import Masking, Stft, StftSpec, power_of, render
from zsxai.spectral.mask import audio_gain

SECONDS = 30.0
"""A recording that is longer is worked on in stretches of so much."""


class Stretch:
    """Some frames of a recording.

    Args:
        stft: Gives the STFT, and the bank of mel masks; where it lies, tensors go.
        waveform: ``(T,)`` samples of the whole recording, of which only a part is read.
        frames: Which frames of the recording's grid; all where None.

    Attributes:
        frames: The same, with both ends.
        samples: The samples that they stand for: those of neighbouring stretches join without a gap.
    """

    def __init__(self, stft: Stft, waveform: NDArray[Any], frames: slice[int, int, None] | None = None) -> None:
        self.stft = stft
        spec, total = stft.stft_spec, stft.stft_spec.n_frames(len(waveform))
        self.frames = frames or slice(0, total)
        # Frames near a cut are wrong, where the transform reflects or ends: so many more are computed, and left out.
        margin = 2 * -(-spec.n_fft // (2 * spec.hop)) + 1
        first, last = max(0, self.frames.start - margin), min(total, self.frames.stop + margin)
        stop = len(waveform) if last == total else (last - 1) * spec.hop
        self._around = slice(first, last)
        self._own = slice(self.frames.start - first, self.frames.stop - first)
        self._ends_ragged = last == total and bool(len(waveform) % spec.hop)
        self._waveform = waveform[first * spec.hop : stop]
        end = len(waveform) if self.frames.stop == total else self.frames.stop * spec.hop
        self.samples = slice(self.frames.start * spec.hop, end)
        self._played = slice(self.samples.start - first * spec.hop, end - first * spec.hop)

    @cached_property
    def _sound(self) -> Tensor:
        sound = torch.from_numpy(np.array(self._waveform, dtype=np.float32)).to(self.stft.window.device)
        forget(self._waveform)
        return sound

    @property
    def waveform(self) -> Tensor:
        """Its samples, ``(n,)``."""
        return self._sound[self._played]

    @cached_property
    def _spectrum(self) -> Tensor:
        with torch.no_grad():
            return self.stft.complex(self._sound)

    @cached_property
    def _power(self) -> Tensor:
        return power_of(self._spectrum)

    @property
    def spectrum(self) -> Tensor:
        """Complex STFT, ``(F, n)``."""
        return self._spectrum[:, self._own]

    @property
    def power(self) -> Tensor:
        """STFT power, ``(F, n)``."""
        return self._power[:, self._own]

    def take(self, masks: Sequence[NDArray[Any]] | NDArray[Any] | Tensor) -> Tensor:
        """What :meth:`gain` and :meth:`render` need of ``(..., rows, N)`` masks of the whole recording."""
        if isinstance(masks, Tensor):
            return masks[..., self._around].to(self._sound.device)
        if isinstance(masks, np.ndarray):
            parts = np.array(masks[..., self._around])
            forget(masks)
        else:
            parts = np.stack([mask[..., self._around] for mask in masks])
            forget(*masks)
        return torch.from_numpy(parts).to(self._sound.device)

    def own(self, values: Tensor) -> Tensor:
        """The stretch's own frames of what was taken, or made of it."""
        return values[..., self._own]

    def gain(self, masking: Masking, taken: Tensor, *, residue: bool = False) -> Tensor:
        """Power gain on STFT bins of masks, ``(..., F, n')`` with the frames around it, as they were taken."""
        with torch.no_grad():
            return audio_gain(self.stft, masking, self._power, taken.to(self._power), residue=residue)

    def render(self, masking: Masking, taken: Tensor, *, residue: bool = False, gain: Tensor | None = None) -> Tensor:
        """Sound of masks.

        Args:
            masking: How they act.
            taken: ``(..., rows, n')`` from :meth:`take`.
            residue: What the mask leaves instead of what it keeps.
            gain: Their gain, where it is known.

        Returns:
            ``(..., n)`` float32, the samples of :attr:`samples`.
        """
        with torch.no_grad():
            if self._ends_ragged:
                sound = render(self.stft, masking, self._sound, taken, residue=residue)
            else:
                known = self.gain(masking, taken, residue=residue) if gain is None else gain
                sound = self.stft.inverse(self._spectrum * known.sqrt(), len(self._sound))
            return sound[..., self._played]


def cut_frames(spec: StftSpec, frames: slice[int, int, None]) -> list[slice[int, int, None]]:
    """Frames in runs of at most :data:`SECONDS`; those of a short recording in one."""
    size = max(1, int(SECONDS * spec.sample_rate) // spec.hop)
    if spec.hop * (frames.stop - frames.start - 1) <= SECONDS * spec.sample_rate:
        return [frames]
    starts = range(frames.start, frames.stop, size)
    return [slice(start, min(start + size, frames.stop)) for start in starts]


def walk(
    stft: Stft, waveform: NDArray[Any], *maps: NDArray[Any], frames: slice[int, int, None] | None = None
) -> Iterator[Stretch]:
    """Go through a recording stretch by stretch; what was read of arrays on disk is let go behind each.

    Args:
        stft: As :class:`Stretch` takes it.
        waveform: Likewise.
        *maps: Further arrays that are read meanwhile.
        frames: Which frames; all where None.
    """
    spec = stft.stft_spec
    for part in cut_frames(spec, frames or slice(0, spec.n_frames(len(waveform)))):
        yield Stretch(stft, waveform, part)
        forget(waveform, *maps)
