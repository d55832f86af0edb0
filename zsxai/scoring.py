"""Scores of a recording under masks: as it is, masked in, masked out, and as heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.clip import BATCH_SIZE, Clip, batches
from zsxai.controls import roll
from zsxai.level import frame_powers, under
from zsxai.metrics import functional
from zsxai.model import Features, SpectralModel, ZeroShotModel, check_rows
from zsxai.recording import Recording, Section
from zsxai.spectral import FrontEnd, Masking, Stft, render
from zsxai.stretch import walk
from zsxai.target import BoundTarget
from zsxai.value import Value


class WindowScores(Value):
    """Scores of one window of a long recording, in the target's unit.

    Attributes:
        start: Seconds.
        stop: Seconds.
        score: The window as it is.
        score_in: Masked in.
        score_out: Masked out.
        score_heard: The rendered explanation, encoded again.
        similarity: Cosine of the window and the prompt.
    """

    start: float
    stop: float
    score: float
    score_in: float
    score_out: float
    score_heard: float
    similarity: float


SCORES = ("score", "score_in", "score_out", "score_heard", "similarity")


class Scores(NamedTuple):
    """Scores of a recording under a mask.

    Attributes:
        whole: Scores of the whole recording by name (:data:`SCORES`), from the pooled cosines of its windows.
        windows: Scores of every window, in time order.
        kept_energy: Part of the in-band power that the mask keeps; 0 where the band is silent.
        cosines: ``(W, V)``, every window's cosines with the prompt alone, by :data:`VERSIONS`; the last two only where
            they were asked for, and after them two for each further control.
        under: Level of the rendered explanation under the recording's, each while it sounds
            (:func:`zsxai.level.under`), decibels; infinite where it is silent.
    """

    whole: dict[str, float]
    windows: tuple[WindowScores, ...]
    kept_energy: float
    cosines: NDArray[Any]
    under: float


BATCHES = 4
"""Full batches of masked windows that are prepared at a time."""
VERSIONS = ("whole", "kept", "removed", "heard", "kept_rolled", "removed_rolled")
"""Versions of a recording that are encoded: as it is, masked in, masked out, as heard, and the first two under the mask
in the wrong place (:func:`zsxai.controls.roll`)."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What is measured of the windows of a section, under one mask for each of P targets.

    Attributes:
        cosines: Of each target ``(W, V, K)``: of every window and version (:data:`VERSIONS`) with its K prompts.
        energy: ``(P, 2)`` power of the section's own frames that each mask keeps, and all of it, where the model hears.
        frames: ``(P + 1, n)`` power of short frames of what each mask keeps as sound, and of the recording.
    """

    cosines: Sequence[Tensor]
    energy: NDArray[np.float64]
    frames: NDArray[np.float64]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays by name."""
        cosines = {f"cosines-{p}": found.cpu().numpy() for p, found in enumerate(self.cosines)}
        return {"energy": self.energy, "frames": self.frames, **cosines}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], device: torch.device) -> Self:
        """From :meth:`arrays`."""
        cosines = [torch.from_numpy(arrays[f"cosines-{p}"]).to(device) for p in range(len(arrays["energy"]))]
        return cls(cosines, arrays["energy"], arrays["frames"])


def score_masks(
    recording: Recording,
    masks: Sequence[NDArray[Any]] | NDArray[Any],
    targets: Sequence[BoundTarget],
    *,
    rolled: bool = False,
) -> list[Scores]:
    """Score one mask per target, every version of the audio encoded once.

    Args:
        recording: The recording before its model.
        masks: P masks ``(F, N)`` on the recording's grid.
        targets: P targets.
        rolled: Encode each window under its masks in the wrong place as well.

    Returns:
        For every target its scores. Costs 1 + 3 P forwards per window.
    """
    sections = recording.sections(len(targets))
    return join_scores(
        recording, targets, [measure([Part(recording, s, masks)], targets, rolled=rolled)[0] for s in sections]
    )


class Part(NamedTuple):
    """A section of a recording, and what it is encoded under.

    Attributes:
        recording: The recording before its model.
        section: The windows.
        masks: P masks ``(F, N)`` on the recording's grid.
        controls: Further masks ``(P, F, n)`` over the section's reach, kept and removed.
    """

    recording: Recording
    section: Section
    masks: Sequence[NDArray[Any]] | NDArray[Any]
    controls: Sequence[NDArray[Any]] = ()


class _Staged:
    """A part whose masks act: power, sound, and its windows under them."""

    def __init__(self, part: Part, *, rolled: bool) -> None:
        self.part, self._rolled = part, rolled
        self.stretch = part.recording.stretch(part.section.reach)
        taken = self.stretch.take(part.masks)
        gain = self.stretch.gain(part.recording.masking, taken)
        self.audio = self.stretch.render(part.recording.masking, taken, gain=gain)
        self._gain = self.stretch.own(gain)
        self._tried = [self.stretch.own(taken), *(torch.from_numpy(c).to(taken.device) for c in part.controls)]

    def versions(self, index: int, clip: Clip) -> Tensor:
        """Masks of a window ``(K P, F, n)``: for each of P targets kept, removed, and the controls."""
        frames, first = self.part.recording.frames(index), self.part.section.reach.start
        tried = [mask[..., frames.start - first : frames.stop - first] for mask in self._tried]
        if self._rolled:
            tried.insert(1, torch.from_numpy(roll(tried[0].cpu().numpy(), clip.grid)).to(tried[0]))
        return torch.cat([version for mask in tried for version in (mask, 1.0 - mask)])

    def heard(self, index: int) -> Tensor:
        """What each mask keeps of a window, as sound, ``(P, n)``."""
        start, stop = (at - self.stretch.samples.start for at in self.part.recording.spans[index])
        return self.audio[:, start:stop]

    def energy(self) -> NDArray[np.float64]:
        """See :attr:`Measured.energy`."""
        frames = self.part.section.frames
        size = frames.stop - frames.start
        return _energy(self.part.recording, self.stretch.power[:, :size], self._gain[..., :size])

    def powers(self) -> NDArray[np.float64]:
        """See :attr:`Measured.frames`."""
        recording = self.part.recording
        own = recording.stretch(self.part.section.frames).samples.stop - self.stretch.samples.start
        sounds = torch.cat([self.audio, self.stretch.waveform[None]])[:, :own]
        return np.stack([frame_powers(sound.cpu().numpy(), recording.model.sample_rate) for sound in sounds])


def measure(parts: Sequence[Part], targets: Sequence[BoundTarget], *, rolled: bool = False) -> list[Measured]:
    """Encode the windows of sections under one mask per target; all of them share forwards.

    Args:
        parts: Sections of recordings before one model, with the same batch size.
        targets: P targets.
        rolled: Encode each window under its masks in the wrong place as well.

    Returns:
        For every part what was measured.
    """
    staged = [_Staged(part, rolled=rolled) for part in parts]
    found: list[list[list[Tensor]]] = [[[] for _ in targets] for _ in parts]
    todo = [(n, index) for n, part in enumerate(parts) for index in part.section.windows]
    size, count = parts[0].recording.batch_size, len(targets)
    # So many windows at a time that batches are full, and no more: their masks take memory.
    rows = 2 * count * (1 + rolled + len(parts[0].controls))
    for some in batches(len(todo), max(1, BATCHES * size // rows)):
        windows = [(parts[n].recording, staged[n], index) for n, index in todo[some]]
        clips = [recording.clips[index] for recording, _, index in windows]
        wanted = [stage.versions(index, clip) for (_, stage, index), clip in zip(windows, clips, strict=True)]
        embedded = embed_clips(list(zip(clips, wanted, strict=True)), size)
        sounds = [sound for _, stage, index in windows for sound in stage.heard(index)]
        heard = iter(embed_sounds(parts[0].recording.model, sounds, size))
        for (n, index), (recording, _, _), masked in zip(todo[some], windows, embedded, strict=True):
            check_rows(masked, len(masked), recording.model.card.name, "clips")
            kept, removed, *others = masked.reshape(-1, count, masked.shape[-1])
            original = recording.embedding(index).expand(count, -1)
            own = torch.stack([next(heard) for _ in targets])
            versions = torch.stack([original, kept, removed, own, *others], dim=1)
            for p, target in enumerate(targets):
                found[n][p].append(target.cosines(versions[p]))
    return [
        Measured([torch.stack(of_target) for of_target in of_part], stage.energy(), stage.powers())
        for of_part, stage in zip(found, staged, strict=True)
    ]


def join_scores(recording: Recording, targets: Sequence[BoundTarget], measured: Sequence[Measured]) -> list[Scores]:
    """The scores of a recording from what was measured of all its sections, in order; one for each target."""
    energy, frames = sum(m.energy for m in measured), np.concatenate([m.frames for m in measured], axis=1)
    kept = np.nan_to_num(functional.ratio(*np.asarray(energy).T))
    return [
        _scores(recording, target, torch.cat([m.cosines[p] for m in measured]), float(kept[p]), under(*frames[[p, -1]]))
        for p, target in enumerate(targets)
    ]


def _scores(recording: Recording, target: BoundTarget, cosines: Tensor, energy: float, under: float) -> Scores:
    def named(of_versions: Tensor) -> dict[str, float]:
        values = target.value(of_versions[: len(SCORES) - 1]).tolist()
        return dict(zip(SCORES, [*values, float(of_versions[0, 0])], strict=True))

    rate = recording.model.sample_rate
    windows = [
        WindowScores(start=start / rate, stop=stop / rate, **named(of_window))
        for (start, stop), of_window in zip(recording.spans, cosines, strict=True)
    ]
    whole = named(recording.audio_spec.pool(cosines))
    return Scores(whole, tuple(windows), energy, cosines[..., 0].double().cpu().numpy(), under)


def embed_clips(parts: Sequence[tuple[Clip, Tensor]], size: int = BATCH_SIZE) -> list[Tensor]:
    """Embed masked versions of several clips of one model together, in full batches.

    Args:
        parts: Clips with their masks ``(K, F, N)``; clips of unlike lengths share no batch.
        size: Rows per forward.

    Returns:
        For every part ``(K, D)``. Which rows share a batch depends on the order of the parts alone.
    """
    waiting = [(index, row) for index, (_, masks) in enumerate(parts) for row in range(len(masks))]
    found: dict[tuple[int, int], Tensor] = {}
    while waiting:
        length = parts[waiting[0][0]][0].window_samples
        alike = [key for key in waiting if parts[key[0]][0].window_samples == length][:size]
        taken = set(alike)
        waiting = [key for key in waiting if key not in taken]
        with torch.no_grad():
            found.update(zip(alike, _embed_rows(parts, alike), strict=True))
    return [torch.stack([found[index, row] for row in range(len(masks))]) for index, (_, masks) in enumerate(parts)]


def _embed_rows(parts: Sequence[tuple[Clip, Tensor]], keys: Sequence[tuple[int, int]]) -> Tensor:
    model = parts[keys[0][0]][0].model
    rows: dict[int, list[int]] = {}
    for index, row in keys:
        rows.setdefault(index, []).append(row)
    if not isinstance(model, SpectralModel):
        sounds = [
            render(clip.stft, clip.masking, clip.waveform, masks[rows[i]].to(model.device))
            for i, (clip, masks) in enumerate(parts)
            if i in rows
        ]
        return model.embed_audio(torch.cat(sounds))
    stages = [clip.masked(masks[rows[i]]) for i, (clip, masks) in enumerate(parts) if i in rows]
    return model.encode(Features.join(stages)).embedding


def embed_sounds(model: ZeroShotModel, sounds: Sequence[Tensor], size: int = BATCH_SIZE) -> list[Tensor]:
    """Embed waveforms ``(T,)`` of any lengths up to one window, each ``(D,)``; those of one length share batches."""
    by_length: dict[int, list[int]] = {}
    for index, sound in enumerate(sounds):
        by_length.setdefault(sound.shape[-1], []).append(index)
    found: dict[int, Tensor] = {}
    with torch.no_grad():
        for same in by_length.values():
            for part in batches(len(same), size):
                found.update(
                    zip(same[part], model.embed_audio(torch.stack([sounds[i] for i in same[part]])), strict=True)
                )
    return [found[i] for i in range(len(sounds))]


def kept_energy(recording: Recording, masks: Tensor) -> NDArray[Any]:
    """Part of the in-band power that each of ``(P, F, N)`` masks keeps, ``(P,)``; NaN where the band is silent."""
    return functional.ratio(*_energy(recording, recording.power, recording.gain(masks)).T)


def _energy(recording: Recording, power: Tensor, gain: Tensor) -> NDArray[np.float64]:
    """Power that each of P gains ``(P, F, n)`` keeps, and all of it, on the rows that the model hears: ``(P, 2)``."""
    stft = recording.stft
    heard = (stft.bank.sum(dim=0) > 0) if isinstance(stft, FrontEnd) else torch.ones(len(power), dtype=torch.bool)
    return np.array([functional.energies(power.cpu(), one[None].cpu(), heard.cpu())[0] for one in gain])


def audibility(
    stft: Stft, masking: Masking, waveform: NDArray[Any], masks: Sequence[NDArray[Any]] | NDArray[Any] | Tensor
) -> NDArray[Any]:
    """Part of the power that P masks ``(F, N)`` keep which is within 6 dB of the recording, ``(P,)``.

    On STFT bins, where masks become sound: the gain of a mel mask is carried there by the bank's own weights.

    Args:
        stft: Gives the STFT, and the bank of a mel mask.
        masking: How the masks act.
        waveform: ``(T,)`` samples.
        masks: In [0, 1] on the recording's grid, 0 outside the band.

    Returns:
        See :func:`zsxai.metrics.functional.audibility`; NaN for an empty mask too, of which a floor is left.
    """
    found, is_empty = np.zeros((len(masks), 2)), np.ones(len(masks), dtype=bool)
    for stretch in walk(stft, waveform, *masks):
        taken = stretch.take(masks)
        is_empty &= ~taken.flatten(1).any(dim=1).cpu().numpy()
        gain = stretch.own(stretch.gain(masking, taken))
        found += functional.audible_power(stretch.power.cpu(), gain.cpu())
    return np.where(is_empty, np.nan, functional.ratio(*found.T))
