"""A clip before its model: its grid, its masks, what relevance becomes on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.toys import STRICT, BandToy, ConvToy
from zsxai.clip import Clip, Relevance, batches
from zsxai.errors import InputError
from zsxai.recording import Recording
from zsxai.spectral import mel_grid

pytestmark = STRICT


def noise(samples: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(samples).standard_normal(samples)).astype(np.float32)


def test_batches() -> None:
    assert [(s.start, s.stop) for s in batches(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert list(batches(0, 3)) == []


@pytest.mark.parametrize("domain", ["stft", "mel"])
@pytest.mark.parametrize("scale", ["log", "gain"])
@pytest.mark.parametrize("fill", ["zero", "repeat", "repeat-pad"])
def test_a_mask_of_ones_is_the_clip_to_the_model(domain: str, scale: str, fill: str) -> None:
    for samples in (1, 160, 5000, 16000):
        clip = Recording(ConvToy(fill=fill), noise(samples) + 0.01, domain=domain, scale=scale).clips[0]
        ones = torch.from_numpy(clip.grid.in_band).float()[:, None].expand(clip.grid.shape)
        zeros = torch.zeros(clip.grid.shape)
        with torch.no_grad():
            whole, silence = clip.embed_masked(torch.stack([ones, zeros]))
            features = clip.spectral.features_from_mel(torch.zeros_like(clip.features.mel))
            nothing = clip.spectral.encode(features).embedding[0]
        torch.testing.assert_close(whole, clip.embedding, atol=1e-6, rtol=0)
        if scale == "gain":
            torch.testing.assert_close(silence, nothing, atol=1e-6, rtol=0)
        elif samples > 160:
            assert (silence - whole).norm() > 1e-3


def test_masks_pass_gradients_where_the_model_does() -> None:
    clip = Recording(ConvToy(), noise(8000)).clips[0]
    mask = torch.full((1, *clip.grid.shape), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(clip.embed_masked(mask)[0, 0], mask)
    assert (gradient[0, clip.grid.in_band] != 0).float().mean() > 0.9
    assert gradient[0, ~clip.grid.in_band].eq(0).all()


def test_a_mask_acts_on_its_own_frames_of_every_copy() -> None:
    """A mask on the clip does to the model what the masked clip, repeated, would."""
    model = BandToy(fill="repeat")
    time = np.arange(4000) / 16000
    tone = (0.3 * np.sin(2 * np.pi * 500 * time)).astype(np.float32)
    clip = Recording(model, tone, scale="gain").clips[0]
    mask = torch.ones(clip.grid.shape)
    mask[:, 13:] = 0.0
    half = tone.copy()
    half[13 * 160 :] = 0.0
    with torch.no_grad():
        masked = model.encode(
            model.features_from_power(clip.features.power * clip.frames.forward(mask).square())
        ).feature_maps[0].values.sum(dim=(0, 1, 2))  # fmt: skip
        silenced = model.encode(model.features(torch.from_numpy(half)[None])).feature_maps[0].values.sum(dim=(0, 1, 2))
    # Frames that hear only sound, or only silence, of one copy.
    place = torch.arange(101) * 160 % 4000
    inner = ((place > 256) & (place < 12 * 160 - 256)) | ((place > 13 * 160 + 256) & (place < 4000 - 256))
    assert inner.sum() > 40
    assert (masked[inner] > 0).any()
    assert (masked[inner] == 0).any()
    torch.testing.assert_close(masked[inner], silenced[inner], atol=1e-3, rtol=0)


@pytest.mark.parametrize("domain", ["stft", "mel"])
@pytest.mark.parametrize("fill", ["zero", "repeat", "repeat-pad"])
def test_relevance_of_a_copy_is_placed_where_its_sound_is(fill: str, domain: str) -> None:
    """Relevance at 0.70 s of the window belongs, in the second copy of a clip of 0.4 s, to its 0.30 s."""
    model = ConvToy(fill=fill)
    clip = Recording(model, noise(6400), domain=domain).clips[0]
    cells = mel_grid(model.front_end.spec, 16000)
    values = torch.zeros(1, *cells.shape)
    values[0, 20, 70] = 1.0
    placed = clip.place(Relevance(values, cells, "window"))[0]
    assert placed.shape == clip.grid.shape
    if fill == "zero":
        assert not placed.any()
        return
    row, column = np.unravel_index(placed.argmax(), placed.shape)
    assert clip.grid.times[column] == pytest.approx(0.3)
    assert cells.frequency_edges[20] <= clip.grid.frequencies[row] <= cells.frequency_edges[21]
    values[0, 20, 30] = 1.0
    both = clip.place(Relevance(values, cells, "window"))[0]
    np.testing.assert_allclose(both, 2 * placed, atol=1e-6)


def test_the_generator_is_keyed_by_clip_seed_and_purpose() -> None:
    def draw(samples: int = 800, seed: int = 0, purpose: str = "a") -> float:
        clip = Recording(ConvToy(), noise(samples), seed=seed).clips[0]
        return float(torch.rand(1, generator=clip.generator(purpose)))

    drawn = [draw(), draw(801), draw(seed=1), draw(purpose="b")]
    assert len(set(drawn)) == 4
    assert draw() == drawn[0]


def test_a_clip_longer_than_the_window_is_refused() -> None:
    with pytest.raises(InputError, match="16001 samples are more than the 16000"):
        ConvToy().features(torch.zeros(1, 16001))


def test_an_embedding_that_is_known_is_not_computed() -> None:
    recording, known = Recording(ConvToy(), noise(800)), torch.arange(4.0)
    clip = Clip(recording.model, recording.waveform, recording.masking, recording.stft, embedding=known)
    assert clip.embedding is known
    assert recording.clips[0].embedding.shape == clip.encoding.embedding[0].shape
