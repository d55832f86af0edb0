"""What tasks share: clips read, mixed and encoded once, and explainers asked about them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.benchmarks.tasks import runner_of
from zsxai.benchmarks.tasks.base import Failure, Item, Stage
from zsxai.benchmarks.tasks.counting import Forwards
from zsxai.clip import Relevance
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.model import ZeroShotModel
from zsxai.recording import Recording
from zsxai.scoring import embed_clips, embed_sounds
from zsxai.spectral import Domain, FrontEnd, Scale
from zsxai.target import BoundTarget


def draw_by_name(name: str, candidates: Sequence[str], count: int = 1) -> list[str]:
    """Some of the candidates, by the hash of a name: the same on every machine and for every explainer."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return [candidates[i] for i in rng.permutation(len(candidates))[:count]]


@dataclass(eq=False)
class Heard:
    """One item before a model: its sound, encoded once for all explainers.

    Attributes:
        item: The item.
        waveform: ``(T,)`` at the model's rate, contaminated.
        snr: Decibels really met; NaN where nothing is mixed in.
        model: The model.
        seed: Seed of explainers that draw.
        windows: Embedding ``(D,)`` of every window.
        answers: Relevance on every window by explainer and targets (see :func:`maps_of`).
        plain: The recording as its windows are encoded: they do not depend on the kind of mask, and stft on log is one
            that every model can carry.

    Raises:
        InputError: If the model cannot hear such a sound.
    """

    item: Item
    waveform: NDArray[Any]
    snr: float
    model: ZeroShotModel
    seed: int
    windows: list[Tensor] = field(default_factory=list)
    answers: dict[tuple[object, ...], list[Relevance]] = field(default_factory=dict)
    plain: Recording = field(init=False)
    _recordings: dict[tuple[Domain, Scale], Recording] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plain = Recording(self.model, self.waveform)

    def recording(self, domain: Domain, scale: Scale) -> Recording:
        """The recording under a kind of mask; its windows know their embeddings already."""
        at = (domain, scale)
        if at not in self._recordings:
            self._recordings[at] = Recording(
                self.model, self.waveform, domain=domain, scale=scale, seed=self.seed, embeddings=self.windows
            )
        return self._recordings[at]


def hear(stage: Stage, items: Sequence[Item]) -> tuple[list[Heard], list[Failure]]:
    """Read, mix and encode the items of a unit, every original once, in full batches.

    Returns:
        The sounds, and the items left out because none could be made.
    """
    rate, runner = stage.model.sample_rate, runner_of(stage.task.kind)
    heard, failures = [], []
    for item in items:
        try:
            sound = runner.sound(stage.task, item, stage.contamination, stage.seed, rate)
            snr = float("nan") if sound.snr is None else sound.snr
            heard.append(Heard(item, sound.waveform, snr, stage.model, stage.seed))
        except Exception as error:
            failures.append(Failure.left_out(item.name, error))
    encode_originals(stage, heard)
    return heard, failures


def encode_originals(stage: Stage, heard: Sequence[Heard]) -> None:
    """Encode the windows of all sounds in full batches and keep the embeddings with them."""
    sounds = [clip.waveform for h in heard for clip in h.plain.clips]
    embedded = iter(embed_sounds(stage.model, sounds))
    for h in heard:
        h.windows = [next(embedded) for _ in h.plain.clips]


def embed_masks(masked: Sequence[tuple[Recording, Tensor]]) -> list[list[Tensor]]:
    """Embed masked versions of several recordings in full batches.

    Args:
        masked: Recordings with masks ``(K, F, N)`` on their grids.

    Returns:
        Per recording and window ``(K, D)``.
    """
    parts = [(clip, r.cut(masks, i)) for r, masks in masked for i, clip in enumerate(r.clips)]
    embedded = iter(embed_clips(parts))
    return [[next(embedded) for _ in recording.clips] for recording, _ in masked]


def embed_rendered(masked: Sequence[tuple[Recording, Tensor]]) -> list[list[Tensor]]:
    """Render one mask ``(F, N)`` per recording to audio and encode it again: per recording and window ``(1, D)``."""
    sounds = []
    for recording, mask in masked:
        audio = recording.render(mask)
        sounds += [audio[start:stop] for start, stop in recording.spans]
    embedded = iter(embed_sounds(masked[0][0].model, sounds) if masked else ())
    return [[next(embedded)[None] for _ in recording.clips] for recording, _ in masked]


def pooled_cosines(model: ZeroShotModel, windows: Sequence[Tensor], text: Tensor) -> NDArray[Any]:
    """Cosines of K versions of a recording with P prompts, pooled over its windows as the model says.

    Args:
        model: Says how windows are pooled.
        windows: ``(K, D)`` per window.
        text: ``(P, D)``.

    Returns:
        ``(K, P)`` float64.
    """
    pooled = model.audio_spec.pool(torch.stack([embedded @ text.T for embedded in windows]).double())
    cosines: NDArray[Any] = pooled.cpu().numpy()
    return cosines


def maps_of(
    explainer: Explainer,
    recording: Recording,
    targets: Sequence[BoundTarget],
    forwards: Forwards,
    known: dict[tuple[object, ...], list[Relevance]] | None = None,
) -> NDArray[Any]:
    """Relevance of several targets on a recording's grid, ``(P, F, N)``; what it encodes is the explainer's own.

    Args:
        explainer: The explainer.
        recording: The recording under one kind of mask.
        targets: What is asked.
        forwards: Counts.
        known: Answers for the same sound, kept here for other kinds of masks where the explainer does not read them.
    """
    at = (explainer, *(target.target for target in targets))
    answers = None if known is None else known.get(at)
    if answers is None:
        with forwards.on_behalf_of("explainer"):
            answers = [explainer.relevance(clip, targets) for clip in recording.clips]
        if known is not None and not explainer.card.reads_masking:
            known[at] = answers
    return stitch_maps(recording, answers)


def stitch_maps(recording: Recording, answers: Sequence[Relevance]) -> NDArray[Any]:
    """Relevance of every window on a recording's grid, ``(P, F, N)``.

    Raises:
        InputError: If it is not finite: calibrated, such a map is empty, and would be scored as if it said something.
    """
    maps = recording.stitch(clip.place(answer) for clip, answer in zip(recording.clips, answers, strict=True))
    broken = maps.size - int(np.isfinite(maps).sum())
    if broken:
        raise InputError(f"the relevance of {broken} of {maps.size} cells is not finite")
    return maps


def power_on_grid(recording: Recording) -> NDArray[Any]:
    """Power of a whole recording on the grid of its masks, ``(F, N)``."""
    with torch.no_grad():
        power = recording.power
        if recording.masking.domain == "mel" and isinstance(recording.stft, FrontEnd):
            power = recording.stft.mel(power)
    return power.cpu().numpy()
