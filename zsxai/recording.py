"""A recording of any length before one model, as overlapping windows on one grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.checks import one_of, whole_number
from zsxai.clip import BATCH_SIZE, MOST_AT_ONCE, Clip, batches, make_grid
from zsxai.errors import InputError
from zsxai.model import SpectralModel, ZeroShotModel
from zsxai.spectral import DOMAINS, SCALES, Domain, Masking, Scale, Stft, StftSpec, floor_of, power_of, render
from zsxai.spectral.mask import audio_gain

TAIL_SECONDS = 0.03
"""Sound behind a window that is worth no further one: lossy copies decode to up to a block more than their original,
1024 samples for Vorbis and AAC and 1152 for MP3, 26 ms at 44,100 Hz."""

_SILENCE = 1e-12
"""Floor for a black box, whose own floor is unknown: power of an STFT bin 120 dB under one."""


def split(samples: int, window: int | None, overlap: float, hop: int, tail: int = 0) -> list[tuple[int, int]]:
    """Cut a recording into windows.

    Args:
        samples: Samples in the recording.
        window: Samples in a window, or None for one window as long as the recording.
        overlap: Part that neighbours share at least (up to one hop less), in [0, 1).
        hop: Starts are multiples of this, so that the frames of windows fall on the recording's own.
        tail: So many samples at the end, or fewer, get no window of their own.

    Returns:
        ``(start, stop)`` in samples, rising; together they cover the recording but for its tail.
    """
    if window is None or samples <= window:
        return [(0, samples)]
    # Rounded up: rounded down, the rests would add up to a window more that lies on the last but for a few hops.
    step = max(hop, min(-(-int(window * (1.0 - overlap)) // hop), window // hop) * hop)
    starts = list(range(0, samples - window + 1, step))
    if samples - window - starts[-1] > tail:
        starts.append(-(-(samples - window) // hop) * hop)
    return [(start, min(start + window, samples)) for start in starts]


class Recording:
    """A whole recording before one model: its grid, its windows, its masks and their audio.

    Sound behind the last window (:data:`TAIL_SECONDS` at most) is not heard by the model. The grid, masks and audio
    cover it: its frames take the relevance of the last frame that is heard.

    Args:
        model: The model.
        waveform: ``(T,)`` float32 numpy at the model's rate.
        domain: Where masks lie, ``stft`` or ``mel``.
        scale: How masks act: ``log``, ``gain`` or ``log1p``.
        seed: Seed of whatever is random.
        batch_size: Clips per forward.
        masking: A masking to use as it is, in place of ``domain`` and ``scale``.
        embeddings: ``(D,)`` of every window, where they are known: no window is then encoded for it again.

    Attributes:
        spans: ``(start, stop)`` of every window, in samples.
    """

    def __init__(
        self,
        model: ZeroShotModel,
        waveform: NDArray[Any],
        *,
        domain: Domain = "stft",
        scale: Scale = "log",
        seed: int = 0,
        batch_size: int | None = None,
        masking: Masking | None = None,
        embeddings: Sequence[Tensor] = (),
    ) -> None:
        self.model = model
        self.waveform = torch.from_numpy(np.array(waveform, dtype=np.float32)).to(model.device)
        self.samples = len(waveform)
        self.seed = seed
        self.batch_size = BATCH_SIZE if batch_size is None else whole_number(batch_size, "batch_size", 1, MOST_AT_ONCE)
        if isinstance(model, SpectralModel):
            self.stft: Stft = model.front_end
        else:
            self.stft = Stft(black_box_stft(model.sample_rate)).to(model.device)
        self.masking = masking or self._masking(domain, scale)
        audio = model.audio_spec
        spec = self.stft.stft_spec
        tail = round(TAIL_SECONDS * model.sample_rate)
        self.spans = split(self.samples, audio.window_samples, audio.overlap, spec.hop, tail)
        self.grid = make_grid(spec, self.masking.domain, self.samples)
        self._embeddings = dict(enumerate(embeddings))
        self._whole = self.spans == [(0, self.samples)]
        self._clip: tuple[int, Clip] | None = None

    def _masking(self, domain: Domain, scale: Scale) -> Masking:
        one_of(domain, DOMAINS, "domain")
        one_of(scale, SCALES, "scale")
        if isinstance(self.model, SpectralModel):
            front_end = self.model.front_end
            if domain == "mel":
                floor = floor_of(self._mel, front_end.spec.floor)
            else:
                floor = floor_of(self.power, front_end.power_floor)
        elif domain == "mel":
            raise InputError(f"{self.model.card.name} is a black box, without a mel input: use domain='stft'")
        else:
            floor = floor_of(self.power, _SILENCE)
        return Masking(domain=domain, scale=scale, floor=floor)

    @cached_property
    def spectrum(self) -> Tensor:
        """Complex STFT of the whole, ``(F, N)``: transformed once for all that is computed from it."""
        with torch.no_grad():
            return self.stft.complex(self.waveform)

    @cached_property
    def power(self) -> Tensor:
        """STFT power of the whole, ``(F, N)``."""
        return power_of(self.spectrum)

    @cached_property
    def _mel(self) -> Tensor:
        with torch.no_grad():
            return cast("SpectralModel", self.model).front_end.mel(self.power)

    @property
    def clips(self) -> Clips:
        """Its windows, made one at a time."""
        return Clips(self)

    def _window(self, index: int) -> Clip:
        # The one asked for last is kept: a recording of one window is analysed once.
        if self._clip is None or self._clip[0] != index:
            start, stop = self.spans[index]
            clip = Clip(
                self.model,
                self.waveform[start:stop],
                self.masking,
                self.stft,
                seed=self.seed,
                batch_size=self.batch_size,
                embedding=self._embeddings.get(index),
                power=self.power if self._whole else None,
            )
            self._clip = index, clip
        return self._clip[1]

    def embedding(self, index: int) -> Tensor:
        """Embedding of window ``index`` as it is, ``(D,)``; encoded once, and kept when its clip no longer is."""
        if index not in self._embeddings:
            self._embeddings[index] = self._window(index).embedding
        return self._embeddings[index]

    def _frames(self, index: int) -> slice:
        start, stop = self.spans[index]
        spec = self.stft.stft_spec
        return slice(start // spec.hop, start // spec.hop + spec.n_frames(stop - start))

    def stitch(self, maps: Iterable[NDArray[Any]]) -> NDArray[Any]:
        """Join the maps of all windows, one after the other.

        Args:
            maps: ``(P, F, n)`` of every window, in order.

        Returns:
            ``(P, F, N)`` float32: where windows overlap their mean, behind the last one its last frame.
        """
        total: NDArray[Any] = np.zeros(0)
        count = np.zeros(self.grid.shape[1])
        for index, values in enumerate(maps):
            if index == 0:
                total = np.zeros((*values.shape[:-1], len(count)))
            frames = self._frames(index)
            total[..., frames] += values
            count[frames] += 1
        heard = self._frames(len(self.spans) - 1).stop
        total[..., heard:], count[heard:] = total[..., heard - 1 : heard], count[heard - 1]
        return (total / count).astype(np.float32)

    def over_frames(self, weights: Sequence[float]) -> NDArray[Any]:
        """Weights of the windows as weights of the frames ``(N,)``: where windows overlap their mean."""
        parts = (self._frames(i) for i in range(len(self.spans)))
        maps = (np.full((1, part.stop - part.start), weight) for part, weight in zip(parts, weights, strict=True))
        frames: NDArray[Any] = self.stitch(maps)[0]
        return frames

    @property
    def side_by_side(self) -> float:
        """How many windows would cover it if they did not overlap."""
        start, stop = self.spans[0]
        return max(1.0, self.samples / (stop - start))

    def is_silent(self, start: int = 0, stop: int | None = None) -> bool:
        """Whether all of it, or of some of its samples, is under the model's floor; False for a black box."""
        if not isinstance(self.model, SpectralModel):
            return False
        hop = self.stft.stft_spec.hop
        frames = self._mel[:, start // hop : None if stop is None else stop // hop + 1]
        return float(frames.max()) <= self.model.front_end.spec.floor

    def cut(self, mask: Tensor, index: int) -> Tensor:
        """The part of ``(..., F, N)`` masks that lies on window ``index``."""
        return mask[..., self._frames(index)]

    def render(self, mask: Tensor, *, residue: bool = False, gain: Tensor | None = None) -> Tensor:
        """Audio of ``(..., F, N)`` masks, ``(..., T)``; ``gain`` is theirs, where it is known."""
        with torch.no_grad():
            if self.samples % self.stft.stft_spec.hop:
                return render(self.stft, self.masking, self.waveform, mask.to(self.model.device), residue=residue)
            power_gain = self.gain(mask, residue=residue) if gain is None else gain
            return self.stft.inverse(self.spectrum * power_gain.sqrt(), self.samples)

    def gain(self, mask: Tensor, *, residue: bool = False) -> Tensor:
        """Power gain on STFT bins of ``(..., rows, N)`` masks, ``(..., F, N)``."""
        with torch.no_grad():
            return audio_gain(self.stft, self.masking, self.power, mask.to(self.power), residue=residue)

    def embed_window(self, waveforms: Tensor, index: int) -> Tensor:
        """Embed window ``index`` of versions of the recording, ``(K, T)`` to ``(K, D)``."""
        start, stop = self.spans[index]
        parts = batches(len(waveforms), self.batch_size)
        with torch.no_grad():
            return torch.cat([self.model.embed_audio(waveforms[part, start:stop]) for part in parts])


class Clips:
    """The windows of a recording as clips, each made when it is asked for, so that they are never held all at once."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def __len__(self) -> int:
        """Number of windows."""
        return len(self._recording.spans)

    def __getitem__(self, index: int) -> Clip:
        return self._recording._window(range(len(self))[index])

    def __iter__(self) -> Iterator[Clip]:
        return map(self._recording._window, range(len(self)))


def black_box_stft(sample_rate: int) -> StftSpec:
    """The STFT for masks on a black box: a window of about 32 ms, three quarters overlapped."""
    n_fft = 2 ** round(np.log2(0.032 * sample_rate))
    return StftSpec(sample_rate=sample_rate, n_fft=int(n_fft), hop=int(n_fft) // 4)
