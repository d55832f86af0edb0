"""Everyday sounds, synthesised, for the demo's scene and the synthetic data set. No recording, so no licence.

Every sound takes times ``(T,)`` in seconds, the sample rate and a generator, and returns ``(T,)`` float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rain(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """A broad hiss and, over it, drops: short bursts of all sizes."""
    curve = {50.0: -24.0, 300.0: -12.0, 1200.0: -3.0, 4000.0: 0.0, 9000.0: -4.0, 15000.0: -14.0}
    hiss = shaped(rng.standard_normal(len(times)), rate, curve)
    hiss /= np.sqrt((hiss**2).mean())
    drops = np.zeros(len(times))
    for _ in range(60 * len(times) // rate):
        length = int(rate * rng.uniform(0.003, 0.012))
        start = int(rng.integers(0, len(times) - length))
        shape = np.exp(-6 * np.arange(length) / length)
        drops[start : start + length] += min(rng.pareto(2.5), 3.0) * shape * rng.standard_normal(length)
    drops = shaped(drops, rate, {200.0: -30.0, 1000.0: -6.0, 3000.0: 0.0, 12000.0: -6.0})
    drops *= 0.6 / np.sqrt((drops**2).mean())
    return hiss + drops


def siren(
    times: NDArray[Any],
    rate: int,
    rng: np.random.Generator,
    *,
    middle: float = 850.0,
    swing: float = 350.0,
    period: float = 1.6,
    passing: float = 2.4,
    speed: float = 16.0,
    end: float = 4.9,
) -> NDArray[Any]:
    """A wail around ``middle`` hertz that comes near, passes and goes, with its Doppler shift; gone at ``end``."""
    nearest, sound = 30.0, 343.0
    ahead = speed * (times - passing)
    distance = np.sqrt(nearest**2 + ahead**2)
    emitted = times - distance / sound
    wail = middle - swing * np.cos(2 * np.pi * emitted / period)
    shift = 1.0 - speed * ahead / (distance * sound)
    phase = 2 * np.pi * np.cumsum(wail * shift) / rate
    wave = np.zeros(len(times))
    for harmonic, decibels in ((1, 0.0), (2, -18.0), (3, -12.0), (4, -28.0), (5, -22.0), (7, -30.0)):
        audible = np.clip((0.48 * rate - harmonic * wail) / 200.0, 0.0, 1.0)
        wave += audible * 10 ** (decibels / 20) * np.sin(harmonic * phase + rng.uniform(0, 2 * np.pi))
    level = (nearest / distance) ** 1.2
    fade = np.clip(times / 0.25, 0, 1) * np.clip((end - times) / 0.7, 0, 1)
    return unit(echo(wave * level * fade**2, rate, rng, 0.6, 0.25))


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


def church_bells(
    times: NDArray[Any],
    rate: int,
    rng: np.random.Generator,
    *,
    strokes: Sequence[tuple[float, float]] = ((5.3, 660.0), (6.5, 587.4), (7.7, 528.0), (8.9, 442.2)),
) -> NDArray[Any]:
    """Bells struck at (seconds, hertz): partials of a cast bell, each a close pair that beats, and the clapper."""
    wave = np.zeros(len(times))
    for start, note in strokes:
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
        wave[on] += 0.8 * shaped(blow, rate, {300.0: -24.0, 1500.0: -6.0, 4000.0: 0.0, 12000.0: -18.0})
    return unit(echo(wave, rate, rng, 3.0, 0.2))


def crickets(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """One to three crickets: chirps of a few pulses of a high tone."""
    hertz, chirps, pulses = rng.uniform(3800, 5200), rng.uniform(1.5, 3.0), rng.uniform(28, 45)
    pulse = np.clip(np.sin(2 * np.pi * pulses * times), 0, 1) ** 0.7
    wave = np.zeros(len(times))
    for _ in range(int(rng.integers(1, 4))):
        chirping = (times * chirps + rng.uniform(0, 1)) % 1 < 0.45
        tone = np.sin(2 * np.pi * hertz * rng.uniform(0.95, 1.05) * times)
        wave += rng.uniform(0.3, 1) * chirping * pulse * tone
    night = shaped(rng.standard_normal(len(times)), rate, {50.0: -20.0, 500.0: -10.0, 4000.0: 0.0, 12000.0: -10.0})
    return unit(wave + 0.01 * night)


def sea_waves(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """Surf: a swell that rises, breaks brightly and runs out."""
    phase = (times / rng.uniform(3.5, 5.5) + rng.uniform(0, 1)) % 1
    swell = np.where(phase < 0.35, (phase / 0.35) ** 2, np.exp(-4 * (phase - 0.35)))
    roar, foam = rng.standard_normal((2, len(times)))
    roar = shaped(roar, rate, {30.0: -6.0, 120.0: 0.0, 600.0: -6.0, 2000.0: -14.0, 8000.0: -28.0})
    foam = shaped(foam, rate, {200.0: -24.0, 1000.0: -6.0, 3000.0: 0.0, 8000.0: -6.0, 14000.0: -16.0})
    roar, foam = roar / np.sqrt((roar**2).mean()), foam / np.sqrt((foam**2).mean())
    return unit(roar * (0.25 + 0.8 * swell) + 0.5 * foam * (0.06 + swell**1.5))


def door_knock(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """Knocks on a wooden door, three to five at a time, in a room."""
    wave = np.zeros(len(times))
    t = np.arange(int(0.15 * rate)) / rate
    start = rng.uniform(0.05, 0.3)
    while start < times[-1] - 0.3:
        for _ in range(int(rng.integers(3, 6))):
            hertz = rng.uniform(110, 150)
            panel = sum(
                a * np.sin(2 * np.pi * hertz * q * t) for q, a in ((1, 1.0), (2.3, 0.8), (3.7, 0.5), (5.1, 0.3))
            )
            blow = np.exp(-t / 0.02) * panel + 0.8 * rng.standard_normal(len(t)) * np.exp(-t / 0.003)
            _put(wave, start * rate, rng.uniform(0.7, 1) * blow)
            start += rng.uniform(0.16, 0.25)
        start += rng.uniform(0.8, 1.6)
    return unit(echo(wave, rate, rng, 0.4, 0.25))


def clock_alarm(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """An electronic alarm clock: groups of two to four beeps."""
    hertz, beeps, beep = rng.uniform(1900, 3200), int(rng.integers(2, 5)), rng.uniform(0.05, 0.09)
    since = (times + rng.uniform(0, 0.5)) % rng.uniform(0.8, 1.1)
    sounding = (since % (2 * beep) < beep) & (since < 2 * beep * beeps)
    square = sum(np.sin(2 * np.pi * hertz * k * times) / k for k in (1, 3, 5) if hertz * k < 0.45 * rate)
    return unit(echo(sounding * square, rate, rng, 0.2, 0.1))


def keyboard_typing(times: NDArray[Any], rate: int, rng: np.random.Generator) -> NDArray[Any]:
    """Keys struck in an uneven run, each with its release, and pauses."""
    wave = np.zeros(len(times))
    t = np.arange(int(0.06 * rate)) / rate
    start = rng.uniform(0, 0.3)
    while start < times[-1]:
        key = rng.standard_normal(len(t)) * np.exp(-t / 0.004)
        key += 0.5 * np.sin(2 * np.pi * rng.uniform(1800, 3500) * t) * np.exp(-t / 0.005)
        key += 0.4 * np.sin(2 * np.pi * rng.uniform(250, 450) * t) * np.exp(-t / 0.012)
        _put(wave, start * rate, rng.uniform(0.4, 1) * key)
        _put(wave, (start + rng.uniform(0.06, 0.1)) * rate, 0.3 * rng.uniform(0.5, 1) * key)
        start += rng.uniform(0.09, 0.2) if rng.uniform() < 0.8 else rng.uniform(0.2, 0.5)
    wave = shaped(wave, rate, {80.0: -20.0, 400.0: -6.0, 2000.0: 0.0, 6000.0: -2.0, 14000.0: -12.0})
    return unit(echo(wave, rate, rng, 0.15, 0.1) + 2e-3 * rng.standard_normal(len(times)))


def _put(wave: NDArray[Any], start: float, short: NDArray[Any]) -> None:
    """Add a short sound at a sample; what runs over the end is cut."""
    at = int(start)
    length = max(0, min(len(short), len(wave) - at))
    wave[at : at + length] += short[:length]


def unit(wave: NDArray[Any]) -> NDArray[Any]:
    """Scale to a peak of 1."""
    peak = float(np.abs(wave).max())
    return wave * (1.0 / peak)


def shaped(noise: NDArray[Any], rate: int, points: dict[float, float]) -> NDArray[Any]:
    """Filter by a gain curve: decibels at hertz, straight between on a logarithmic axis."""
    spectrum = np.fft.rfft(noise)
    hertz = np.maximum(np.fft.rfftfreq(len(noise), 1 / rate), 1.0)
    decibels = np.interp(np.log(hertz), np.log(list(points)), list(points.values()))
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), n=len(noise))


def echo(wave: NDArray[Any], rate: int, rng: np.random.Generator, seconds: float, part: float) -> NDArray[Any]:
    """Add a diffuse tail that loses 60 dB in ``seconds``."""
    length = int(seconds * rate)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail = shaped(tail, rate, {100.0: -6.0, 500.0: 0.0, 2000.0: -3.0, 8000.0: -15.0})
    tail *= part / np.sqrt((tail**2).sum())
    size = len(wave) + length
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(tail, size), size)
    echoed: NDArray[Any] = wave + wet[: len(wave)]
    return echoed
