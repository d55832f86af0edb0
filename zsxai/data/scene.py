"""The demo's scene, synthesised: a siren passes over rain, then church bells. No recording, so no licence.

Everything is drawn from one seeded generator, and the sources are kept apart, so that an explanation can be held
against what really sounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.data import sounds
from zsxai.errors import InputError

SECONDS = 10.0
_STEP = 2.0**-20
"""Samples are multiples of this (120 dB under full scale): sums of sources are exact in float32, in any order."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A mixture whose sources are known.

    Attributes:
        waveform: ``(T,)`` float32, exactly the sum of the sources.
        sample_rate: Samples per second.
        sources: Waveform of every source by name, each as long as the mixture.
        prompts: A prompt for every source.
        description: One sentence.
    """

    waveform: NDArray[Any]
    sample_rate: int
    sources: dict[str, NDArray[Any]]
    prompts: dict[str, str]
    description: str


def demo_scene(seed: int = 0, sample_rate: int = 32000) -> Scene:
    """Rain throughout, a siren that passes in the first half, church bells in the second; ten seconds.

    Args:
        seed: Seed of the rain, the echoes and the small irregularities; the same seed gives the same samples.
        sample_rate: Samples per second, 8000 at least.

    Raises:
        InputError: If the sample rate is too low for the siren's harmonics.
    """
    if sample_rate < 8000:
        raise InputError(f"the scene needs 8000 samples per second or more, not {sample_rate}")
    times = np.arange(round(SECONDS * sample_rate)) / sample_rate
    # One stream per source, so that changing one leaves the others as they were.
    rain, siren, bells = np.random.default_rng(seed).spawn(3)
    made = {
        "siren": 0.30 * sounds.siren(times, sample_rate, siren),
        "church bells": 0.60 * sounds.church_bells(times, sample_rate, bells),
        "rain": 0.012 * sounds.rain(times, sample_rate, rain),
    }
    sources = {name: (np.round(wave / _STEP) * _STEP).astype(np.float32) for name, wave in made.items()}
    for wave in sources.values():
        wave.flags.writeable = False
    waveform: NDArray[Any] = np.stack(list(sources.values())).sum(axis=0, dtype=np.float32)
    return Scene(
        waveform=waveform,
        sample_rate=sample_rate,
        sources=sources,
        prompts={"siren": "siren", "church bells": "church bells", "rain": "rain"},
        description="A siren passes over rain; then four church bells ring.",
    )
