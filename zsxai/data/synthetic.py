"""A data set without files: everyday sounds drawn from a seed, for tests and quick runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.data import sounds
from zsxai.data.checks import Reader, complete, in_folds
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError

FOLDS = 2
_STEP = 2.0**-20
"""Samples are multiples of this (120 dB under full scale)."""

Draw = Callable[[NDArray[Any], int, np.random.Generator], NDArray[Any]]


class Synthetic(Reader):
    """Eight everyday sounds, named as ESC-50's classes are; every clip is another draw, made when it is read.

    Clips take the folds 1 and 2 in turn, and each is a recording of its own.

    Args:
        clips_per_class: How many; more leaves the first as they were.
        seconds: Length of a clip, 1 at least.
        sample_rate: Samples per second, 16000 at least.
        seed: The same seed gives the same samples.
        folds: Folds to keep; both by default.

    Raises:
        InputError: If an option is out of range.
    """

    def __init__(
        self,
        clips_per_class: int = 4,
        seconds: float = 5.0,
        sample_rate: int = 32000,
        seed: int = 0,
        folds: Collection[int] | None = None,
    ) -> None:
        _at_least("clips_per_class", clips_per_class, 1, int)
        _at_least("seconds", seconds, 1, (int, float))
        _at_least("sample_rate", sample_rate, 16000, int)
        _at_least("seed", seed, 0, int)
        self.labels = sorted(DRAWS)
        clips = [
            LabelledClip(
                name=(name := f"{label.replace(' ', '-')}-{number:03}"),
                label=label,
                source=name,
                fold=1 + number % FOLDS,
                audio=partial(draw, label, number, seconds, sample_rate, seed),
            )
            for label in self.labels
            for number in range(clips_per_class)
        ]
        self.clips = complete(in_folds(clips, folds, "synthetic"), "synthetic")


def draw(label: str, number: int, seconds: float, sample_rate: int, seed: int) -> dict[str, Any]:
    """One clip as ``{"array", "sampling_rate"}``: float32, peak at .5."""
    # Keyed by the label, so that a class that joins leaves the others as they were.
    key = int.from_bytes(hashlib.sha256(label.encode()).digest()[:8], "big")
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    wave = sounds.unit(DRAWS[label](times, sample_rate, np.random.default_rng([seed, key, number])))
    return {"array": (np.round(0.5 * wave / _STEP) * _STEP).astype(np.float32), "sampling_rate": sample_rate}


def _siren(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    return sounds.siren(
        times,
        rate,
        rng,
        middle=rng.uniform(750, 950),
        swing=rng.uniform(250, 400),
        period=rng.uniform(1.2, 3.5),
        passing=rng.uniform(0.3, 0.7) * times[-1],
        speed=rng.uniform(10, 20),
        end=times[-1],
    )


def _church_bells(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    starts = (rng.uniform(0.02, 0.1) * times[-1], rng.uniform(0.3, 0.6) * times[-1])
    return sounds.church_bells(times, rate, rng, strokes=[(start, rng.uniform(380, 760)) for start in starts])


DRAWS: Mapping[str, Draw] = {
    "church bells": _church_bells,
    "clock alarm": sounds.clock_alarm,
    "crickets": sounds.crickets,
    "door knock": sounds.door_knock,
    "keyboard typing": sounds.keyboard_typing,
    "rain": sounds.rain,
    "sea waves": sounds.sea_waves,
    "siren": _siren,
}
"""Sounds by class, each drawn differently by each generator."""


def _at_least(name: str, value: Any, least: int, kind: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value < float("inf"):
        raise InputError(f"{name} is a {'whole ' if kind is int else ''}number, {least} or more, not {value!r}")
