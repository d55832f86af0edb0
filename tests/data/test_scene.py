"""The scene: sources known, the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from zsxai import InputError
from zsxai.data.scene import SECONDS, demo_scene


@pytest.fixture(scope="module")
def scene():
    return demo_scene()


def test_sources_sum_exactly_in_any_order(scene):
    assert scene.waveform.dtype == np.float32
    assert sorted(scene.sources) == ["church bells", "rain", "siren"]
    waves = list(scene.sources.values())
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        total = waves[order[0]] + waves[order[1]] + waves[order[2]]
        np.testing.assert_array_equal(total, scene.waveform)
    np.testing.assert_array_equal(sum(scene.sources.values()), scene.waveform)


def test_same_seed_same_samples(scene):
    again, other = demo_scene(seed=0), demo_scene(seed=1)
    np.testing.assert_array_equal(again.waveform, scene.waveform)
    assert not np.array_equal(other.sources["rain"], scene.sources["rain"])
    assert scene.prompts.keys() == scene.sources.keys()


def test_scene_does_not_touch_the_global_generator():
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    demo_scene(sample_rate=8000)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_scene_at_other_rates(rate):
    scene = demo_scene(sample_rate=rate)
    assert len(scene.waveform) == round(SECONDS * rate)
    assert np.isfinite(scene.waveform).all()
    assert np.abs(scene.waveform).max() < 1.0


def test_siren_passes_first_and_bells_ring_after(scene):
    def centre(name):
        power = scene.sources[name].astype(np.float64) ** 2
        return (power * np.arange(len(power))).sum() / power.sum() / scene.sample_rate

    assert 1.5 < centre("siren") < 3.5
    assert 6.0 < centre("church bells") < 9.5
    bells = scene.sources["church bells"]
    assert not bells[: int(5.2 * scene.sample_rate)].any()


def test_rate_too_low_is_refused():
    with pytest.raises(InputError, match="8000"):
        demo_scene(sample_rate=4000)
