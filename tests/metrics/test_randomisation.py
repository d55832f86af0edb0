import numpy as np
from scipy import stats
from skimage.metrics import structural_similarity

from zsxai.metrics import RandomisedMaps, load_metric, metrics_of, summarise

IN_BAND = np.arange(20) >= 4
RNG = np.random.default_rng(0)


def evidence(maps, randomised):
    return RandomisedMaps(maps=tuple(maps), randomised=tuple(randomised), in_band=IN_BAND)


def test_only_the_band_counts_and_independent_implementations_agree():
    maps = [RNG.random((20, n)).astype(np.float32) for n in (30, 45)]
    randomised = [0.6 * m + 0.2 * RNG.random(m.shape).astype(np.float32) for m in maps]
    pairs = [(m[IN_BAND].astype(float), r[IN_BAND].astype(float)) for m, r in zip(maps, randomised, strict=True)]
    expected = {
        "ssim": [structural_similarity(m, r, data_range=np.ptp(r)) for m, r in pairs],
        "rank-correlation": [stats.spearmanr(m.ravel(), r.ravel())[0] for m, r in pairs],
        "energy-ratio": [r.sum() / m.sum() for m, r in pairs],
    }
    assert set(expected) == set(metrics_of(RandomisedMaps))
    for name, values in expected.items():
        np.testing.assert_allclose(load_metric(name)(evidence(maps, randomised)), values, rtol=1e-9)


def test_an_empty_map_is_counted_as_invalid_and_its_energy_says_why():
    maps = RNG.random((2, 20, 30))
    found = evidence(maps, [maps[0], maps[1] * 0])
    for name in ("ssim", "rank-correlation"):
        values = load_metric(name)(found)
        np.testing.assert_allclose(values, [1.0, np.nan])
        assert summarise(values)[1:] == (2, 1)
    np.testing.assert_allclose(load_metric("energy-ratio")(found), [1.0, 0.0])
