import warnings

import numpy as np
import pytest
from scipy import linalg

from zsxai.errors import InputError
from zsxai.metrics import frechet_bias, frechet_distance
from zsxai.metrics.frechet import draw_parts, largest_half


def by_sqrtm(first, second):
    p, q = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = linalg.sqrtm(p @ q)
    return np.sum((first.mean(0) - second.mean(0)) ** 2) + np.trace(p + q - 2 * np.real(root))


def gaussians(seed, rows=500, width=12):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(2, width, width))
    return [rng.normal(size=(rows, width)) @ m + rng.normal(size=width) for m in mixing]


def test_equal_to_the_root_of_the_product():
    first, second = gaussians(0)
    assert frechet_distance(first, second) == pytest.approx(by_sqrtm(first, second), rel=1e-8)
    assert frechet_distance(first.astype(np.float32), second.astype(np.float32)) == pytest.approx(
        by_sqrtm(first, second), rel=1e-4
    )


def test_closed_form_of_axis_aligned_gaussians():
    # Rows whose mean and covariance are exact: +-a_i along every axis.
    def axes(deviations, mean):
        width = len(deviations)
        rows = np.concatenate([np.diag(deviations), -np.diag(deviations)]) * np.sqrt((2 * width - 1) / 2)
        return rows + mean

    first, second = axes([1.0, 2.0, 3.0], [0.0, 0, 0]), axes([2.0, 2.0, 1.0], [1.0, 0, 2.0])
    assert frechet_distance(first, second) == pytest.approx(5 + 1 + 0 + 4, rel=1e-10)


def test_symmetric_and_zero_to_itself_even_with_fewer_rows_than_dimensions():
    first, second = gaussians(1, rows=20, width=64)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first), rel=1e-8)
    scale = np.trace(np.cov(first, rowvar=False))
    assert abs(frechet_distance(first, first)) < 1e-7 * scale
    assert frechet_distance(np.arange(4.0)[:, None], np.arange(4.0)[:, None] + 3) == pytest.approx(9)


def test_samples_of_one_set_are_apart_and_the_more_so_the_fewer_they_are():
    embeddings = np.random.default_rng(2).normal(size=(2000, 32)) / np.sqrt(32)
    found = frechet_bias(embeddings, [50, 200, 1000], draws=3)
    assert found.shape == (3, 3)
    assert (found > 0).all()
    means = found.mean(axis=1)
    assert means[0] > 2 * means[1] > 4 * means[2]
    np.testing.assert_array_equal(found, frechet_bias(embeddings, [50, 200, 1000], draws=3))
    assert (frechet_bias(embeddings, [50], draws=1, seed=1) != found[0, 0]).all()


def test_parts_of_one_set_are_disjoint():
    # Of four far-apart rows, two parts of two that shared a row could be equal; disjoint ones never are.
    rows = np.diag([1.0, 10.0, 100.0, 1000.0])
    assert (frechet_bias(rows, [2], draws=40) > 1).all()


def test_windows_of_one_recording_stay_in_one_part():
    rng = np.random.default_rng(3)
    groups = np.array([f"r{i}" for i, n in enumerate((1, 5, 2, 7, 3, 3, 4)) for _ in range(n)])
    groups = groups[rng.permutation(len(groups))]
    size = largest_half(groups)
    assert size == (25 - 7 + 1) // 2
    for _ in range(50):
        one, two = draw_parts(groups, [size, size], rng)
        assert len(one) == len(two) == size == len(set(one)) == len(set(two))
        assert not {*groups[one]} & {*groups[two]}
        # Whole ones but for the cut: at most one recording of a part has rows that were not drawn.
        for part in (one, two):
            assert sum((groups == g).sum() > (groups[part] == g).sum() for g in {*groups[part]}) <= 1


def test_bias_of_whole_recordings_is_that_of_fewer_sounds():
    # Forty recordings of ten all but equal windows: windows split over both parts hide how few sounds there are.
    rng = np.random.default_rng(4)
    rows = np.repeat(rng.normal(size=(40, 8)), 10, axis=0) + 0.01 * rng.normal(size=(400, 8))
    groups = [str(i // 10) for i in range(400)]
    whole, split = (frechet_bias(rows, [190], groups=g).mean() for g in (groups, None))
    assert whole > 5 * split
    alone = frechet_bias(rows, [190], groups=[f"{i:03}" for i in range(400)])
    np.testing.assert_array_equal(alone, frechet_bias(rows, [190]))


def test_recordings_that_do_not_fit():
    with pytest.raises(InputError, match="whole recordings hold 2 to 3 each, not 5"):
        frechet_bias(np.zeros((10, 3)), [5], groups=["a"] * 5 + ["b"] * 5)
    with pytest.raises(InputError, match="2 groups for 10 rows"):
        frechet_bias(np.zeros((10, 3)), [5], groups=["a", "b"])


def test_sets_that_do_not_fit():
    with pytest.raises(InputError, match="unlike widths, 2 and 3"):
        frechet_distance(np.zeros((4, 2)), np.zeros((4, 3)))
    for wrong in (np.zeros((1, 3)), np.zeros(3)):
        with pytest.raises(InputError, match="two rows or more"):
            frechet_distance(wrong, np.zeros((4, 3)))
    for size in (1, 6):
        with pytest.raises(InputError, match=f"hold 2 to 5 each, not {size}"):
            frechet_bias(np.zeros((10, 3)), [size])
