"""Several clips embedded together give what each gives alone."""

from __future__ import annotations

import numpy as np
import torch

from tests.toys import BlackBoxToy, ConvToy
from zsxai.model import as_model
from zsxai.scoring import embed_clips, embed_sounds
from zsxai.windows import Recording


def recordings(model: object, domain: str = "stft") -> list[Recording]:
    rng = np.random.default_rng(0)
    lengths = (16000, 8000, 16000, 12000)
    return [Recording(as_model(model), 0.1 * rng.normal(size=n).astype(np.float32), domain=domain) for n in lengths]


def masks_of(recording: Recording, count: int) -> torch.Tensor:
    masks = torch.rand(count, *recording.grid.shape, generator=torch.Generator().manual_seed(count))
    return masks * torch.from_numpy(recording.grid.in_band).float()[:, None]


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
            torch.testing.assert_close(embed_sounds(model, sounds, 2), alone, atol=1e-6, rtol=0)
