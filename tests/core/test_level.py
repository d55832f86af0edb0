"""Active power: frames within 40 dB of the loudest count, whole ones, in the precision of the samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zsxai.level import active_power


def test_frames_within_40_db_of_the_loudest() -> None:
    frame = 320
    levels = np.array([1.0, 0.1, 0.0101, 0.0099, 0.0])
    samples = np.repeat(levels, frame)
    assert active_power(samples, frame) == pytest.approx((1.0 + 0.01 + 0.0101**2) / 3, rel=1e-5)
    assert active_power(samples[: frame // 2], frame) == pytest.approx(1.0)
    assert active_power(samples[: 2 * frame - 1], frame) == pytest.approx(1.0), "a rest does not count"


def test_tensors() -> None:
    wave = torch.zeros(25000)
    wave[:2500] = 0.5
    assert active_power(wave, 100) == pytest.approx(0.25)
    wave[12500:] = 0.004  # 42 dB under
    assert active_power(wave, 100) == pytest.approx(0.25)
    wave[12500:] = 0.006
    assert active_power(wave, 100) == pytest.approx((0.25 * 25 + 0.006**2 * 125) / 150)
    assert active_power(torch.zeros(100), 0) == 0.0
    assert active_power(torch.ones(3), 0) == 1.0
