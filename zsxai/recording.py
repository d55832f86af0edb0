"""A recording of any length before one model, as overlapping windows on one grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.checks import one_of
from zsxai.clip import Clip, make_grid
from zsxai.errors import InputError
from zsxai.memory import BatchSize
from zsxai.model import POOLINGS, SpectralModel, ZeroShotModel
from zsxai.spectral import DOMAINS, SCALES, Domain, Masking, Scale, Stft, StftSpec, floor_of
from zsxai.stretch import SECONDS, Stretch, walk

TAIL_SECONDS = 0.03
"""Sound behind a window that is worth no further one: lossy copies decode to up to a block more than their original,
1024 samples for Vorbis and AAC and 1152 for MP3, 26 ms at 44,100 Hz."""

_SILENCE = 1e-12
"""Floor for a black box, whose own floor is unknown: power of an STFT bin 120 dB under one."""

SHORTEST = 15.0
"""Seconds of a section at least, however many maps there are."""


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


class Section(NamedTuple):
    """Windows of a recording that are worked on together.

    Attributes:
        windows: Their numbers.
        frames: The section's own frames: those of all sections join without a gap.
        reach: From its first frame to the end of its last window.
    """

    windows: range
    frames: slice[int, int, None]
    reach: slice[int, int, None]


class Recording:
    """A whole recording before one model: its grid, its windows, its masks and their audio.

    Sound behind the last window (:data:`TAIL_SECONDS` at most) is not heard by the model. The grid, masks and audio
    cover it: its frames take the relevance of the last frame that is heard.

    Args:
        model: The model.
        waveform: ``(T,)`` float32 numpy at the model's rate; on disk where it is long.
        domain: Where masks lie, ``stft`` or ``mel``.
        scale: How masks act: ``log``, ``gain`` or ``log1p``.
        seed: Seed of whatever is random.
        batch_size: Clips per forward; or those of several recordings, which share what is done where memory runs out.
        masking: A masking to use as it is, in place of ``domain`` and ``scale``.
        embeddings: ``(D,)`` of every window, where they are known: no window is then encoded for it again.
        pooling: How the cosines of the windows make the recording's; as the model says where None.

    Attributes:
        original: The waveform as it was given.
        batch: Clips per forward, and whether memory held so many.
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
        batch_size: int | BatchSize | None = None,
        masking: Masking | None = None,
        embeddings: Sequence[Tensor] = (),
        pooling: str | None = None,
    ) -> None:
        self.model = model
        # A short one is its own: clips are views of it, and a long one may lie on disk.
        short = len(waveform) <= SECONDS * model.sample_rate
        self.original = np.array(waveform, dtype=np.float32) if short else np.asanyarray(waveform, dtype=np.float32)
        self.samples = len(waveform)
        self.seed = seed
        self.batch = batch_size if isinstance(batch_size, BatchSize) else BatchSize(batch_size)
        audio = model.audio_spec
        if pooling is not None:
            one_of(pooling, POOLINGS, "pooling")
            audio = audio.model_copy(update={"pooling": pooling})
        self.audio_spec = audio
        if isinstance(model, SpectralModel):
            self.stft: Stft = model.front_end
        else:
            self.stft = Stft(black_box_stft(model.sample_rate)).to(model.device)
        spec = self.stft.stft_spec
        tail = round(TAIL_SECONDS * model.sample_rate)
        self.spans = split(self.samples, audio.window_samples, audio.overlap, spec.hop, tail)
        self._whole = self.spans == [(0, self.samples)]
        self.masking = masking or self._masking(domain, scale)
        self.grid = make_grid(spec, self.masking.domain, self.samples)
        self._embeddings = dict(enumerate(embeddings))
        self._clip: tuple[tuple[int, int], Clip] | None = None

    @property
    def batch_size(self) -> int:
        """Clips per forward."""
        return self.batch.size

    def _masking(self, domain: Domain, scale: Scale) -> Masking:
        one_of(domain, DOMAINS, "domain")
        one_of(scale, SCALES, "scale")
        least = _SILENCE
        if isinstance(self.model, SpectralModel):
            front_end = self.model.front_end
            least = front_end.spec.floor if domain == "mel" else front_end.power_floor
        elif domain == "mel":
            raise InputError(f"{self.model.card.name} is a black box, without a mel input: use domain='stft'")
        loudest = self._peaks[1 if domain == "mel" else 0]
        return Masking(domain=domain, scale=scale, floor=floor_of(loudest, least))

    def _walk(self) -> Iterable[Stretch]:
        """All of it, in stretches."""
        return [self._all] if self.is_short else walk(self.stft, self.original)

    @property
    def is_short(self) -> bool:
        """Whether it is worked on in one piece."""
        return self.samples <= SECONDS * self.model.sample_rate

    def _mel_of(self, stretch: Stretch) -> Tensor:
        with torch.no_grad():
            return cast("SpectralModel", self.model).front_end.mel(stretch.power)

    @cached_property
    def _peaks(self) -> tuple[float, float]:
        """Highest power of an STFT bin, and of a mel band (0 for a black box)."""
        is_spectral = isinstance(self.model, SpectralModel)
        peaks = [(float(s.power.max()), float(self._mel_of(s).max()) if is_spectral else 0.0) for s in self._walk()]
        return max(power for power, _ in peaks), max(mel for _, mel in peaks)

    @cached_property
    def waveform(self) -> Tensor:
        """All samples, ``(T,)`` float32 on the model's device."""
        samples = self.original if self.is_short else np.array(self.original)
        return torch.from_numpy(samples).to(self.model.device)

    @cached_property
    def _all(self) -> Stretch:
        return Stretch(self.stft, self.original)

    @property
    def spectrum(self) -> Tensor:
        """Complex STFT of the whole, ``(F, N)``: transformed once for all that is computed from it."""
        return self._all.spectrum

    @property
    def power(self) -> Tensor:
        """STFT power of the whole, ``(F, N)``."""
        return self._all.power

    @cached_property
    def _mel(self) -> Tensor:
        return self._mel_of(self._all)

    @property
    def clips(self) -> Clips:
        """Its windows, made one at a time."""
        return Clips(self)

    def _window(self, index: int) -> Clip:
        # The one asked for last is kept: a recording of one window is analysed once.
        key = index, self.batch_size
        if self._clip is None or self._clip[0] != key:
            start, stop = self.spans[index]
            clip = Clip(
                self.model,
                self._samples(start, stop),
                self.masking,
                self.stft,
                seed=self.seed,
                batch_size=self.batch_size,
                embedding=self._embeddings.get(index),
                power=self.power if self._whole else None,
            )
            self._clip = key, clip
        return self._clip[1]

    def _samples(self, start: int, stop: int) -> Tensor:
        if self.is_short:
            return self.waveform[start:stop]
        return torch.from_numpy(np.array(self.original[start:stop])).to(self.model.device)

    def embedding(self, index: int) -> Tensor:
        """Embedding of window ``index`` as it is, ``(D,)``; encoded once, and kept when its clip no longer is."""
        if index not in self._embeddings:
            self._embeddings[index] = self._window(index).embedding
        return self._embeddings[index]

    def know(self, windows: range, embeddings: Tensor) -> None:
        """Take the embeddings ``(n, D)`` of windows from elsewhere."""
        self._embeddings.update(zip(windows, embeddings.to(self.model.device), strict=True))

    def frames(self, index: int) -> slice[int, int, None]:
        """The frames of window ``index``."""
        start, stop = self.spans[index]
        spec = self.stft.stft_spec
        return slice(start // spec.hop, start // spec.hop + spec.n_frames(stop - start))

    def sections(self, maps: int = 1) -> list[Section]:
        """The windows in groups: in one where the recording is short, of about half a minute each where it is long.

        Args:
            maps: Number of maps that are held at a time: of many the sections are shorter.
        """
        rate, total = self.model.sample_rate, self.grid.shape[1]
        size = max(SECONDS / maps, SHORTEST) * rate
        starts = [0]
        for index, (start, _) in enumerate(self.spans):
            if not self.is_short and start // size > self.spans[starts[-1]][0] // size:
                starts.append(index)
        sections = []
        for first, after in zip(starts, [*starts[1:], len(self.spans)], strict=True):
            is_last = after == len(self.spans)
            begin = self.frames(first).start
            end = total if is_last else self.frames(after).start
            reach = total if is_last else self.frames(after - 1).stop
            sections.append(Section(range(first, after), slice(begin, end), slice(begin, reach)))
        return sections

    def stretch(self, frames: slice[int, int, None]) -> Stretch:
        """Some of its frames."""
        return self._all if frames == self._all.frames else Stretch(self.stft, self.original, frames)

    def stitch(self, maps: Iterable[NDArray[Any]], windows: range | None = None) -> NDArray[Any]:
        """Join the maps of windows, one after the other.

        Args:
            maps: ``(P, F, n)`` of every window, in order.
            windows: Which windows these are; all where None.

        Returns:
            ``(P, F, N)`` float32, from the first frame of the first window on: where windows overlap their mean, behind
            the last one its last frame.
        """
        which = range(len(self.spans)) if windows is None else windows
        joined, parts = Stitch(self, which.start), []
        for index, values in zip(which, maps, strict=True):
            joined.add(index, values)
            parts.append(joined.take()[1])
        total, count = joined.rest
        found: NDArray[Any] = np.concatenate([*parts, (total / count).astype(np.float32)], axis=-1)
        return found

    def over_frames(self, weights: Sequence[float]) -> NDArray[Any]:
        """Weights of the windows as weights of the frames ``(N,)``: where windows overlap their mean."""
        parts = (self.frames(i) for i in range(len(self.spans)))
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
        floor = self.model.front_end.spec.floor
        if start == 0 and stop is None:
            return self._peaks[1] <= floor
        hop = self.stft.stft_spec.hop
        frames = self._mel[:, start // hop : None if stop is None else stop // hop + 1]
        return float(frames.max()) <= floor

    def cut(self, mask: Tensor, index: int) -> Tensor:
        """The part of ``(..., F, N)`` masks that lies on window ``index``."""
        return mask[..., self.frames(index)]

    def render(self, mask: Tensor, *, residue: bool = False) -> Tensor:
        """Audio of ``(..., F, N)`` masks of the whole, ``(..., T)``."""
        return self._all.render(self.masking, mask.to(self.model.device), residue=residue)

    def gain(self, mask: Tensor, *, residue: bool = False) -> Tensor:
        """Power gain on STFT bins of ``(..., rows, N)`` masks of the whole, ``(..., F, N)``."""
        return self._all.gain(self.masking, mask, residue=residue)


class Stitch:
    """Joins the maps of windows as they come, one after the other.

    Args:
        recording: The recording.
        first: The first window that comes.
        before: What was left (:attr:`rest`) when the windows before it had come.
    """

    def __init__(
        self, recording: Recording, first: int = 0, before: tuple[NDArray[Any], NDArray[Any]] | None = None
    ) -> None:
        self._recording, self._next = recording, first
        self._total: NDArray[Any]
        self._count: NDArray[Any]
        self._total, self._count = before or (np.zeros(0), np.zeros(0))

    def add(self, index: int, values: NDArray[Any]) -> None:
        """Add the map ``(P, F, n)`` of the next window, once what no longer changes was taken."""
        total, count = np.zeros(values.shape), np.ones(values.shape[-1])
        known = len(self._count)
        total[..., :known] = self._total
        count[:known] += self._count
        total += values
        self._total, self._count, self._next = total, count, index + 1

    def take(self) -> tuple[slice[int, int, None], NDArray[Any]]:
        """The frames that no later window touches, and their mean ``(P, F, n)`` float32.

        Behind the last window they are its last frame.
        """
        recording, last = self._recording, self._next == len(self._recording.spans)
        start = recording.frames(self._next - 1).start
        stop = recording.grid.shape[1] if last else recording.frames(self._next).start
        known = min(stop - start, len(self._count))
        mean = (self._total[..., :known] / self._count[:known]).astype(np.float32)
        self._total, self._count = self._total[..., known:], self._count[known:]
        return slice(start, stop), np.concatenate(
            [mean, np.repeat(mean[..., -1:], stop - start - known, axis=-1)], axis=-1
        )

    @property
    def rest(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Sums and numbers of the windows that reach beyond what was taken."""
        return self._total, self._count


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
