"""STFT, mel bank and logarithm against librosa; gradients against central differences."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from transformers.audio_utils import mel_filter_bank

from tests.toys import SPEC, ConvToy
from zsxai.spectral import FrontEnd, FrontEndSpec, Stft, StftSpec
from zsxai.spectral.front_end import hz_to_mel, mel_bank, mel_points, mel_to_hz

BANKS = {
    "toy": SPEC,
    "tiny": FrontEndSpec(sample_rate=32000, n_fft=1024, hop=320, n_mels=64, f_min=50, f_max=14000, mel_norm=None),
    "hf": FrontEndSpec(sample_rate=48000, n_fft=1024, hop=480, n_mels=64, f_min=50, f_max=14000),
    "htk": FrontEndSpec(sample_rate=48000, n_fft=1024, hop=480, f_min=0, f_max=14000, mel_scale="htk", mel_norm=None),
    "htk with unit areas": FrontEndSpec(sample_rate=22050, n_fft=2048, hop=512, f_min=20, f_max=11025, mel_scale="htk"),
    "up to Nyquist": FrontEndSpec(sample_rate=16000, n_fft=400, hop=160, n_mels=128, f_min=0, f_max=8000),
}


def noise(samples: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.filterwarnings("ignore:Empty filters", "ignore:At least one mel filter")
@pytest.mark.parametrize("name", BANKS)
def test_the_mel_bank_is_the_one_that_transformers_computes(name: str) -> None:
    spec = BANKS[name]
    theirs = mel_filter_bank(
        spec.n_bins, spec.n_mels, spec.f_min, spec.f_max, spec.sample_rate, norm=spec.mel_norm, mel_scale=spec.mel_scale
    ).T
    ours = mel_bank(spec)
    assert ours.shape == theirs.shape == (spec.n_mels, spec.n_bins)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", BANKS)
def test_grids_and_banks_have_the_same_corners(name: str) -> None:
    """The bank is librosa's, the grids' mel scale is ours."""
    spec = BANKS[name]
    theirs = librosa.mel_frequencies(spec.n_mels + 2, fmin=spec.f_min, fmax=spec.f_max, htk=spec.mel_scale == "htk")
    np.testing.assert_allclose(mel_points(spec), theirs, rtol=1e-12, atol=1e-12)


def test_a_bank_that_is_given_is_the_one_used() -> None:
    given = np.random.default_rng(0).random((SPEC.n_mels, SPEC.n_bins))
    np.testing.assert_array_equal(FrontEnd(SPEC, given).bank.numpy(), given.astype(np.float32))


def test_a_bank_built_for_another_rate_lies_where_that_rate_heard_it() -> None:
    """MS-CLAP 2023: the bank counts bins of 32 kHz, the audio has 44.1 kHz, so every band sits 1.378 times higher."""
    spec = FrontEndSpec(sample_rate=44100, filter_rate=32000, n_fft=1024, hop=320, f_min=50, f_max=14000)
    built_for = spec.model_copy(update={"sample_rate": 32000, "filter_rate": None})
    np.testing.assert_allclose(mel_bank(spec), mel_bank(built_for), rtol=1e-12)
    np.testing.assert_allclose(mel_points(spec), mel_points(built_for) * 44100 / 32000, rtol=1e-12)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_mel_and_back(scale: str) -> None:
    hertz = np.array([0.0, 20.0, 999.0, 1000.0, 1001.0, 14000.0, 24000.0])
    np.testing.assert_allclose(hz_to_mel(hertz, scale), librosa.hz_to_mel(hertz, htk=scale == "htk"), rtol=1e-12)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hertz, scale), scale), hertz, rtol=1e-12, atol=1e-9)


@pytest.mark.filterwarnings("ignore:n_fft=512 is too large")
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("samples", [16000, 16001, 15999, 257])
def test_power_mel_and_decibels_are_librosas(samples: int, precision: str) -> None:
    spec = SPEC.model_copy(update={"precision": precision})
    front_end, signal = FrontEnd(spec), noise(samples)
    with torch.no_grad():
        power = front_end.power(signal)
        ours = front_end.log(front_end.mel(power))
    # librosa computes a float64 signal in complex128.
    theirs = np.abs(librosa.stft(signal.double().numpy(), n_fft=512, hop_length=160, pad_mode="reflect")) ** 2
    assert power.dtype == getattr(torch, precision)
    assert power.shape == theirs.shape == (spec.n_bins, spec.n_frames(samples))
    tolerance = 1e-12 if precision == "float64" else 1e-5
    np.testing.assert_allclose(power.numpy(), theirs, rtol=tolerance, atol=tolerance * theirs.max())
    decibels = librosa.power_to_db(mel_bank(spec) @ theirs, ref=1.0, amin=spec.floor, top_db=None)
    assert ours.dtype == torch.float32
    np.testing.assert_allclose(ours.numpy(), decibels, atol=1e-3 if precision == "float32" else 2e-5)


def test_the_logarithm_is_clamped_and_in_the_checkpoints_unit() -> None:
    mel = torch.tensor([0.0, SPEC.floor / 2, SPEC.floor, 1.0, 100.0])
    decibels = FrontEnd(SPEC).log(mel)
    nepers = FrontEnd(SPEC.model_copy(update={"decibels": False})).log(mel)
    assert decibels.tolist() == pytest.approx([-60, -60, -60, 0, 20])
    assert nepers.tolist() == pytest.approx([np.log(1e-6)] * 3 + [0, np.log(100)])


@pytest.mark.parametrize("samples", [1, 2, 159, 160, 161, 256, 257, 512, 1000, 16000])
@pytest.mark.parametrize("hop", [128, 160, 256])
def test_there_and_back(samples: int, hop: int) -> None:
    stft, signal = Stft(StftSpec(sample_rate=16000, n_fft=512, hop=hop)), noise(samples)
    spectrum = stft.complex(signal[None].expand(2, -1))
    assert spectrum.shape == (2, 257, stft.stft_spec.n_frames(samples))
    np.testing.assert_allclose(stft.inverse(spectrum, samples)[1].numpy(), signal.numpy(), atol=2e-3)


def test_power_floor_puts_every_band_at_or_under_the_mel_floor() -> None:
    for spec in BANKS.values():
        front_end = FrontEnd(spec)
        mel = front_end.mel(torch.full((spec.n_bins, 1), front_end.power_floor))
        assert float(mel.max()) == pytest.approx(spec.floor, rel=1e-4)


def test_the_gradient_on_the_waveform_is_central_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ConvToy(spec=SPEC.model_copy(update={"precision": "float64"}))
    # log() hands float32 to the encoder, whose rounding would drown these differences.
    monkeypatch.setattr(model.front_end, "log", lambda mel: 10.0 * torch.log10(mel.clamp(min=SPEC.floor)))
    for module in model.modules():
        module.double()
    clip = 0.1 * noise(9000, dtype=torch.float64)[None].requires_grad_()
    target = noise(8, seed=1, dtype=torch.float64)
    score = lambda x: (model.embed_audio(x) @ target).sum()  # noqa: E731
    (gradient,) = torch.autograd.grad(score(clip), clip)
    assert gradient.norm() > 1e-3
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for _ in range(3):
            step = torch.randn(clip.shape, generator=generator, dtype=torch.float64)
            step = step / step.norm() + gradient / gradient.norm()
            numeric = float(score(clip + 1e-5 * step) - score(clip - 1e-5 * step)) / 2e-5
            assert float((gradient * step).sum()) == pytest.approx(numeric, rel=1e-5)
