"""Another speed moves a tone, another colour moves levels; the power stays, and the seed decides."""

from __future__ import annotations

import numpy as np
import pytest

from zsxai.lmac_zs.training import vary
from zsxai.lmac_zs.training.vary import vary_sound

RATE = 16000
RNG = np.random.default_rng


def tone(hertz: float, seconds: float = 2.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE).astype(np.float32)


def loudest(sound: np.ndarray) -> float:
    return float(np.fft.rfftfreq(len(sound), 1 / RATE)[np.abs(np.fft.rfft(sound)).argmax()])


def test_speed_moves_pitch_and_length_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vary, "COLOUR", 0.0)
    factors = []
    for seed in range(20):
        other = vary_sound(tone(1000.0), RATE, RNG(seed))
        factor = loudest(other) / 1000.0
        assert len(other) == pytest.approx(2 * RATE / factor, rel=2e-3)
        factors.append(np.log2(factor))
    assert -vary.SPEED <= min(factors) < -0.6 * vary.SPEED
    assert 0.6 * vary.SPEED < max(factors) <= vary.SPEED


def test_colour_moves_levels_smoothly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vary, "SPEED", 0.0)
    noise = RNG(0).normal(size=4 * RATE).astype(np.float32)
    level = 20 * np.log10(np.abs(np.fft.rfft(vary_sound(noise, RATE, RNG(1)))) / np.abs(np.fft.rfft(noise)))
    hertz = np.fft.rfftfreq(len(noise), 1 / RATE)
    at = [float(level[np.argmin(np.abs(hertz - h))]) for h in (60, 400, 1000, 3000, 7000)]
    assert np.std(at) > 1.0
    heard = (hertz > 100) & (hertz < 7000)
    assert np.abs(np.diff(level[heard])).max() < 0.5


@pytest.mark.parametrize("seed", range(5))
def test_power_stays_and_the_generator_decides(seed: int) -> None:
    noise = 0.1 * RNG(9).normal(size=RATE).astype(np.float32)
    one, same, other = (vary_sound(noise, RATE, RNG(s)) for s in (seed, seed, seed + 1))
    assert one.dtype == np.float32
    assert np.mean(one**2) == pytest.approx(np.mean(noise**2), rel=1e-3)
    np.testing.assert_array_equal(one, same)
    assert len(one) != len(other)


def test_silence_stays_silent() -> None:
    assert not vary_sound(np.zeros(RATE, dtype=np.float32), RATE, RNG(0)).any()
