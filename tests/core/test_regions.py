import numpy as np
import pytest
import torch
from scipy import ndimage

from zsxai.errors import InputError
from zsxai.regions import components, find_regions, say_regions
from zsxai.spectral import Masking
from zsxai.spectral.mask import SCALES


def snake(size: int) -> np.ndarray:
    above = np.zeros((size, size), dtype=bool)
    above[::2] = True
    above[1::4, -1] = True
    above[3::4, 0] = True
    return above


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "above",
    [RANDOM.random((60, 80)) < share for share in (0.05, 0.4, 0.6, 0.9)]
    + [snake(41), np.ones((513, 501), dtype=bool), np.zeros((3, 4), dtype=bool), np.ones((1, 1), dtype=bool)],
    ids=range(8),
)
def test_components_are_those_of_scipy(above: np.ndarray) -> None:
    theirs, count = ndimage.label(above)
    ours = components(above)
    pairs = set(zip(ours[above].tolist(), theirs[above].tolist(), strict=True))
    assert len(pairs) == count, "one label of ours for every one of scipy's"
    assert len({ours for ours, _ in pairs}) == count


@pytest.mark.parametrize("scale", SCALES)
def test_what_is_kept_is_the_gain_but_near_the_floor_the_mask(scale: str) -> None:
    masking = Masking(domain="stft", scale=scale, floor=1e-8)
    power = torch.tensor([1.0, 1e-3, 1e-12, 0.0], dtype=torch.float64)[:, None]
    mask = torch.tensor([0.0, 0.3, 0.9, 1.0], dtype=torch.float64).expand(4, 4)
    kept, gain = masking.kept(power, mask), masking.gain(power, mask)
    assert (kept[:, 0] == 0).all() or scale == "log1p"
    torch.testing.assert_close(kept[:, 3], torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(kept[0, 1:], gain[0, 1:], rtol=0, atol=1e-5)
    if scale == "log":
        assert (gain[2:] == 1).all(), "no mask changes what lies under the floor"
        torch.testing.assert_close(kept[2:], mask[2:], rtol=0, atol=1e-5)


class Squares:
    """Cells of a second and of a hertz."""

    frequency_edges = np.arange(4.0)
    time_edges = np.arange(7.0)


def test_regions_keep_power_and_say_how_far_they_are_under() -> None:
    gain = np.zeros((3, 6))
    gain[0, :2], gain[2, 4:], gain[0, 5] = 1.0, (0.5, 0.3), 0.2
    power = np.ones((3, 6))
    power[2] = 10.0
    loud, quiet = find_regions(gain, power, Squares())
    assert (loud.start, loud.stop, loud.low, loud.high) == (4, 6, 2, 3)
    assert (loud.share, loud.under_db) == (pytest.approx(8 / 10.2, abs=1e-4), round(10 * np.log10(20 / 8), 2))
    assert (quiet.start, quiet.stop, quiet.share, quiet.under_db) == (0, 2, pytest.approx(2 / 10.2, abs=1e-4), 0)
    assert len(find_regions(gain, power, Squares(), line_db=-7.0)) == 3
    assert say_regions(find_regions(gain, power, Squares(), line_db=-1.0)) == str(quiet)
    assert say_regions([]) == "nowhere within 6 dB of the recording"
    assert [r.share for r in find_regions(gain, 0 * power, Squares())] == [0, 0]


def test_a_line_above_the_recording_is_refused() -> None:
    with pytest.raises(InputError, match="line_db is a level under the recording's"):
        find_regions(np.ones((3, 6)), np.ones((3, 6)), Squares(), line_db=6.0)
