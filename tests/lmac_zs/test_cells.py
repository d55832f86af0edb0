"""From log-odds on a map's cells to masked sounds: what the training does must be what explanations do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.decoders import noise
from tests.toys import SPEC, STRICT, ConvToy
from zsxai.clip import make_grid
from zsxai.lmac_zs.cells import Cells, Sounds
from zsxai.recording import Recording
from zsxai.spectral import Grid, map_grid, patch_grid

pytestmark = STRICT

DOMAINS, SCALES, FILLS = ("stft", "mel"), ("log", "gain", "log1p"), ("repeat", "zero", "repeat-pad")
CPU = torch.device("cpu")
every_domain = pytest.mark.parametrize("domain", DOMAINS)
every_scale = pytest.mark.parametrize("scale", SCALES)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def clip_of(domain: Any, scale: Any, samples: int = 16000, **toy: Any) -> Any:
    return Recording(ConvToy(**toy), noise(samples), domain=domain, scale=scale).clips[0]


def on_clip(clip: Any, count: int, seed: int = 0) -> Tensor:
    """Random masks on a clip's grid, 0 outside the band."""
    return random(count, *clip.grid.shape, seed=seed) * torch.from_numpy(clip.grid.in_band)[:, None]


def on_rows(clip: Any, masks: Tensor) -> Tensor:
    """The same on the heard rows of the filled window."""
    return clip.frames.forward(masks)[:, torch.from_numpy(clip.grid.in_band)]


@pytest.mark.parametrize("cells", [(16, 51), (8, 26), (1, 1), (1, 7), (5, 1), (32, 200)])
@pytest.mark.parametrize("samples", [16000, 15999, 160])
@every_domain
def test_spread_is_the_librarys_resampling(domain: Any, samples: int, cells: tuple[int, int]) -> None:
    source, onto = map_grid(SPEC, samples, *cells), make_grid(SPEC, domain, samples)
    values = 4 * random(3, *cells) - 2
    found = Cells(source, onto, CPU).spread(values)
    wanted = source.resample(values.numpy(), onto)[:, onto.in_band]
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)
    np.testing.assert_allclose(
        Cells(source, onto, CPU).mask(values).numpy(), 1 / (1 + np.exp(-wanted.astype(np.float64))), atol=1e-5
    )


@every_domain
def test_patches_reach_the_cells_of_any_map(domain: Any) -> None:
    """What refinement changes lies on patches of the window, and is read on the decoder's cells."""
    window = make_grid(SPEC, domain, 16000)
    patches = patch_grid(window, 1 / 8, 4)
    onto = map_grid(SPEC, 16000, 16, 51)
    values = random(2, *patches.shape)
    found = Cells(patches, onto, CPU).spread(values)
    assert found.shape == (2, *onto.shape), "every cell of a map is heard"
    np.testing.assert_allclose(found.numpy(), patches.resample(values.numpy(), onto), atol=1e-5)
    same = Cells(patches, patches, CPU).spread(values)
    torch.testing.assert_close(same, values, atol=1e-6, rtol=0)


def test_only_heard_rows_are_spread_to() -> None:
    grid = make_grid(SPEC, "stft", 16000)
    assert 0 < grid.in_band.sum() < grid.shape[0]
    found = Cells(map_grid(SPEC, 16000, 4, 4), grid, CPU).spread(random(1, 4, 4))
    assert found.shape[1] == grid.in_band.sum()


@every_domain
@every_scale
def test_gradients_reach_the_log_odds(domain: Any, scale: Any) -> None:
    clip = clip_of(domain, scale)
    sounds = Sounds.of_clip(clip)
    source = map_grid(SPEC, 16000, 4, 5)
    cells = Cells(source, clip.window_grid, CPU)
    text = clip.model.embed_text(["a dog"])[0]
    log_odds = (2 * random(2, 4, 5) - 1).requires_grad_()

    def score(values: Tensor) -> Tensor:
        return (sounds.embed(cells.mask(values), torch.tensor([0, 0])) @ text).sum()

    (gradient,) = torch.autograd.grad(score(log_odds), [log_odds])
    assert torch.isfinite(gradient).all()
    # ReLUs may leave a corner of the window dark, and no more.
    assert (gradient != 0).float().mean() > 0.9
    step = 0.05 * gradient / gradient.norm()
    with torch.no_grad():
        slope = (score(log_odds + step) - score(log_odds - step)) / (2 * step.norm())
    assert float(slope) == pytest.approx(float(gradient.norm()), rel=0.05)


@pytest.mark.parametrize(("samples", "fill"), [(16000, "zero"), (300, "zero"), *((4800, f) for f in FILLS)])
@every_domain
@every_scale
def test_all_and_nothing(domain: Any, scale: Any, samples: int, fill: Any) -> None:
    clip = clip_of(domain, scale, samples, fill=fill)
    sounds = Sounds.of_clip(clip)
    ones = torch.ones(1, *sounds.power.shape[1:])
    assert ones.shape[1:] == (int(clip.grid.in_band.sum()), 101)
    own = clip.features
    kept, left = (sounds.masked(m, torch.tensor([0])) for m in (ones, 0 * ones))
    torch.testing.assert_close(kept.input, own.input, atol=1e-3, rtol=0)  # decibels
    torch.testing.assert_close(kept.mel, own.mel, atol=1e-7, rtol=1e-5)
    if scale != "log":
        assert not left.mel.any()
        assert torch.equal(left.input, torch.full_like(left.input, 10 * np.log10(SPEC.floor)))
    else:
        gain = 1.0 if domain == "mel" else clip.model.front_end.bank.sum(dim=1)[:, None]
        assert (left.mel <= gain * clip.masking.floor * (1 + 1e-4)).all()
    torch.testing.assert_close(left.input, clip.masked(torch.zeros(1, *clip.grid.shape)).input, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("samples", "fill", "precision"),
    [(16000, "zero", "float32"), (7999, "repeat", "float64"), *((4800, f, "float32") for f in FILLS)],
)
@every_domain
@every_scale
def test_masked_is_what_explanations_score(domain: Any, scale: Any, samples: int, fill: Any, precision: Any) -> None:
    clip = clip_of(domain, scale, samples, fill=fill, spec=SPEC.model_copy(update={"precision": precision}))
    masks = on_clip(clip, 3)
    found = Sounds.of_clip(clip).masked(on_rows(clip, masks), torch.zeros(3, dtype=torch.long))
    wanted = clip.masked(masks)
    torch.testing.assert_close(found.input, wanted.input, atol=2e-3, rtol=0)  # decibels
    assert found.input.dtype == wanted.input.dtype == torch.float32
    embedded = Sounds.of_clip(clip).embed(on_rows(clip, masks), torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(embedded, clip.embed_masked(masks), atol=1e-5, rtol=1e-5)


@every_domain
@every_scale
def test_windows_of_a_batch_keep_apart(domain: Any, scale: Any) -> None:
    """Each has its own power and its own floor: a quiet window next to a loud one is masked as alone."""
    model = ConvToy()
    waves = [100 * noise(seed=1), 0.01 * noise(seed=2)]
    clips = [Recording(model, wave, domain=domain, scale=scale).clips[0] for wave in waves]
    assert clips[0].masking.floor > 10 * clips[1].masking.floor
    sounds = Sounds.of(model, torch.from_numpy(np.stack(waves)), domain, scale)
    of = torch.tensor([1, 0, 1])
    masks = on_clip(clips[0], 3)
    found = sounds.masked(on_rows(clips[0], masks), of)
    for row, index in enumerate(of.tolist()):
        wanted = clips[index].masked(masks[[row]])
        torch.testing.assert_close(found.input[[row]], wanted.input, atol=2e-3, rtol=0)
    torch.testing.assert_close(sounds.features.input, model.features(torch.from_numpy(np.stack(waves))).input)


def test_the_features_carry_no_graph() -> None:
    model = ConvToy()
    model.first.weight.requires_grad_(True)
    sounds = Sounds.of(model, torch.from_numpy(noise())[None], "stft", "log")
    assert not sounds.power.requires_grad
    assert not sounds.features.input.requires_grad


def test_a_grid_of_one_cell_is_flat() -> None:
    one = Grid(np.array([500.0]), np.array([0.5]), np.array([50.0, 7800.0]), np.array([0.0, 1.0]), "map", (50, 7800))
    onto = make_grid(SPEC, "mel", 16000)
    found = Cells(one, onto, CPU).spread(torch.tensor([[[1.5]]]))
    assert torch.equal(found, torch.full((1, *onto.shape), 1.5))
