"""How short clips fill the window, and the way back."""

from __future__ import annotations

import pytest
import torch

from tests.toys import SPEC, STRICT
from zsxai.fill import FrameMap, fill, source_index

pytestmark = STRICT
RULES = ("none", "zero", "repeat", "repeat-pad")
HOP = SPEC.hop


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("none", [0, 1, 2]),
        ("zero", [0, 1, 2, -1, -1, -1, -1]),
        ("repeat", [0, 1, 2, 0, 1, 2, 0]),
        ("repeat-pad", [0, 1, 2, 0, 1, 2, -1]),
    ],
)
def test_sources_by_hand(rule: str, expected: list[int]) -> None:
    assert source_index(rule, 3, 7).tolist() == expected
    clip = torch.tensor([[1.0, 2.0, 3.0]])
    assert fill(clip, rule, 7)[0].tolist() == [0.0 if i < 0 else clip[0, i] for i in expected]


@pytest.mark.parametrize("rule", RULES)
def test_a_whole_window_is_itself(rule: str) -> None:
    assert source_index(rule, 7, 7).tolist() == list(range(7))
    for samples in (16000, 16001, 8 * HOP - 1, 8 * HOP):
        frames = FrameMap(rule, SPEC, samples, samples)
        assert frames.source.tolist() == list(range(SPEC.n_frames(samples)))
        assert frames.sounding.all()
        assert FrameMap(rule, SPEC, samples, None).source.tolist() == frames.source.tolist()


LENGTHS = [1, 10, HOP - 1, HOP, HOP + 1, 1600, 1999, 7999, 8000, 8001, 12345, 15841, 15920, 15999, 16000]


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("rule", RULES)
def test_forward_and_adjoint_are_adjoint_on_what_sounds(rule: str, samples: int) -> None:
    frames = FrameMap(rule, SPEC, samples, 16000)
    generator = torch.Generator().manual_seed(samples)
    mask = torch.rand((3, frames.n_clip), generator=generator, dtype=torch.float64)
    relevance = torch.randn((3, frames.n_window), generator=generator, dtype=torch.float64)
    assert frames.forward(mask).shape == relevance.shape
    assert frames.adjoint(relevance).shape == mask.shape
    # Silence takes a mask, as the frames beside it reach into it, but has no source for its relevance.
    sounding = relevance * frames.sounding
    torch.testing.assert_close((frames.forward(mask) * sounding).sum(), (mask * frames.adjoint(relevance)).sum())
    torch.testing.assert_close(frames.adjoint(relevance).sum(), sounding.sum())
    torch.testing.assert_close(frames.forward(torch.ones(1, frames.n_clip)), torch.ones(1, frames.n_window))


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("rule", RULES)
def test_frames_follow_the_samples_behind_their_centres(rule: str, samples: int) -> None:
    frames, source = FrameMap(rule, SPEC, samples, 16000), source_index(rule, samples, 16000)
    assert frames.n_clip == SPEC.n_frames(samples)
    for frame in range(0, frames.n_window - 1):
        behind = int(source[frame * HOP])
        if behind < 0 and frames.sounding[frame]:
            # Centred on the end of the sound: the clip's last frame.
            behind = int(source[frame * HOP - 1]) + 1
            assert behind == samples
        if not frames.sounding[frame]:
            assert behind < 0 or 16000 - frame * HOP <= HOP
        else:
            assert abs(int(frames.source[frame]) * HOP - behind) <= max(HOP // 2, behind % HOP)


@pytest.mark.parametrize("rule", ["zero", "repeat", "repeat-pad"])
@pytest.mark.parametrize("missing", [1, 50, 80, 159, 160])
def test_the_tail_behind_a_nearly_full_window_is_no_copy(rule: str, missing: int) -> None:
    """The last window of most long recordings: its few missing samples must not light up its first frame twice."""
    frames = FrameMap(rule, SPEC, 16000 - missing, 16000)
    relevance = frames.adjoint(torch.ones(frames.n_window))
    assert relevance.tolist() == [1.0] * frames.n_clip


def test_copies_are_repeated_and_summed() -> None:
    frames = FrameMap("repeat", SPEC, 5 * HOP, 20 * HOP)
    mask = torch.zeros(6)
    mask[2] = 1.0
    assert frames.forward(mask).nonzero().flatten().tolist() == [2, 7, 12, 17]
    assert frames.adjoint(torch.ones(21))[2] == 4
    silent = FrameMap("zero", SPEC, 5 * HOP, 20 * HOP)
    assert silent.forward(mask).nonzero().flatten().tolist() == [2]
    assert silent.adjoint(torch.ones(21)).tolist() == [1, 1, 1, 1, 1, 1]
