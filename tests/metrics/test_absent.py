"""Metrics of absent sounds, by hand."""

import dataclasses

import numpy as np
import pytest

from zsxai.metrics import AbsentMaps, load_metric, metrics_of

IN_BAND = np.array([False, True, True])


def flat(height, frames=4):
    """A mask of one height in the band; the row outside is ones, to be ignored."""
    mask = np.full((3, frames), height, dtype=np.float32)
    mask[0] = 1.0
    return mask


def evidence(absent=(0.1,), present=(0.6,), **cosines):
    given = {"similarity": 0.1, "similarity_in": 0.1, "level": 0.2, "silence": 0.0}
    given |= {"similarity_in_present": 0.5, "level_present": 0.3, "silence_present": 0.0, **cosines}
    rows = {name: np.full(len(absent), value, dtype=float) for name, value in given.items()}
    return AbsentMaps(tuple(map(flat, absent)), tuple(map(flat, present)), IN_BAND, **rows)


def value(name, found):
    return load_metric(name)(found).tolist()


def test_sizes_and_what_is_shown():
    found = evidence((0.1, 0.0, 0.5), (0.6, 0.49, 1.0))
    assert value("absent-mask-mean", found) == pytest.approx([0.1, 0.0, 0.5])
    assert value("present-mask-mean", found) == pytest.approx([0.6, 0.49, 1.0])
    assert value("absent-shown", found) == [0, 0, 1]
    assert value("present-shown", found) == [1, 0, 1]


@pytest.mark.parametrize(
    ("cosines", "made_up"),
    [
        ({"similarity_in": 0.25}, 1),
        ({"similarity_in": 0.2}, 0),
        ({"similarity_in": 0.25, "similarity": 0.25}, 0),
        ({"similarity_in": 0.25, "similarity": 0.24}, 1),
        ({"similarity_in": 0.25, "silence": 0.24}, 0),
        ({"similarity_in": 0.25, "silence": 0.22}, 1),
        ({"similarity_in": 0.25, "level": np.nan}, None),
    ],
    ids=["raised", "at the level", "as the clip itself", "raised further", "as silence", "above silence", "no level"],
)
def test_made_up(cosines, made_up):
    expected = np.nan if made_up is None else made_up
    assert value("made-up", evidence(**cosines)) == pytest.approx([expected], nan_ok=True)


@pytest.mark.parametrize(("kept", "silence", "heard"), [(0.31, 0.0, 1), (0.3, 0.0, 0), (0.31, 0.3, 0)])
def test_the_present_sound_is_heard_above_its_level_and_above_silence(kept, silence, heard):
    found = evidence(similarity_in_present=kept, silence_present=silence)
    assert value("present-heard", found) == [heard]


def test_broken_rows_are_invalid_and_leave_others_alone():
    found = evidence((np.nan, 0.1), (np.nan, 0.6))
    for field in ("similarity_in", "similarity_in_present"):
        getattr(found, field)[0] = np.nan
    for name, metric in metrics_of(AbsentMaps).items():
        assert np.isfinite(metric(found)).tolist() == [False, True], name


def test_a_batch_is_its_rows():
    found = evidence((0.1, 0.7), (0.6, 0.2), similarity_in=0.3)
    for metric in metrics_of(AbsentMaps).values():
        fields = {f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
        alone = AbsentMaps(**{n: v if n == "in_band" else v[1:] for n, v in fields.items()})
        assert metric(found)[1:].tolist() == metric(alone).tolist()
