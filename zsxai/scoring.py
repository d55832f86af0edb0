"""Scores of a recording under masks: as it is, masked in, masked out, and as heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.clip import BATCH_SIZE, Clip, batches
from zsxai.controls import roll
from zsxai.level import under_db
from zsxai.metrics import functional
from zsxai.model import Features, SpectralModel, ZeroShotModel, check_rows
from zsxai.recording import Recording
from zsxai.spectral import FrontEnd, Masking, Stft, render
from zsxai.spectral.mask import audio_gain
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
            (:func:`zsxai.level.under_db`), decibels; infinite where it is silent.
    """

    whole: dict[str, float]
    windows: tuple[WindowScores, ...]
    kept_energy: float
    cosines: NDArray[Any]
    under: float


VERSIONS = ("whole", "kept", "removed", "heard", "kept_rolled", "removed_rolled")
"""Versions of a recording that are encoded: as it is, masked in, masked out, as heard, and the first two under the mask
in the wrong place (:func:`zsxai.controls.roll`)."""


def score_masks(
    recording: Recording,
    masks: Tensor,
    targets: Sequence[BoundTarget],
    *,
    rolled: bool = False,
    controls: Sequence[Tensor] = (),
) -> list[Scores]:
    """Score one mask per target, every version of the audio encoded once.

    Args:
        recording: The recording before its model.
        masks: ``(P, F, N)`` on the recording's grid.
        targets: P targets.
        rolled: Encode each window under its masks in the wrong place as well.
        controls: Further masks ``(P, F, N)`` to encode it under, kept and removed.

    Returns:
        For every target its scores. Costs 1 + 3 P forwards per window, and 2 P more for each control.
    """
    count = len(targets)
    gain = recording.gain(masks)
    audio = recording.render(masks, gain=gain)
    cosines: list[list[Tensor]] = [[] for _ in targets]  # per window (V, K), by VERSIONS
    for index, clip in enumerate(recording.clips):
        part = recording.cut(masks, index)
        tried = [part, *(recording.cut(control, index) for control in controls)]
        if rolled:
            tried.insert(1, torch.from_numpy(roll(part.cpu().numpy(), clip.grid)).to(part))
        wanted = [version for mask in tried for version in (mask, 1.0 - mask)]
        with torch.no_grad():
            masked = clip.embed_masked(torch.cat(wanted))
            check_rows(masked, len(wanted) * count, recording.model.card.name, "clips")
            kept, removed, *others = masked.reshape(len(wanted), count, -1)
            original, heard = recording.embedding(index).expand(count, -1), recording.embed_window(audio, index)
            versions = torch.stack([original, kept, removed, heard, *others], dim=1)
        for p, target in enumerate(targets):
            cosines[p].append(target.cosines(versions[p]))
    energy = map(float, np.nan_to_num(_kept_energy(recording, gain)))
    whole, rate = recording.waveform.cpu().numpy(), recording.model.sample_rate
    under = [under_db(one.cpu().numpy(), whole, rate) for one in audio]
    return [_scores(recording, *of_target) for of_target in zip(targets, cosines, energy, under, strict=True)]


def _scores(
    recording: Recording, target: BoundTarget, cosines: Sequence[Tensor], energy: float, under: float
) -> Scores:
    def named(of_versions: Tensor) -> dict[str, float]:
        values = target.value(of_versions[: len(SCORES) - 1]).tolist()
        return dict(zip(SCORES, [*values, float(of_versions[0, 0])], strict=True))

    rate = recording.model.sample_rate
    windows = [
        WindowScores(start=start / rate, stop=stop / rate, **named(of_window))
        for (start, stop), of_window in zip(recording.spans, cosines, strict=True)
    ]
    stacked = torch.stack(list(cosines))
    whole = named(recording.model.audio_spec.pool(stacked))
    return Scores(whole, tuple(windows), energy, stacked[..., 0].double().cpu().numpy(), under)


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
    together = Features(
        None,
        torch.cat([s.mel for s in stages]),
        torch.cat([s.input for s in stages]),
        {name: torch.cat([s.extras[name] for s in stages]) for name in stages[0].extras},
    )
    return model.encode(together).embedding


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
    return _kept_energy(recording, recording.gain(masks))


def _kept_energy(recording: Recording, gain: Tensor) -> NDArray[Any]:
    stft, power = recording.stft, recording.power.cpu()
    heard = (stft.bank.sum(dim=0) > 0) if isinstance(stft, FrontEnd) else torch.ones(len(power), dtype=torch.bool)
    return np.array([functional.kept_energy(power, one[None], heard.cpu())[0] for one in gain.cpu()])


def audibility(stft: Stft, masking: Masking, waveform: Tensor, masks: Tensor) -> NDArray[Any]:
    """Part of the power that ``(P, F, N)`` masks keep which is within 6 dB of the recording, ``(P,)``.

    On STFT bins, where masks become sound: the gain of a mel mask is carried there by the bank's own weights.

    Args:
        stft: Gives the STFT, and the bank of a mel mask.
        masking: How the masks act.
        waveform: ``(T,)`` samples.
        masks: In [0, 1] on the recording's grid, 0 outside the band.

    Returns:
        See :func:`zsxai.metrics.functional.audibility`; NaN for an empty mask too, of which a floor is left.
    """
    with torch.no_grad():
        power = stft.power(waveform)
        masks = masks.to(power)
        gains = audio_gain(stft, masking, power, masks)
    found = functional.audibility(power.cpu(), gains.cpu())
    return np.where(masks.flatten(1).any(dim=1).cpu().numpy(), found, np.nan)
