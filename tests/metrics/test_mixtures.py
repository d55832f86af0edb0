"""What prompt-blind maps score, and what the truth itself scores, on mixtures of two sounds."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from zsxai.errors import InputError
from zsxai.metrics import MixtureMaps, load_metric, metrics_of
from zsxai.metrics.localisation import ideal_binary_mask, ideal_ratio_mask

SHAPE = (40, 30)
CHANCE = {
    "weighted-auc": 0.5,
    "auc": 0.5,
    "contrastive-auc": 0.5,
    "delta-energy": 0.0,
    "pointing": 0.5,
    "correlation": 0.0,
    "prompt-specificity": 0.5,
    "mask-difference": 0.0,
}


def powers(seed):
    """Powers of two sounds and of their mixture; some cells silent, some equally loud."""
    rng = np.random.default_rng(seed)
    a, b = rng.exponential(size=(2, *SHAPE)) ** 3
    b[:4] = a[:4]
    a[-2:] = b[-2:] = 0.0
    phase = rng.uniform(-1, 1, SHAPE)
    return a, b, a + b + 2 * phase * np.sqrt(a * b)


def evidence(sounds, masks, others=None, relevance=None):
    """Both rows of a mixture from the masks for its two prompts; float32 masks, as explainers give."""
    a, b, mixture = sounds
    masks = [np.asarray(m, dtype=np.float32) for m in masks]
    own = [np.asarray(r, dtype=np.float32) for r in (relevance or masks)]
    cells = np.maximum(a, b) > 1e-6 * mixture.max()
    cells[:, :3] = False
    return MixtureMaps(
        relevance=tuple(own),
        relevance_other=tuple(own[::-1]),
        masks=tuple(masks),
        masks_other=tuple(masks[::-1]),
        target=(a, b),
        other=(b, a),
        mixture=(mixture, mixture),
        cells=(cells, cells),
    )


def blind_masks(seed):
    a, b, mixture = powers(seed)
    rng = np.random.default_rng(seed)
    loud = mixture / mixture.max()
    binary = rng.random(SHAPE) < 0.2
    return {
        "ones": np.ones(SHAPE),
        "constant": np.full(SHAPE, 0.1),
        "random": rng.random(SHAPE),
        "loudness": np.sqrt(loud),
        "energy": loud,
        "coarse": np.round(loud, 1),
        "binary": binary,
        "truth of the first": ideal_ratio_mask(a, b),
        "one cell": np.where(np.arange(loud.size).reshape(SHAPE) == loud.argmax(), 1.0, 0.0),
    }


@pytest.mark.parametrize("kind", blind_masks(0))
@pytest.mark.parametrize("name", CHANCE)
def test_a_map_that_is_blind_to_the_prompt_scores_exactly_chance(name, kind):
    for seed in range(3):
        mask = blind_masks(seed)[kind]
        found = load_metric(name)(evidence(powers(seed), [mask, mask], relevance=[mask - 0.3, mask - 0.3]))
        assert found.mean() == pytest.approx(CHANCE[name], abs=1e-12)


def test_an_empty_mask_is_chance_where_it_ranks_and_invalid_where_it_divides():
    empty = evidence(powers(0), [np.zeros(SHAPE)] * 2)
    for name, chance in CHANCE.items():
        found = load_metric(name)(empty)
        if name == "delta-energy":
            assert np.isnan(found).all()
        else:
            assert found.mean() == pytest.approx(chance, abs=1e-12)


def test_the_truth_scores_what_truth_scores():
    a, b, mixture = powers(1)
    oracle = evidence((a, b, mixture), [ideal_ratio_mask(a, b), ideal_ratio_mask(b, a)])
    for name in ("correlation", "prompt-specificity"):
        np.testing.assert_allclose(load_metric(name)(oracle), 1.0, atol=1e-6)
    # Equally loud cells are half right whatever is said of them.
    assert (load_metric("auc")(oracle) > 0.98).all()
    no_ties = a * 1.0
    no_ties[:4] *= 2
    clear = evidence((no_ties, b, mixture), [ideal_ratio_mask(no_ties, b), ideal_ratio_mask(b, no_ties)])
    for name in ("auc", "weighted-auc", "contrastive-auc", "pointing"):
        np.testing.assert_allclose(load_metric(name)(clear), 1.0, atol=1e-12)
    turned = dataclasses.replace(
        clear, relevance=clear.relevance_other, masks=clear.masks_other, masks_other=clear.masks
    )
    for name in ("auc", "weighted-auc", "contrastive-auc", "prompt-specificity"):
        np.testing.assert_allclose(load_metric(name)(turned), 0.0, atol=1e-12)
    np.testing.assert_allclose(load_metric("correlation")(turned), -1.0, atol=1e-6)


def test_independent_implementations_on_the_cells_that_count():
    a, b, mixture = powers(2)
    b[:4] *= 1.5
    rng = np.random.default_rng(5)
    masks = [np.round(0.5 * ideal_ratio_mask(x, y) + 0.5 * rng.random(SHAPE), 2) for x, y in ((a, b), (b, a))]
    relevance = [m - 0.2 * rng.random(SHAPE) for m in masks]
    found = evidence((a, b, mixture), masks, relevance=relevance)
    inside = found.cells[0]
    for row, (own, other) in enumerate(((a, b), (b, a))):
        m, m_other = (found.masks[row][inside], found.masks_other[row][inside])
        labels, weights = (own > other)[inside], np.sqrt(mixture[inside])
        r = found.relevance[row][inside]
        expected = {
            "auc": roc_auc_score(labels, r),
            "weighted-auc": roc_auc_score(labels, r, sample_weight=weights),
            "contrastive-auc": roc_auc_score(labels, m.astype(float) - m_other, sample_weight=weights),
            "delta-energy": np.average(
                ideal_ratio_mask(own, other)[inside], weights=m.astype(float) * (own + other)[inside]
            )
            - own[inside].sum() / (own + other)[inside].sum(),
            "pointing": float(labels[np.argmax(m * weights)]),
            "correlation": stats.pearsonr(m.astype(float), ideal_ratio_mask(own, other)[inside])[0],
            "prompt-specificity": 1.0,
            "mask-difference": np.abs(m.astype(float) - m_other).mean(),
        }
        for name, value in expected.items():
            assert load_metric(name)(found)[row] == pytest.approx(value, abs=1e-9), name


def test_cells_that_do_not_count_do_not():
    a, b, mixture = powers(3)
    masks = [np.random.default_rng(s).random(SHAPE).astype(np.float32) for s in (1, 2)]
    found = evidence((a, b, mixture), masks)
    spoilt = dataclasses.replace(
        found,
        relevance=tuple(np.where(found.cells[0], m, np.nan) for m in found.relevance),
        masks=tuple(np.where(found.cells[0], m, np.nan) for m in found.masks),
        masks_other=tuple(np.where(found.cells[0], m, np.nan) for m in found.masks_other),
    )
    for name in CHANCE:
        np.testing.assert_array_equal(load_metric(name)(found), load_metric(name)(spoilt))


def test_broken_cells_that_count_make_the_row_invalid():
    found = evidence(powers(3), [np.random.default_rng(s).random(SHAPE) for s in (1, 2)])
    row, column = np.argwhere(found.cells[0])[0]
    broken = [np.array(m) for m in found.masks]
    broken[0][row, column] = np.nan
    broken = tuple(broken)
    spoilt = dataclasses.replace(found, relevance=broken, masks=broken, masks_other=broken[::-1])
    for name in CHANCE:
        assert np.isnan(load_metric(name)(spoilt)[0]), name
    for name in ("auc", "weighted-auc", "delta-energy", "pointing", "correlation"):
        assert load_metric(name)(spoilt)[1] == load_metric(name)(found)[1]


def test_no_cells_and_one_class():
    found = evidence(powers(3), [np.ones(SHAPE)] * 2)
    none = dataclasses.replace(found, cells=(np.zeros(SHAPE, dtype=bool),) * 2)
    for name in CHANCE:
        if name != "prompt-specificity":
            assert np.isnan(load_metric(name)(none)).all(), name
    louder = tuple(2 * p + 1 for p in found.target)
    alone = dataclasses.replace(found, target=louder, other=tuple(p * 0 for p in found.other))
    for name in ("auc", "weighted-auc", "contrastive-auc", "correlation"):
        assert np.isnan(load_metric(name)(alone)).all(), name


def test_rows_of_unlike_lengths_are_rows_alone():
    first = evidence(powers(4), [np.random.default_rng(s).random(SHAPE) for s in (1, 2)])
    fields = [f.name for f in dataclasses.fields(first) if getattr(first, f.name) is not None]
    short = dataclasses.replace(first, **{n: tuple(x[:, :11] for x in getattr(first, n)) for n in fields})
    both = MixtureMaps(**{n: getattr(first, n) + getattr(short, n) for n in fields})
    for name in CHANCE:
        metric = load_metric(name)
        np.testing.assert_array_equal(metric(both), np.concatenate([metric(first), metric(short)]))


def test_sdr_improvement():
    import torch
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

    rng = np.random.default_rng(0)
    sounds = [rng.normal(size=(2, n)).astype(np.float32) for n in (4000, 6000)]
    heard = [s.sum(axis=0) for s in sounds]
    estimate = [s[0] + 0.3 * s[1] for s in sounds]
    found = dataclasses.replace(
        evidence(powers(0), [np.ones(SHAPE)] * 2),
        estimate=tuple(estimate),
        sound=tuple(s[0] for s in sounds),
        heard=tuple(heard),
    )
    of_mixture = dataclasses.replace(found, estimate=found.heard)
    metric = load_metric("si-sdr-improvement")
    np.testing.assert_array_equal(metric(of_mixture), 0.0)

    def sdr(e, s):
        return scale_invariant_signal_distortion_ratio(*(torch.from_numpy(x).double() for x in (e, s)))

    expected = [sdr(e, s[0]) - sdr(h, s[0]) for e, s, h in zip(estimate, sounds, heard, strict=True)]
    np.testing.assert_allclose(metric(found), expected, atol=1e-6)
    assert (metric(found) > 9).all()
    silent = dataclasses.replace(found, estimate=(estimate[0] * 0, estimate[1]))
    np.testing.assert_array_equal(np.isnan(metric(silent)), [True, False])
    with pytest.raises(InputError, match=r"^si-sdr-improvement needs estimate, sound, heard, which was not measured"):
        metric(evidence(powers(0), [np.ones(SHAPE)] * 2))


def test_all_metrics_of_the_evidence_are_tested_here():
    assert set(metrics_of(MixtureMaps)) == {*CHANCE, "si-sdr-improvement"}


def test_ties_of_the_truth_are_half():
    np.testing.assert_array_equal(ideal_binary_mask([1.0], [1.0]), [0.5])
