"""Other sound mixed into clips, at the signal-to-noise ratio that is claimed.

The published recipes differ from what they state: see ``docs/datasets.md``.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.tasks.settings import Contamination
from zsxai.data.clip import Dataset, LabelledClip
from zsxai.errors import InputError


class Sound(NamedTuple):
    """What a model is given.

    Attributes:
        waveform: ``(T,)`` float32.
        snr: Decibels really met, measured on the mixture; None where nothing is mixed in.
    """

    waveform: NDArray[Any]
    snr: float | None


def mix(signal: NDArray[Any], contaminant: NDArray[Any], snr: float) -> Sound:
    """Add a contaminant at an SNR of ``10 log10(sum s^2 / sum n^2)`` and divide by the largest magnitude.

    Energies are those of the whole clips: a contaminant is cut, or filled with zeros at its end, to the signal's length
    first, so one that is shorter is louder where it sounds. The mixture always peaks at 1.

    Args:
        signal: ``(T,)``.
        contaminant: ``(T',)`` at the same rate.
        snr: Decibels.

    Raises:
        InputError: If the signal, or the contaminant within the signal's length, is empty or silent, or anything is not
            finite.
    """
    if not math.isfinite(snr):
        raise InputError(f"the SNR is a number of decibels, not {snr!r}")
    s, n = signal.astype(np.float64), np.zeros(len(signal))
    length = min(len(signal), len(contaminant))
    n[:length] = contaminant[:length]
    energies = {"signal": float(s @ s), "contaminant": float(n @ n)}
    for name, energy in energies.items():
        if not (math.isfinite(energy) and energy > 0):
            raise InputError(f"the {name} is silent or not finite over the {len(s)} samples of the clip: no SNR is met")
    n *= math.sqrt(energies["signal"] / energies["contaminant"]) * 10 ** (-snr / 20)
    peak = float(np.abs(s + n).max())
    if peak == 0:
        raise InputError("the contaminant cancels the signal")
    waveform = ((s + n) / peak).astype(np.float32)
    rest = waveform - s / peak
    return Sound(waveform, 10 * math.log10(energies["signal"] / peak**2 / float(rest @ rest)))


def partner_of(clip: LabelledClip, candidates: Sequence[LabelledClip], seed: int) -> LabelledClip:
    """A clip of another class and another recording in the same fold, drawn by the clip's name.

    Args:
        clip: Whose partner.
        candidates: In any order; it changes nothing.
        seed: Another seed, another draw.

    Raises:
        InputError: If there is none.
    """
    fitting = [c for c in candidates if c.label != clip.label and c.source != clip.source and c.fold == clip.fold]
    if not fitting:
        raise InputError(f"{clip.name} has no partner: no clip of another class and recording in fold {clip.fold}")
    return _draw(_sort_by_name(fitting), clip, seed)


def contaminants(
    clips: Sequence[LabelledClip], contamination: Contamination, seed: int, others: Dataset | None = None
) -> list[LabelledClip | None]:
    """The recording that is mixed into each clip; None where none is. Reads no audio.

    Args:
        clips: All clips of the data set, also those that will not be measured: they are one another's partners.
        contamination: What is mixed in.
        seed: Seed of the draw.
        others: The data set that the contamination names.

    Raises:
        InputError: If a clip has no partner, or the other data set is not given.
    """
    if contamination.kind == "same-set":
        folds = defaultdict(list)
        for clip in clips:
            folds[clip.fold].append(clip)
        return [partner_of(clip, folds[clip.fold], seed) for clip in clips]
    if contamination.kind == "speech":
        if others is None or not others.clips:
            raise InputError("contamination with speech needs its data set")
        ordered = _sort_by_name(others.clips)
        return [_draw(ordered, clip, seed) for clip in clips]
    return [None] * len(clips)


def white_noise(length: int, name: str, seed: int) -> NDArray[Any]:
    """Gaussian white noise ``(length,)`` float32 of unit variance, drawn by the clip's name and the seed."""
    rng = np.random.default_rng(_number("white noise", name, seed))
    return rng.standard_normal(length, dtype=np.float32)


def contaminate(
    waveform: NDArray[Any], contamination: Contamination, name: str, seed: int, contaminant: NDArray[Any] | None = None
) -> Sound:
    """One clip as the model is given it.

    Args:
        waveform: ``(T,)`` at the model's rate.
        contamination: What is mixed in.
        name: The clip's.
        seed: Seed of white noise.
        contaminant: ``(T',)`` at the model's rate, for ``same-set`` and ``speech``.

    Raises:
        InputError: If the contaminant is missing or superfluous, or no SNR is met (see :func:`mix`).
    """
    needed = contamination.kind in ("same-set", "speech")
    if needed != (contaminant is not None):
        raise InputError(f"{name}: contamination {contamination.kind!r} takes {'a' if needed else 'no'} recording")
    if contamination.kind == "clean":
        return Sound(waveform, None)
    if contaminant is None:
        contaminant = white_noise(len(waveform), name, seed)
    try:
        return mix(waveform, contaminant, contamination.snr)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _sort_by_name(clips: Sequence[LabelledClip]) -> list[LabelledClip]:
    return sorted(clips, key=lambda clip: clip.name)


def _draw(ordered: Sequence[LabelledClip], clip: LabelledClip, seed: int) -> LabelledClip:
    return ordered[_number("partner", clip.name, seed) % len(ordered)]


def _number(purpose: str, name: str, seed: int) -> int:
    """128 bits that are the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\0{seed}\0{name}".encode()).digest()[:16], "big")
