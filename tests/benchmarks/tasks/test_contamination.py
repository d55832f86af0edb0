"""Contamination: the SNR it claims, partners that are another sound, the same every time."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest

from zsxai.benchmarks.tasks.contamination import contaminants, contaminate, mix, partner_of, white_noise
from zsxai.benchmarks.tasks.settings import Contamination
from zsxai.data import LabelledClip
from zsxai.data.synthetic import Synthetic
from zsxai.errors import InputError

SNRS = (-6.0, -3.0, 0.0, 3.0, 6.02, 12.0)


def drawn(seed: int, length: int = 4000, level: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(length) * rng.uniform(0, 1, length) ** 3).astype(np.float32)


@pytest.mark.parametrize("snr", SNRS)
@pytest.mark.parametrize(("length", "level"), [(4000, 1.0), (1500, 1e-4), (9000, 50.0), (1000, 1.0)])
def test_the_snr_is_met_and_said(snr: float, length: int, level: float) -> None:
    signal, contaminant = drawn(1), drawn(2, length, level)
    mixture, said = mix(signal, contaminant, snr)
    assert mixture.dtype == np.float32
    assert mixture.shape == signal.shape
    assert said == pytest.approx(snr, abs=1e-6)
    # By least squares, which knows neither gain: the parts that are really in the mixture.
    fitted = np.zeros(len(signal))
    fitted[: min(length, 4000)] = contaminant[:4000]
    parts = np.stack([signal.astype(np.float64), fitted])
    gains, *_ = np.linalg.lstsq(parts.T, mixture.astype(np.float64), rcond=None)
    np.testing.assert_allclose(gains @ parts, mixture, atol=1e-7)
    energies = (gains[:, None] * parts) ** 2
    assert 10 * math.log10(energies[0].sum() / energies[1].sum()) == pytest.approx(snr, abs=1e-5)
    assert (gains > 0).all()


def test_the_snr_said_is_measured_not_repeated() -> None:
    # Samples of one size and no others: float32 cannot hold the contaminant under them, and the figure says so.
    signal = np.full(1000, 1.0, dtype=np.float32)
    contaminant = np.zeros(1000, dtype=np.float32)
    contaminant[::2] = 1.0
    assert mix(signal, contaminant, 150.0).snr != pytest.approx(150.0, abs=0.1)


def test_a_mixture_by_hand() -> None:
    # Energies 4 and 1: at 0 dB the contaminant is doubled; 2 - 2 * 3 / 3 ...
    mixture, said = mix(np.array([0.0, 2.0, 0.0]), np.array([-1.0, 0.0, 0.0, 9.0]), 0.0)
    np.testing.assert_array_equal(mixture, np.array([-1.0, 1.0, 0.0], dtype=np.float32))
    assert said == pytest.approx(0.0, abs=1e-9)
    # The largest magnitude is negative: dividing by max would leave [-1, 1].
    mixture, _ = mix(np.array([0.0, 1.0]), np.array([-1.0, 0.0]), -20 * math.log10(4))
    np.testing.assert_allclose(mixture, [-1.0, 0.25])


def test_peak_is_one_whatever_the_levels() -> None:
    for level in (1e-3, 1.0, 100.0):
        assert np.abs(mix(drawn(3, level=level), drawn(4), 3.0).waveform).max() == 1.0


@pytest.mark.parametrize(
    ("signal", "contaminant", "snr", "said"),
    [
        (np.zeros(5), np.ones(5), 0.0, "the signal is silent"),
        (np.ones(5), np.zeros(5), 0.0, "the contaminant is silent"),
        (np.ones(5), np.zeros(0), 0.0, "the contaminant is silent"),
        (np.ones(2), np.array([0.0, 0.0, 1.0]), 0.0, "the contaminant is silent or not finite over the 2 samples"),
        (np.ones(5), np.full(5, np.nan), 0.0, "not finite"),
        (np.ones(5), -np.ones(5), 0.0, "cancels"),
        (np.ones(5), np.ones(5), math.inf, "the SNR is a number"),
    ],
)
def test_no_snr_is_met(signal: np.ndarray, contaminant: np.ndarray, snr: float, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        mix(signal, contaminant, snr)
    assert "\n" not in str(error.value)


def collection() -> list[LabelledClip]:
    """Three folds, five classes, recordings that were cut into several clips of several classes."""
    return [
        LabelledClip(f"{fold}-{number:02}", f"class {number % 5}", f"source {fold}-{number // 3}", fold)
        for fold in (1, 2, 3)
        for number in range(20)
    ]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_partners_are_another_sound_of_the_same_fold(seed: int) -> None:
    clips = collection()
    for clip in clips:
        partner = partner_of(clip, clips, seed)
        assert partner.label != clip.label
        assert partner.source != clip.source
        assert partner.fold == clip.fold


def test_order_changes_nothing_and_seeds_do() -> None:
    clips = collection()
    shuffled = random.Random(5).sample(clips, len(clips))
    first = [partner_of(clip, clips, 0) for clip in clips]
    assert first == [partner_of(clip, shuffled, 0) for clip in clips]
    assert first != [partner_of(clip, clips, 1) for clip in clips]


def test_partners_are_pinned() -> None:
    # The same on every machine, forever: a change here changes every published table.
    clips = collection()
    assert [partner_of(clip, clips, 0).name for clip in clips[:4]] == ["1-19", "1-14", "1-06", "1-02"]
    assert white_noise(3, "1-00", 0).tolist() == pytest.approx([0.1110684, -0.5228857, 0.0558499], abs=1e-6)


def test_partners_are_drawn_evenly() -> None:
    clips = [LabelledClip(str(i), "a" if i == 0 else "b", str(i), 1) for i in range(11)]
    counts = Counter(partner_of(clips[0], clips, seed).name for seed in range(2000))
    assert len(counts) == 10
    assert min(counts.values()) > 140  # 200 expected, standard deviation 13
    assert max(counts.values()) < 260


def test_no_partner() -> None:
    clips = [LabelledClip("a", "dog", "1", 1), LabelledClip("b", "cat", "1", 1), LabelledClip("c", "cat", "2", 2)]
    with pytest.raises(InputError, match="a has no partner: no clip of another class and recording in fold 1"):
        partner_of(clips[0], clips, 0)


def test_contaminants_of_each_kind() -> None:
    clips, others = collection(), Synthetic(clips_per_class=2)
    for kind in ("clean", "white-noise"):
        assert contaminants(clips, Contamination(kind=kind), 0) == [None] * len(clips)
    same = contaminants(clips, Contamination(kind="same-set"), 0)
    assert same == [partner_of(clip, clips, 0) for clip in clips]
    speech = Contamination(kind="speech", data="ljspeech")
    found = contaminants(clips, speech, 0, others)
    assert set(found) <= set(others.clips)
    assert len(set(found)) > 8
    backwards = Synthetic(clips_per_class=2)
    backwards.clips = others.clips[::-1]
    assert found == contaminants(clips, speech, 0, backwards)
    with pytest.raises(InputError, match="speech needs its data set"):
        contaminants(clips, speech, 0)


def test_white_noise() -> None:
    noise = white_noise(100_000, "clip", 3)
    assert noise.dtype == np.float32
    np.testing.assert_array_equal(noise, white_noise(100_000, "clip", 3))
    assert not np.array_equal(noise, white_noise(100_000, "clip", 4))
    assert not np.array_equal(noise, white_noise(100_000, "clop", 3))
    assert abs(noise.mean()) < 0.02
    assert noise.std() == pytest.approx(1, abs=0.02)
    power = np.abs(np.fft.rfft(noise)) ** 2
    low, high = power[1:25_000].mean(), power[25_000:].mean()
    assert low == pytest.approx(high, rel=0.05)


def test_contaminate() -> None:
    signal, other = drawn(1), drawn(2)
    before = signal.copy()
    clean = contaminate(signal, Contamination(), "clip", 0)
    assert clean.waveform is signal
    assert clean.snr is None
    noisy = contaminate(signal, Contamination(kind="white-noise", snr=6), "clip", 0)
    np.testing.assert_array_equal(noisy.waveform, mix(signal, white_noise(4000, "clip", 0), 6).waveform)
    mixed = contaminate(signal, Contamination(kind="same-set", snr=-3), "clip", 0, other)
    np.testing.assert_array_equal(mixed.waveform, mix(signal, other, -3).waveform)
    assert mixed.snr == pytest.approx(-3, abs=1e-6)
    np.testing.assert_array_equal(signal, before)
    with pytest.raises(InputError, match="clip: contamination 'same-set' takes a recording"):
        contaminate(signal, Contamination(kind="same-set"), "clip", 0)
    with pytest.raises(InputError, match="'white-noise' takes no recording"):
        contaminate(signal, Contamination(kind="white-noise"), "clip", 0, other)
    with pytest.raises(InputError, match="clip: the contaminant is silent"):
        contaminate(signal, Contamination(kind="same-set"), "clip", 0, np.zeros(4000))


def test_the_global_generators_are_left_alone() -> None:
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    python = random.getstate()
    contaminate(drawn(1), Contamination(kind="white-noise"), "clip", 0)
    partner_of(collection()[0], collection(), 0)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert random.getstate() == python
