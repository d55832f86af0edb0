"""The demo's scene, synthesised: a siren passes over rain, then church bells. No recording, so no licence.

Everything is drawn from one seeded generator, and the sources are kept apart, so that an explanation can be held
against what really sounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        "siren": 0.30 * _siren(times, sample_rate, siren),
        "church bells": 0.60 * _bells(times, sample_rate, bells),
        "rain": 0.012 * _rain(times, sample_rate, rain),
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


def _unit(wave: NDArray[Any]) -> NDArray[Any]:
    peak = float(np.abs(wave).max())
    return wave * (1.0 / peak)


def _shaped(noise: NDArray[Any], sample_rate: int, points: dict[float, float]) -> NDArray[Any]:
    """Filter noise by a gain curve: decibels at hertz, straight between on a logarithmic axis."""
    spectrum = np.fft.rfft(noise)
    hertz = np.maximum(np.fft.rfftfreq(len(noise), 1 / sample_rate), 1.0)
    decibels = np.interp(np.log(hertz), np.log(list(points)), list(points.values()))
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), n=len(noise))


def _echo(wave: NDArray[Any], sample_rate: int, rng: np.random.Generator, seconds: float, part: float) -> NDArray[Any]:
    """Add a diffuse tail that loses 60 dB in ``seconds``."""
    length = int(seconds * sample_rate)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail = _shaped(tail, sample_rate, {100.0: -6.0, 500.0: 0.0, 2000.0: -3.0, 8000.0: -15.0})
    tail *= part / np.sqrt((tail**2).sum())
    size = len(wave) + length
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(tail, size), size)
    echoed: NDArray[Any] = wave + wet[: len(wave)]
    return echoed


def _rain(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """A broad hiss and, over it, drops: short bursts of all sizes."""
    curve = {50.0: -24.0, 300.0: -12.0, 1200.0: -3.0, 4000.0: 0.0, 9000.0: -4.0, 15000.0: -14.0}
    hiss = _shaped(rng.standard_normal(len(times)), rate, curve)
    hiss /= np.sqrt((hiss**2).mean())
    drops = np.zeros(len(times))
    for _ in range(int(60 * SECONDS)):
        length = int(rate * rng.uniform(0.003, 0.012))
        start = int(rng.integers(0, len(times) - length))
        shape = np.exp(-6 * np.arange(length) / length)
        drops[start : start + length] += min(rng.pareto(2.5), 3.0) * shape * rng.standard_normal(length)
    drops = _shaped(drops, rate, {200.0: -30.0, 1000.0: -6.0, 3000.0: 0.0, 12000.0: -6.0})
    drops *= 0.6 / np.sqrt((drops**2).mean())
    return hiss + drops


def _siren(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """A wail between 500 and 1200 Hz that comes near, passes at 2.4 s and goes, with its Doppler shift."""
    passing, speed, nearest, sound = 2.4, 16.0, 30.0, 343.0
    ahead = speed * (times - passing)
    distance = np.sqrt(nearest**2 + ahead**2)
    emitted = times - distance / sound
    wail = 850.0 - 350.0 * np.cos(2 * np.pi * emitted / 1.6)
    shift = 1.0 - speed * ahead / (distance * sound)
    phase = 2 * np.pi * np.cumsum(wail * shift) / rate
    wave = np.zeros(len(times))
    for harmonic, decibels in ((1, 0.0), (2, -18.0), (3, -12.0), (4, -28.0), (5, -22.0), (7, -30.0)):
        audible = np.clip((0.48 * rate - harmonic * wail) / 200.0, 0.0, 1.0)
        wave += audible * 10 ** (decibels / 20) * np.sin(harmonic * phase + rng.uniform(0, 2 * np.pi))
    level = (nearest / distance) ** 1.2
    fade = np.clip(times / 0.25, 0, 1) * np.clip((4.9 - times) / 0.7, 0, 1)
    return _unit(_echo(wave * level * fade**2, rate, rng, 0.6, 0.25))


_PARTIALS = (
    # ratio to the strike note, decibels, seconds to lose 60 dB: hum, prime, tierce, quint, nominal and above
    (0.5, -8.0, 6.3),
    (1.0, -3.0, 4.6),
    (1.19, 0.5, 3.9),
    (1.5, -9.0, 2.8),
    (2.0, 4.0, 2.5),
    (2.51, -4.5, 1.7),
    (2.66, -6.0, 1.5),
    (3.01, 0.0, 1.4),
    (4.17, -2.0, 1.0),
    (5.43, -5.0, 0.7),
    (6.80, -8.5, 0.5),
    (8.21, -12.0, 0.35),
)


def _bells(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """Four bells in turn, falling: partials of a cast bell, each a close pair that beats, and the clapper's blow."""
    wave = np.zeros(len(times))
    for start, note in ((5.3, 660.0), (6.5, 587.4), (7.7, 528.0), (8.9, 442.2)):
        since = times - start
        on = since >= 0
        t = since[on]
        for ratio, decibels, decay in _PARTIALS:
            hertz = note * ratio * rng.uniform(0.999, 1.001)
            if hertz > 0.45 * rate:
                continue
            envelope = 10 ** (decibels / 20 - 3 * t / decay) * np.clip(t / 0.002, 0, 1)
            beat = rng.uniform(0.4, 1.6)
            pair = np.sin(2 * np.pi * hertz * t) + 0.6 * np.sin(2 * np.pi * (hertz + beat) * t + rng.uniform(0, 6.28))
            wave[on] += envelope * pair
        blow = rng.standard_normal(len(t)) * np.exp(-t / 0.012)
        wave[on] += 0.8 * _shaped(blow, rate, {300.0: -24.0, 1500.0: -6.0, 4000.0: 0.0, 12000.0: -18.0})
    return _unit(_echo(wave, rate, rng, 3.0, 0.2))
