"""Mixtures of two clips whose truth is known: which two, how loud, and which of their cells is whose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.benchmarks.tasks.base import Item, in_hash_order
from zsxai.clip import make_grid
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError
from zsxai.level import FRAME_SECONDS, active_power
from zsxai.metrics.base import MixtureMaps
from zsxai.recording import Recording
from zsxai.spectral import FrontEnd, Masking, render, spread

PEAK = 0.99
AUDIBLE = 1e-6
"""A cell counts where the louder sound is within 60 dB of the mixture's loudest cell."""

_SILENT = 1e-20
"""Mean power at or under which a clip is taken for silent: what is left of a constant once its mean is removed."""

Pair = tuple[LabelledClip, LabelledClip]


def perfect_matchings(clips: Sequence[LabelledClip], count: int) -> list[list[Pair]]:
    """Pair clips of unlike class and recording at random, several times over.

    Matching number m is the same on every machine, whatever the order of the clips and of whatever is drawn elsewhere.
    Every clip comes once in a matching. Left out are, of an odd number, one, and of a class that makes more than half
    of the clips, those that find no partner; who was left out comes first the next time. Pairs are sorted by the hash
    of their clips' names, so the first N pairs are a fair sample.

    Args:
        clips: Clips.
        count: Matchings.

    Raises:
        InputError: If clips of one recording leave no such matching.
    """
    ordered = in_hash_order(clips)
    used = np.zeros(len(ordered), dtype=int)
    matchings = []
    for number in range(count):
        rng = np.random.default_rng(number)
        taken = _pairable([clip.label for clip in ordered], used, rng)
        used[taken] += 1
        drawn = [(int(i), int(j)) for i, j in rng.permutation(taken).reshape(-1, 2)]
        pairs = sorted(_repair(drawn, ordered), key=min)
        matchings.append([(ordered[i], ordered[j]) for i, j in pairs])
    return matchings


def pair_items(clips: Sequence[LabelledClip], matchings: int, snrs: Sequence[float]) -> list[Item]:
    """Items of all pairs of a matching at all SNRs, one matching after the other.

    Pairs depend on the clips alone, not on the seed, which is of explainers. For macro means a mixture counts as the
    class of its first clip, for both prompts: those of one mixture stay together, so blind maps keep their values.
    """
    return [
        Item(f"{a.name}+{b.name}@{snr:g}dB#{number}", (a, b), a.label, snr=snr)
        for number, pairs in enumerate(perfect_matchings(clips, matchings))
        for a, b in pairs
        for snr in snrs
    ]


def _pairable(labels: Sequence[str], used: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """As many clips as can be paired, an even number; those that came most often before are left out first."""
    order = np.lexsort((rng.random(len(labels)), -used))
    largest = max(Counter(labels).items(), key=lambda counted: counted[1], default=("", 0))
    spare = max(0, 2 * largest[1] - len(labels))
    left_out = set([i for i in order if labels[i] == largest[0]][:spare])
    if (len(labels) - spare) % 2:
        left_out.add(order[0])  # here no class makes more than half, and spare is 0
    return np.array([i for i in range(len(labels)) if i not in left_out], dtype=int)


def _repair(pairs: list[tuple[int, int]], clips: Sequence[LabelledClip]) -> list[tuple[int, int]]:
    """The same pairs with partners exchanged where two were of one class or recording."""

    def fit(i: int, j: int) -> bool:
        return clips[i].label != clips[j].label and clips[i].source != clips[j].source

    for at, (a, b) in enumerate(pairs):
        if fit(a, b):
            continue
        for other, (c, d) in enumerate(pairs):
            if fit(a, c) and fit(b, d):
                pairs[at], pairs[other] = (a, c), (b, d)
                break
            if fit(a, d) and fit(b, c):
                pairs[at], pairs[other] = (a, d), (b, c)
                break
        else:
            raise InputError(f"{clips[a].name!r} finds no partner of another class and another recording")
    return pairs


def level_difference(first: NDArray[Any], second: NDArray[Any], sample_rate: int) -> float:
    """Active power of the first over the second's, decibels."""
    powers = [active_power(sound.astype(np.float64), round(FRAME_SECONDS * sample_rate)) for sound in (first, second)]
    return 10.0 * float(np.log10(powers[0] / powers[1]))


def mix(first: NDArray[Any], second: NDArray[Any], sample_rate: int, snr: float) -> NDArray[Any]:
    """Scale two sounds so that their sum has the wanted SNR and a peak of .99.

    Means are removed; both start together, and the shorter is followed by silence, so that nothing of either is lost.

    Args:
        first: ``(T,)``.
        second: ``(T',)``.
        sample_rate: Sample rate of both.
        snr: Decibels of active power, first over second.

    Returns:
        ``(2, max(T, T'))`` float32; the mixture is the sum of the two.

    Raises:
        InputError: If a sound is silent, or the two cancel.
    """
    sounds = np.zeros((2, max(len(first), len(second))))
    for row, sound in zip(sounds, (first, second), strict=True):
        # In the sound's own precision: numpy 1 and 2 promote otherwise, and random maps are keyed by the samples.
        row[: len(sound)] = sound - sound.mean(dtype=np.float64).astype(sound.dtype)
    powers = [active_power(row, round(FRAME_SECONDS * sample_rate)) for row in sounds]
    if min(powers) <= _SILENT:
        raise InputError("a silent clip cannot be mixed at any SNR")
    sounds[1] *= np.sqrt(powers[0] / powers[1]) * 10.0 ** (-snr / 20.0)
    peak = np.abs(sounds.sum(axis=0)).max()
    if peak * peak <= _SILENT:
        raise InputError("the two clips cancel each other")
    scaled: NDArray[Any] = (sounds * (PEAK / peak)).astype(np.float32)
    return scaled


def join(sounds: Sequence[NDArray[Any]], sample_rate: int) -> NDArray[Any]:
    """Join sounds end to end, equally loud while they sound, with a peak of .99, ``(T,)`` float32.

    Raises:
        InputError: If one is silent.
    """
    parts = [sound - sound.mean(dtype=np.float64) for sound in sounds]
    powers = [active_power(part, round(FRAME_SECONDS * sample_rate)) for part in parts]
    if min(powers) <= _SILENT:
        raise InputError("a silent clip cannot be made as loud as others")
    joined = np.concatenate([part / np.sqrt(power) for part, power in zip(parts, powers, strict=True)])
    scaled: NDArray[Any] = (joined * (PEAK / np.abs(joined).max())).astype(np.float32)
    return scaled


@dataclass(frozen=True, eq=False)
class Truth:
    """Whose the cells of a mixture are, on STFT bins, and how its sounds are heard by themselves.

    Attributes:
        sounds: Powers ``(2, F, N)`` of the two.
        mixture: Powers ``(F, N)``.
        cells: ``(F, N)`` bool: those that count, loud enough and in the model's band (all rows of a black box).
        heard: ``(2, T)`` waveforms of the two within the band. Explanations are silent outside it, so against whole
            sounds SI-SDR would measure where the band ends.
    """

    sounds: NDArray[Any]
    mixture: NDArray[Any]
    cells: NDArray[Any]
    heard: NDArray[Any]


def truth_of(recording: Recording, sounds: NDArray[Any]) -> Truth:
    """Truth of a mixture on the transform of its model.

    Args:
        recording: The mixture.
        sounds: ``(2, T)``.
    """
    stft, parts = recording.stft, torch.from_numpy(sounds).to(recording.waveform)
    grid = make_grid(stft.stft_spec, "stft", recording.samples)
    band = torch.from_numpy(grid.in_band).to(parts)[:, None].expand(grid.shape)
    as_it_is = Masking(domain="stft", scale="gain", floor=1.0)
    with torch.no_grad():
        powers = stft.power(parts).cpu().numpy()
        mixture = recording.power.cpu().numpy()
        heard = torch.stack([render(stft, as_it_is, part, band) for part in parts]).cpu().numpy()
    loud = powers.max(axis=0) > AUDIBLE * mixture.max()
    return Truth(powers, mixture, loud & grid.in_band[:, None], heard)


def on_bins(recording: Recording, maps: NDArray[Any]) -> NDArray[Any]:
    """Maps ``(..., F, N)`` on a recording's grid, on STFT bins; those of a mel map by the bank's weights, 0 outside."""
    if recording.masking.domain == "stft":
        return maps
    if not isinstance(recording.stft, FrontEnd):
        raise TypeError("a mel map needs a front end with a mel bank")
    bank = recording.stft.bank.cpu().double()
    carried: NDArray[Any] = spread(bank, torch.from_numpy(maps).double()).float().numpy()
    return carried


def beside_truth(
    recording: Recording,
    truth: Truth,
    maps: NDArray[Any],
    masks: NDArray[Any],
    estimate: tuple[NDArray[Any], ...] | None = None,
) -> MixtureMaps:
    """What metrics read of a mixture: two maps ``(2, F, N)``, one for each of its sounds, and their masks.

    Args:
        recording: The mixture, on whose grid they lie.
        truth: Whose its cells are.
        maps: Relevance.
        masks: In [0, 1].
        estimate: The two explanations as sound; None where none was rendered.
    """
    first, second = on_bins(recording, maps)
    mask, mask_other = on_bins(recording, masks)
    return MixtureMaps(
        relevance=(first, second),
        relevance_other=(second, first),
        masks=(mask, mask_other),
        masks_other=(mask_other, mask),
        target=(truth.sounds[0], truth.sounds[1]),
        other=(truth.sounds[1], truth.sounds[0]),
        mixture=(truth.mixture, truth.mixture),
        cells=(truth.cells, truth.cells),
        estimate=estimate,
        sound=(truth.heard[0], truth.heard[1]),
        heard=(truth.heard.sum(axis=0),) * 2,
    )
