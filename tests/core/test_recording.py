"""Long recordings as windows on one grid."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch

import zsxai
from tests.toys import STRICT, BlackBoxToy, ConvToy
from zsxai.black_box import as_model
from zsxai.clip import Relevance
from zsxai.errors import InputError
from zsxai.recording import TAIL_SECONDS, Recording, black_box_stft, split
from zsxai.spectral import mel_grid

pytestmark = STRICT
LENGTHS = [1, 160, 200, 512, 15999, 16000, 16001, 16159, 16160, 24000, 32000, 40000, 40123]
TAIL = round(TAIL_SECONDS * 16000)
HOP = {"zero": 160, "repeat": 160, "repeat-pad": 160, "box": black_box_stft(16000).hop}


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


@pytest.mark.parametrize("samples", [16000, 24000, 32000])
def test_a_short_tail_gets_no_window(samples: int) -> None:
    whole = split(samples, 16000, 0.5, 160)
    for more in (0, 1, 44, TAIL):
        assert split(samples + more, 16000, 0.5, 160, TAIL) == whole
    for more in (TAIL + 1, 3200):
        assert split(samples + more, 16000, 0.5, 160, TAIL) == split(samples + more, 16000, 0.5, 160)
        assert len(split(samples + more, 16000, 0.5, 160)) == len(whole) + 1
    assert split(samples + TAIL, None, 0.5, 160, TAIL) == [(0, samples + TAIL)]


@pytest.mark.parametrize(
    ("fill", "domain"), [("zero", "stft"), ("repeat", "mel"), ("repeat-pad", "stft"), ("box", "stft")]
)
def test_a_few_samples_over_the_window_are_one_window(fill: str, domain: str) -> None:
    """A clip of a second, decoded from a lossy copy."""
    model = BlackBoxToy() if fill == "box" else ConvToy(fill=fill)
    window = round(model.sample_rate * (2.0 if fill == "box" else 1.0))

    def explain(samples: int) -> zsxai.Explanation:
        audio = noise(64000)[:samples]
        return zsxai.explain(
            audio, "dog", sample_rate=16000, model=model, explainer="energy", among=["rain"], domain=domain
        )

    first = explain(window)
    for more in (16, TAIL):
        e = explain(window + more)
        assert [(w.start, w.stop) for w in e.windows] == [(0, window / 16000)]
        assert (e.score, e.similarity) == (first.score, first.similarity)
        assert e.original.shape == e.audio.shape == e.residue.shape == (window + more,)
        assert e.mask.shape == e.relevance.shape == e.grid.shape
        assert e.mask.shape[1] == 1 + (window + more) // HOP[fill]
        heard = first.mask.shape[1]
        assert (e.relevance[:, heard:] == e.relevance[:, heard - 1 : heard]).all()
        np.testing.assert_allclose(e.relevance[:, : heard - 3], first.relevance[:, :-3], atol=1e-5)
        assert e.verify(model).ok
    assert len(explain(window + TAIL + 1).windows) == 2
    assert len(explain(window + 3200).windows) == 2


def test_windows_are_made_when_they_are_asked_for_and_not_kept() -> None:
    recording = Recording(ConvToy(), noise(40000))
    seen = []
    for clip in recording.clips:
        assert [made() for made in seen] == [None] * len(seen)
        _ = clip.features
        seen.append(weakref.ref(clip))
        del clip
    assert len(seen) == len(recording.clips) == 4
    assert recording.clips[3] is recording.clips[-1]
    with pytest.raises(IndexError):
        recording.clips[4]


def test_maps_are_stitched_as_they_come() -> None:
    recording = Recording(ConvToy(), noise(40000))
    order = []

    def maps() -> Iterator[np.ndarray]:
        for number, clip in enumerate(recording.clips):
            values = np.full((2, *clip.grid.shape), float(number))
            order.append(weakref.ref(values))
            yield values
            del values
            assert order[-1]() is None, "a map is not held beyond its window"

    stitched = recording.stitch(map(np.copy, maps()))
    assert stitched.shape == (2, *recording.grid.shape)
    assert (stitched[..., 0].max(), stitched[..., -1].min()) == (0, 3)


def test_a_window_is_encoded_once_for_its_embedding() -> None:
    model, batches = ConvToy(), []
    inner = model.encode
    model.encode = lambda features: (batches.append(len(features.input)), inner(features))[1]  # type: ignore[method-assign]
    recording = Recording(model, noise(40000))
    found = [recording.embedding(i) for i in (0, 1, 0, 3, 2, 1)]
    assert batches == [1] * 4
    assert found[0] is found[2]
    again = Recording(model, noise(40000), embeddings=[recording.embedding(i) for i in range(4)])
    assert all(again.clips[i].embedding is recording.embedding(i) for i in range(4))
    batches.clear()
    for verdict, versions in ((False, 3), (True, 5), ("full", 5 + 2 * 4)):
        batches.clear()
        zsxai.explain(
            noise(40000), ["dog", "rain"], sample_rate=16000, model=model, explainer="constant", verdict=verdict
        )
        assert sum(batches) == 4 * (1 + versions * 2), "the original, and versions for each prompt"


def test_no_window_lies_on_its_neighbour() -> None:
    """Half of 5 s at 44,100 Hz is no multiple of the hop: rests must not add up to a fourth window."""
    assert [start for start, _ in split(441_000, 220_500, 0.5, 320)] == [0, 110_400, 220_800]


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
    stitched = recording.stitch(recording.cut(whole, i).numpy()[None] for i in range(len(recording.clips)))
    # 16,160 samples are a frame more than the window: behind it stands the window's last one.
    heard = whole.clamp(max=100) if samples == 16160 else whole
    np.testing.assert_array_equal(stitched[0], heard.numpy())


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
