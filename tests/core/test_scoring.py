"""Scores of masks, pooled over windows; several clips embedded together give what each gives alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.toys import BlackBoxToy, ConvToy
from zsxai.black_box import as_model
from zsxai.recording import Recording
from zsxai.scoring import SCORES, audibility, embed_clips, embed_sounds, score_masks
from zsxai.target import Contrast, Probability, Similarity


def recordings(model: object, domain: str = "stft") -> list[Recording]:
    rng = np.random.default_rng(0)
    lengths = (16000, 8000, 16000, 12000)
    return [Recording(as_model(model), 0.1 * rng.normal(size=n).astype(np.float32), domain=domain) for n in lengths]


def masks_of(recording: Recording, count: int) -> torch.Tensor:
    masks = torch.rand(count, *recording.grid.shape, generator=torch.Generator().manual_seed(count))
    return masks * torch.from_numpy(recording.grid.in_band).float()[:, None]


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_scores_are_made_of_pooled_cosines(pooling: str) -> None:
    """By hand: cosines of every version and window, pooled over the windows, then softmax or difference."""
    model = ConvToy()
    model.audio_spec = model.audio_spec.model_copy(update={"pooling": pooling})
    recording = Recording(model, 0.1 * np.random.default_rng(0).normal(size=40000).astype(np.float32))
    prompts = ("dog", "rain", "bell")
    targets = [
        Probability(prompt="dog", among=prompts[1:]).bind(model),
        Contrast(prompt="dog", against=prompts[1:]).bind(model),
        Similarity(prompt="dog").bind(model),
    ]
    masks = masks_of(recording, 3)
    heard, text = recording.render(masks), model.embed_text(prompts)
    for p, scores in enumerate(score_masks(recording, masks, targets)):
        rows = []
        for i, (clip, (start, stop)) in enumerate(zip(recording.clips, recording.spans, strict=True)):
            part = recording.cut(masks[p], i)
            with torch.no_grad():
                versions = [clip.embedding[None], clip.embed_masked(torch.stack([part, 1 - part]))]
                versions += [model.embed_audio(heard[p : p + 1, start:stop])]
            rows.append((torch.cat(versions) @ text.T).numpy())
        cosines = getattr(np, pooling)(rows, axis=0)
        odds = np.exp(10 * cosines)
        by_hand = [odds[:, 0] / odds.sum(axis=1), cosines[:, 0] - cosines[:, 1:].mean(axis=1), cosines[:, 0]][p]
        assert list(scores.whole) == list(SCORES)
        assert list(scores.whole.values()) == pytest.approx([*by_hand, cosines[0, 0]], abs=1e-6)
        assert len(scores.windows) == len(recording.clips) == 4


def test_one_window_is_pooled_bit_for_bit() -> None:
    for recording in recordings(ConvToy()):
        target = Probability(prompt="dog", among=("rain",)).bind(recording.model)
        (scores,) = score_masks(recording, masks_of(recording, 1), [target])
        (window,) = scores.windows
        assert [scores.whole[name] for name in SCORES] == [getattr(window, name) for name in SCORES]


def test_together_is_alone() -> None:
    for model, domain in ((ConvToy(), "stft"), (ConvToy(), "mel"), (BlackBoxToy(), "stft")):
        parts = [(r.clips[0], masks_of(r, k)) for k, r in enumerate(recordings(model, domain), 1)]
        with torch.no_grad():
            alone = [clip.embed_masked(masks) for clip, masks in parts]
        for size in (1, 3, 8):
            for one, other in zip(embed_clips(parts, size), alone, strict=True):
                torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_batches_are_full() -> None:
    model = ConvToy()
    seen = []
    inner = model.encode

    def encode(features):
        seen.append(len(features.input))
        return inner(features)

    model.encode = encode  # type: ignore[method-assign]
    found = recordings(model)
    embed_clips([(r.clips[0], masks_of(r, 3)) for r in found], 8)
    assert seen == [8, 4], "the toy's window is one second, so clips of all lengths fit one batch"


def test_sounds_of_all_lengths_keep_their_order() -> None:
    for model in (as_model(ConvToy()), as_model(BlackBoxToy())):
        sounds = [r.waveform for r in recordings(model)]
        with torch.no_grad():
            alone = torch.cat([model.embed_audio(s[None]) for s in sounds])
            torch.testing.assert_close(torch.stack(embed_sounds(model, sounds, 2)), alone, atol=1e-6, rtol=0)


def audible(recording: Recording, *masks: torch.Tensor) -> list[float]:
    in_band = torch.from_numpy(recording.grid.in_band).float()[:, None]
    found = audibility(recording.stft, recording.masking, recording.original, torch.stack(masks) * in_band)
    return [float(value) for value in found]


@pytest.mark.parametrize("scale", ["log", "gain", "log1p"])
@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_binary_masks_are_heard_in_full_and_empty_ones_not_at_all(domain: str, scale: str) -> None:
    waveform = 0.1 * np.random.default_rng(0).normal(size=16000).astype(np.float32)
    recording = Recording(ConvToy(), waveform, domain=domain, scale=scale)  # type: ignore[arg-type]
    (random,) = masks_of(recording, 1)
    found = audible(recording, (random > 0.7).float(), torch.ones(random.shape), torch.zeros(random.shape))
    assert found[1:] == pytest.approx([1.0, np.nan], nan_ok=True)
    # On mel, bins between a band that is kept and one that is not are half kept.
    assert found[0] > (0.8 if domain == "mel" else 0.9999)


@pytest.mark.parametrize("domain", ["stft", "mel"])
def test_half_a_mask_is_heard_on_gain_and_not_on_log(domain: str) -> None:
    """On log, a cell of L dB above the floor is heard within 6 dB from M = 1 - 6 / L on."""
    noise = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    for scale, heard in (("gain", 1.0), ("log", 0.0)):
        recording = Recording(ConvToy(), 0.1 * noise, domain=domain, scale=scale)  # type: ignore[arg-type]
        half = torch.full(recording.grid.shape, 0.502)
        assert audible(recording, half) == pytest.approx([heard], abs=1e-3)
    recording = Recording(ConvToy(), 0.1 * noise, scale="log")
    level = 10 * torch.log10(recording.stft.power(recording.waveform) / recording.masking.floor)
    bound = (1 - 6 / level).clamp(min=0.5)
    louder, quieter = (bound + 0.01).clamp(max=1), (bound - 0.01).clamp(min=0.5)
    assert audible(recording, louder, quieter) == pytest.approx([1.0, 0.0], abs=1e-3)
