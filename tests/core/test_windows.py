"""Long recordings as windows on one grid, and clips before their models."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.toys import STRICT, BandToy, BlackBoxToy, ConvToy
from zsxai.errors import InputError
from zsxai.model import as_model
from zsxai.spectral import mel_grid
from zsxai.windows import Recording, Relevance, batches, black_box_stft, split

pytestmark = STRICT
LENGTHS = [1, 160, 200, 512, 15999, 16000, 16001, 16159, 16160, 24000, 32000, 40000, 40123]


def noise(samples: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(samples).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("samples", LENGTHS)
def test_windows_cover_the_recording(samples: int, overlap: float) -> None:
    spans = split(samples, 16000, overlap, 160)
    assert spans[0][0] == 0
    assert spans[-1][1] == samples
    for (start, stop), (after, _) in pairwise(spans):
        assert after > start
        assert stop - after >= overlap * 16000 - 160
        assert stop - start == 16000
    assert all(start % 160 == 0 and 0 < stop - start <= 16000 for start, stop in spans)
    assert split(samples, None, overlap, 160) == [(0, samples)]


def test_no_window_lies_on_its_neighbour() -> None:
    """Half of 5 s at 44,100 Hz is no multiple of the hop: rests must not add up to a fourth window."""
    assert [start for start, _ in split(441_000, 220_500, 0.5, 320)] == [0, 110_400, 220_800]


def test_batches() -> None:
    assert [(s.start, s.stop) for s in batches(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert list(batches(0, 3)) == []


@pytest.mark.parametrize("domain", ["stft", "mel"])
@pytest.mark.parametrize("samples", LENGTHS)
def test_frames_of_windows_fall_on_the_recordings_own(samples: int, domain: str) -> None:
    recording = Recording(ConvToy(), noise(samples), domain=domain)
    power = recording.stft.power(recording.waveform)
    whole = torch.arange(recording.grid.shape[1])[None].float()
    for index, clip in enumerate(recording.clips):
        part = recording.cut(whole, index)
        assert part.shape[1] == clip.grid.shape[1]
        start = recording.spans[index][0] / 16000
        np.testing.assert_allclose(recording.grid.times[part[0].long()], clip.grid.times + start, atol=1e-9)
        # Away from the window's own ends its STFT is the recording's.
        inner = part[0, 2:-2].long()
        torch.testing.assert_close(clip.power[:, 2:-2], power[:, inner])
    maps = [recording.cut(whole, i).numpy()[None] for i in range(len(recording.clips))]
    np.testing.assert_array_equal(recording.stitch(maps)[0], whole.numpy())


@pytest.mark.parametrize("fill", ["zero", "repeat", "repeat-pad"])
@pytest.mark.parametrize("samples", [n for n in LENGTHS if n > 15000])
def test_constant_relevance_stays_constant(samples: int, fill: str) -> None:
    model = ConvToy(fill=fill)
    recording = Recording(model, noise(samples))
    cells = mel_grid(model.front_end.spec, 16000)
    for on, grid in (("window", cells), ("clip", None)):
        maps = [
            clip.place(Relevance(torch.full((2, *(grid or clip.grid).shape), 0.3), grid or clip.grid, on))
            for clip in recording.clips
        ]
        np.testing.assert_allclose(recording.stitch(maps), 0.3, rtol=1e-5)


def test_where_windows_overlap_is_their_mean() -> None:
    recording = Recording(ConvToy(), noise(24000))
    assert recording.spans == [(0, 16000), (8000, 24000)]
    maps = [np.full((1, *c.grid.shape), v) for c, v in zip(recording.clips, (1.0, 4.0), strict=True)]
    row = recording.stitch(maps)[0, 0]
    assert (row[:50] == 1).all()
    assert (row[50:101] == 2.5).all()
    assert (row[101:] == 4).all()


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


def test_a_black_box_hears_masks_as_audio() -> None:
    hum = np.sin(np.arange(40000, dtype=np.float32) / 10)
    recording = Recording(as_model(BlackBoxToy()), hum)
    assert recording.spans[0] == (0, 32000)
    clip = recording.clips[0]
    mask = torch.zeros(2, *clip.grid.shape)
    mask[1] = 1.0
    silence, whole = clip.embed_masked(mask)
    torch.testing.assert_close(whole, clip.embedding, atol=1e-5, rtol=0)
    assert not torch.allclose(silence, whole, atol=1e-2)
    assert clip.grid.in_band.all()
    with pytest.raises(InputError, match="black box, without gradients"):
        _ = clip.features
    with pytest.raises(InputError, match="domain='stft'"):
        Recording(as_model(BlackBoxToy()), noise(400), domain="mel")


def test_the_black_box_stft_is_about_32_milliseconds() -> None:
    for rate in (8000, 16000, 32000, 44100, 48000):
        spec = black_box_stft(rate)
        assert 0.02 < spec.n_fft / rate < 0.05
        assert spec.hop * 4 == spec.n_fft


@pytest.mark.parametrize("options", [{"domain": "cqt"}, {"scale": "db"}, {"batch_size": 0}, {"batch_size": -1}])
def test_wrong_options_are_said(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        Recording(ConvToy(), noise(400), **options)


def test_a_clip_longer_than_the_window_is_refused() -> None:
    with pytest.raises(InputError, match="16001 samples are more than the 16000"):
        ConvToy().features(torch.zeros(1, 16001))
