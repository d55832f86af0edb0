import numpy as np
import pytest
from scipy import ndimage

from zsxai.regions import components


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
