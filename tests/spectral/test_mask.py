"""What masks do to power and to audio."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.toys import SPEC
from zsxai.spectral import FrontEnd, Masking, Stft, StftSpec, floor_of, heard_band, mel_grid, render, spread, stft_grid
from zsxai.spectral.mask import audio_gain

FRONT_END = FrontEnd(SPEC)
DOMAINS, SCALES = ("stft", "mel"), ("log", "gain", "log1p")
LENGTHS = [1, 160, 300, 8000, 8001, 8159]


def clip(samples: int = 8000) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples))


def grid_of(domain: str, samples: int = 8000):
    return mel_grid(SPEC, samples) if domain == "mel" else stft_grid(SPEC, samples, heard_band(SPEC))


def random_mask(domain: str, samples: int = 8000) -> torch.Tensor:
    grid = grid_of(domain, samples)
    mask = torch.rand(grid.shape, generator=torch.Generator().manual_seed(1))
    return mask * torch.from_numpy(grid.in_band)[:, None]


def masking(domain: str, scale: str, waveform: torch.Tensor) -> Masking:
    power = FRONT_END.power(waveform)
    if domain == "mel":
        return Masking(domain="mel", scale=scale, floor=floor_of(float(FRONT_END.mel(power).max()), SPEC.floor))
    return Masking(domain="stft", scale=scale, floor=floor_of(float(power.max()), FRONT_END.power_floor))


def test_gains_by_hand() -> None:
    power, mask = torch.tensor([1.0, 100.0, 1e-9, 1e-4]), torch.tensor([0.5, 0.25, 0.5, 0.0])
    log = Masking(domain="stft", scale="log", floor=1e-4).gain(power, mask)
    assert (power * log).tolist() == pytest.approx([1e-2, (1e-4) ** 0.75 * 100**0.25, 1e-9, 1e-4])
    assert Masking(domain="stft", scale="gain", floor=1e-4).gain(power, mask).tolist() == [0.25, 0.0625, 0.25, 0.0]


def test_the_floor_is_the_higher_of_the_two() -> None:
    power = torch.tensor([3.0, 100.0])
    assert floor_of(float(power.max()), 1e-3) == 1e-3
    assert floor_of(float(power.max()), 1e-9) == pytest.approx(100.0 * 1e-8)


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("domain", DOMAINS)
def test_kept_and_residue_make_the_input_on_gain(domain: str, samples: int) -> None:
    waveform = clip(samples)
    how, mask = masking(domain, "gain", waveform), random_mask(domain, samples)
    kept, left = (render(FRONT_END, how, waveform, mask, residue=r) for r in (False, True))
    np.testing.assert_allclose((kept + left).numpy(), waveform.numpy(), atol=1e-5)
    assert kept.shape == left.shape == waveform.shape
    if samples > 160:
        assert not torch.allclose(kept, waveform, atol=1e-3)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_ones_are_the_clip_in_its_band_and_zeros_are_silence(domain: str, scale: str) -> None:
    waveform = clip()
    how, grid = masking(domain, scale, waveform), grid_of(domain)
    ones = torch.ones(grid.shape) * torch.from_numpy(grid.in_band)[:, None]
    power = FRONT_END.power(waveform)
    heard = FRONT_END.bank.sum(dim=0) > 0
    with torch.no_grad():
        assert torch.allclose(audio_gain(FRONT_END, how, power, ones)[heard], torch.ones(()), atol=1e-6)
        silence = audio_gain(FRONT_END, how, power, torch.zeros(grid.shape)) * power
        everything = audio_gain(FRONT_END, how, power, torch.zeros(grid.shape), residue=True)
    assert torch.allclose(everything, torch.ones(()), atol=1e-6)
    if scale == "gain":
        assert silence.eq(0).all()
    elif domain == "stft":
        assert float(silence.max()) <= how.floor * 1.0001
    else:
        assert float(FRONT_END.mel(silence).max()) < 30 * how.floor
        assert float(FRONT_END.mel(silence).max()) < 1e-5 * float(FRONT_END.mel(power).max())


def test_everything_is_the_clip_itself() -> None:
    how = Masking(domain="stft", scale="log", floor=1e-9)
    for samples in LENGTHS:
        waveform = clip(samples)
        kept = render(FRONT_END, how, waveform, torch.ones(1, *stft_grid(SPEC, samples).shape))
        np.testing.assert_allclose(kept[0].numpy(), waveform.numpy(), atol=1e-6)


@pytest.mark.parametrize("hop", [160, 256, 320])
def test_the_end_of_the_audio_does_not_click(hop: int) -> None:
    """Where the hop does not divide the clip, the last samples lie under the taper of the last frame alone."""
    stft = Stft(StftSpec(sample_rate=16000, n_fft=512, hop=hop))
    waveform = clip(16000 // hop * hop + hop - 1)
    mask = torch.zeros(stft_grid(stft.stft_spec, len(waveform)).shape)
    mask[40:60] = 1.0
    kept = render(stft, Masking(domain="stft", scale="gain", floor=1e-9), waveform, mask)
    assert float(kept[-hop:].abs().max()) < 1.5 * float(kept[:-hop].abs().max())


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_gains_lie_in_the_unit_interval_and_rise_with_the_mask(domain: str, scale: str) -> None:
    waveform = clip()
    how, mask, power = masking(domain, scale, waveform), random_mask(domain), FRONT_END.power(waveform)
    low, high = audio_gain(FRONT_END, how, power, 0.5 * mask), audio_gain(FRONT_END, how, power, mask)
    assert ((low >= 0) & (low <= high + 1e-6) & (high <= 1 + 1e-6)).all()
    assert (high > low).any()
    outside = FRONT_END.bank.sum(dim=0) == 0
    left = audio_gain(FRONT_END, how, power, mask, residue=True)[outside]
    assert torch.allclose(left, torch.ones(()))
    assert float((high * power)[outside].max()) <= how.floor * 1.001


def test_spread_keeps_constants_inside_the_band() -> None:
    heard = FRONT_END.bank.sum(dim=0) > 0
    found = spread(FRONT_END.bank, torch.full((32, 3), 0.3))
    assert torch.allclose(found[heard], torch.tensor(0.3))
    assert found[~heard].eq(0).all()


def test_the_kept_tone_is_the_one_the_mask_keeps() -> None:
    time = torch.arange(8000) / 16000
    low, high = (0.1 * torch.sin(2 * torch.pi * f * time) for f in (500.0, 4000.0))
    for domain in DOMAINS:
        grid = grid_of(domain)
        mask = torch.from_numpy((grid.frequencies < 1500) & grid.in_band).float()[:, None].expand(grid.shape)
        for scale in SCALES:
            kept = render(FRONT_END, masking(domain, scale, low + high), low + high, mask)
            assert float((kept - low).square().mean()) < 1e-3 * float(low.square().mean())


def test_a_mel_mask_needs_a_mel_bank() -> None:
    plain = Stft(SPEC)
    with pytest.raises(TypeError, match="mel bank"):
        render(plain, Masking(domain="mel", floor=1e-9), clip(), torch.ones(32, 51))


def test_log1p_is_the_published_recipe() -> None:
    """``expm1(M log1p |X|)``: kept by M, left by 1 - M."""
    generator = torch.Generator().manual_seed(0)
    power = torch.rand(4, 6, generator=generator).mul(8).sub(4).mul(2.3).exp()
    mask = torch.rand(4, 6, generator=generator)
    masking = Masking(domain="stft", scale="log1p", floor=1e-10)
    for part in (mask, 1 - mask):
        published = torch.expm1(part * torch.log1p(power.sqrt())).square()
        torch.testing.assert_close(power * masking.gain(power, part), published, rtol=2e-5, atol=0)
    ones, zeros = torch.ones_like(mask), torch.zeros_like(mask)
    torch.testing.assert_close(masking.gain(power, ones), ones, rtol=1e-5, atol=0)
    assert not masking.gain(power, zeros).any()


def test_log1p_on_quiet_sound_is_a_gain() -> None:
    power = torch.tensor([0.0, 1e-30, 1e-12])
    gain = Masking(domain="stft", scale="log1p", floor=1e-10).gain(power, torch.full((3,), 0.5))
    torch.testing.assert_close(gain, torch.full((3,), 0.25), rtol=1e-4, atol=0)
