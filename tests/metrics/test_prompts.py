import dataclasses

import numpy as np
import pytest
from scipy import stats

from zsxai.metrics import PromptMaps, load_metric, metrics_of

KINDS = ("right", "wrong", "wrong", "paraphrase", "paraphrase")
IN_BAND = np.arange(10) >= 2
RNG = np.random.default_rng(0)


def maps(*clips, similarity=None, kinds=KINDS):
    clips = tuple(np.asarray(c, dtype=np.float32) for c in clips)
    given = RNG.normal(size=(len(clips), len(kinds))) if similarity is None else np.asarray(similarity)
    return PromptMaps(masks=clips, similarity=given, kinds=kinds, in_band=IN_BAND)


def heights(values, frames=6):
    """Constant masks of given heights; the rows outside the band are ones, to be ignored."""
    clip = np.ones((len(values), 10, frames), dtype=np.float32)
    clip[:, IN_BAND] = np.asarray(values)[:, None, None]
    return clip


def value(name, evidence):
    return load_metric(name)(evidence)


def test_mask_means_by_hand():
    found = maps(heights([0.5, 0.1, 0.3, 0.4, 0.4]), heights([0.2, 0.0, 0.0, 0.1, 0.1], frames=9))
    np.testing.assert_allclose(value("mask-mean-right", found), [0.5, 0.2], rtol=1e-6)
    np.testing.assert_allclose(value("mask-mean-wrong", found), [0.2, 0.0], rtol=1e-6)
    np.testing.assert_allclose(value("mask-mean-ratio", found), [2.5, np.nan], rtol=1e-6)


@pytest.mark.parametrize(
    ("means", "share"),
    [
        ([0.5, 0.1, 0.3, 0.9, 0.9], 1.0),
        ([0.2, 0.1, 0.3, 0.0, 0.0], 0.0),
        ([0.3, 0.1, 0.3, 0.0, 0.0], 1 / 2),
        ([0.3, 0.3, 0.3, 0.3, 0.3], 1 / 3),
        ([0.0, 0.0, 0.0, 0.0, 0.0], 1 / 3),
    ],
)
def test_right_is_largest_by_hand(means, share):
    assert value("right-is-largest", maps(heights(means)))[0] == pytest.approx(share)


def test_similarity_correlation_is_scipys_within_each_clip():
    similarity = RNG.normal(size=(3, 5))
    clips = [RNG.random((5, 10, 7)) for _ in range(3)]
    found = value("similarity-correlation", maps(*clips, similarity=similarity))
    expected = [stats.spearmanr(c[:, IN_BAND].mean(axis=(1, 2)), s)[0] for c, s in zip(clips, similarity, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_similarity_correlation_is_gamed_by_scaling():
    similarity = RNG.normal(size=(1, 5))
    loudness = RNG.random((10, 7))
    scaled = loudness * (similarity[0] - similarity.min() + 0.1)[:, None, None] / 10
    assert value("similarity-correlation", maps(scaled, similarity=similarity))[0] == pytest.approx(1.0)
    assert value("prompt-contrast", maps(scaled, similarity=similarity))[0] == pytest.approx(0.0, abs=1e-6)


def test_masks_of_one_size_follow_nothing_and_equal_similarities_cannot_be_followed():
    same, rising = heights([0.3] * 5), heights([0.1, 0.2, 0.3, 0.4, 0.5])
    found = value("similarity-correlation", maps(same, rising, same, similarity=[[1, 2, 3, 4, 5], [2] * 5, [2] * 5]))
    np.testing.assert_array_equal(found, [0.0, np.nan, np.nan])


def test_agreement_is_the_mean_of_scipys_correlations_in_the_band():
    clips = [RNG.random((5, 10, n)) for n in (7, 12)]
    found = maps(*clips)
    clips = [c[:, IN_BAND].reshape(5, -1) for c in found.masks]
    for name, kept in (("wrong-agreement", (1, 2)), ("paraphrase-agreement", (3, 4))):
        expected = [np.mean([stats.pearsonr(c[0], c[k])[0] for k in kept]) for c in clips]
        np.testing.assert_allclose(value(name, found), expected, atol=1e-6)
    np.testing.assert_allclose(
        value("prompt-contrast", found), value("paraphrase-agreement", found) - value("wrong-agreement", found)
    )


@pytest.mark.parametrize("mask", [np.zeros((10, 6)), np.full((10, 6), 0.1), RNG.random((10, 6))])
def test_an_explainer_blind_to_the_prompt_has_no_contrast(mask):
    found = maps(np.stack([mask] * 5))
    assert value("paraphrase-agreement", found)[0] == pytest.approx(1.0)
    assert value("wrong-agreement", found)[0] == pytest.approx(1.0)
    assert value("prompt-contrast", found)[0] == pytest.approx(0.0, abs=1e-12)
    assert value("right-is-largest", found)[0] == pytest.approx(1 / 3)


def test_one_that_leaves_wrong_prompts_empty_has_all_of_it():
    mask = RNG.random((10, 6))
    found = maps(np.stack([mask, mask * 0, mask * 0, mask, mask / 2]))
    assert value("wrong-agreement", found)[0] == 0
    assert value("prompt-contrast", found)[0] == pytest.approx(1.0)


def test_broken_masks_are_invalid_and_leave_other_clips_alone():
    good, bad = RNG.random((2, 5, 10, 6))
    bad[:, 5, 2] = np.nan
    found = maps(good, bad)
    for name, metric in metrics_of(PromptMaps).items():
        values = metric(found)
        assert np.isnan(values[1]), name
        alone = dataclasses.replace(found, masks=found.masks[:1], similarity=found.similarity[:1])
        np.testing.assert_array_equal(values[:1], metric(alone))


def test_without_wrong_prompts_or_paraphrases():
    found = maps(RNG.random((1, 10, 6)), kinds=("right",))
    for name, metric in metrics_of(PromptMaps).items():
        assert np.isnan(metric(found)).all() == (name != "mask-mean-right"), name
