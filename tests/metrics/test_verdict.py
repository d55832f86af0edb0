"""Metrics of the verdict on evidence whose figures are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from zsxai.metrics import HeardPrompts, JudgedMaps, SceneMaps, load_metric
from zsxai.metrics.verdict import area_by_row


def test_the_mean_over_recordings_is_the_area_and_its_spread_that_of_delong() -> None:
    rng = np.random.default_rng(0)
    present, absent = rng.normal(1.5, 1, 400).round(1), rng.normal(0, 1, (400, 3)).round(1)
    absent[0, 1:] = np.nan
    rows = area_by_row(present, absent)
    others = absent[np.isfinite(absent)]
    truth = np.r_[np.ones(len(present)), np.zeros(len(others))]
    area = roc_auc_score(truth, np.r_[present, others])
    assert rows.mean() == pytest.approx(area, abs=1e-12)
    drawn = []
    for _ in range(300):
        at = rng.integers(0, 400, 400)
        some = absent[at][np.isfinite(absent[at])]
        drawn.append(roc_auc_score(np.r_[np.ones(400), np.zeros(len(some))], np.r_[present[at], some]))
    assert rows.std() / 20 == pytest.approx(np.std(drawn), rel=0.12)


def test_a_recording_without_evidence_counts_for_nothing() -> None:
    rows = area_by_row(np.array([1.0, np.nan, 0.0]), np.array([[0.5], [9.0], [0.5]]))
    assert np.isnan(rows[1])
    assert np.isnan(area_by_row(np.array([1.0]), np.array([[np.nan]]))).all()
    np.testing.assert_allclose(
        load_metric("presence-auc")(HeardPrompts(present=np.array([1.0, 2.0]), drawn=np.array([[0.0], [0.5]]))), 1.0
    )


def test_the_foil_is_beaten_where_its_quarter_costs_less() -> None:
    fields = {field.name: () for field in dataclasses.fields(JudgedMaps)}
    own, foil = np.array([0.1, 0.3, 0.2, np.nan]), np.array([0.3, 0.1, 0.2, 0.1])
    judged = JudgedMaps(**{**fields, "removed": own, "removed_foil": foil})  # type: ignore[arg-type]
    np.testing.assert_array_equal(load_metric("foil-at-25")(judged), [1.0, 0.0, 0.5, np.nan])


def test_masks_of_scenes_outside_the_places_and_in_them() -> None:
    """Four places of five frames; the sound is in the first and the third."""
    in_band = np.array([False, True, True])
    places = np.repeat(np.eye(4, dtype=bool), 5, axis=1)[[0, 2]]
    right = np.zeros((3, 20))
    right[1, [0, 10]] = 1.0
    one = right.copy()
    one[1, 10] = 0.4
    one[2, 19] = 0.6
    faint = np.full((3, 20), 0.04)
    faint[0] = 1.0  # not heard by the model
    masks = (right, one, faint, np.zeros((3, 20)), np.ones((3, 20)))
    scenes = SceneMaps(masks, (places,) * 5, in_band)
    np.testing.assert_allclose(load_metric("outside")(scenes), [0.0, 0.3, 0.5, np.nan, 0.5])
    np.testing.assert_array_equal(load_metric("window-recall")(scenes), [1.0, 0.5, 0.0, 0.0, 1.0])
