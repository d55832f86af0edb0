"""The synthetic data set: the same every time, every clip another draw, and heard right by the bundled model."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import zsxai
from zsxai.data.synthetic import Synthetic
from zsxai.errors import InputError

OTHER_CLASSES = (
    *("airplane", "breathing", "brushing teeth", "can opening", "car horn", "cat", "chainsaw", "chirping birds"),
    *("clapping", "clock tick", "coughing", "cow", "crackling fire", "crow", "crying baby", "dog", "door creak"),
    *("drinking", "engine", "fireworks", "footsteps", "frog", "glass breaking", "hand saw", "helicopter", "hen"),
    *("insects", "laughing", "mouse click", "pig", "pouring water", "rooster", "sheep", "sneezing", "snoring"),
    *("thunderstorm", "toilet flush", "train", "vacuum cleaner", "washing machine", "water drops", "wind"),
)
"""Of ESC-50."""


def test_clips_folds_and_names() -> None:
    data = Synthetic(clips_per_class=3)
    assert len(data) == 3 * len(data.labels) == 24
    assert list(data.labels) == sorted(data.labels)
    assert [clip.fold for clip in data][:3] == [1, 2, 1]
    assert data.clips[0].name == "church-bells-000"
    assert len({clip.source for clip in data}) == len(data)
    assert {clip.label for clip in Synthetic(folds=[2])} == set(data.labels)
    with pytest.raises(InputError, match="no clip in fold 3"):
        Synthetic(folds=[3])


def test_samples() -> None:
    for clip in Synthetic(clips_per_class=1, seconds=2, sample_rate=16000):
        sound = clip.read()
        assert (sound.sample_rate, sound.seconds, sound.waveform.dtype) == (16000, 2.0, np.float32)
        assert np.abs(sound.waveform).max() == pytest.approx(0.5)


@pytest.mark.parametrize("seconds", [1, 1.5, 11])
def test_other_lengths_sound_too(seconds: float) -> None:
    for clip in Synthetic(clips_per_class=2, seconds=seconds, sample_rate=16000):
        assert clip.read().seconds == seconds  # reading refuses silence and what is not finite


def test_same_seed_same_samples_and_every_clip_another() -> None:
    hashes = [clip.sha256() for clip in Synthetic(clips_per_class=2, seconds=1)]
    assert hashes == [clip.sha256() for clip in Synthetic(clips_per_class=2, seconds=1)]
    assert len(set(hashes)) == len(hashes)
    others = [clip.sha256() for clip in Synthetic(clips_per_class=2, seconds=1, seed=1)]
    assert not set(hashes) & set(others)
    more = {clip.name: clip.sha256() for clip in Synthetic(clips_per_class=3, seconds=1)}
    assert set(hashes) < set(more.values())


def test_a_clip_can_be_sent_to_another_process() -> None:
    clip = Synthetic(clips_per_class=1, seconds=1).clips[-1]
    assert pickle.loads(pickle.dumps(clip)).sha256() == clip.sha256()  # noqa: S301


@pytest.mark.parametrize(
    "options",
    [{"clips_per_class": 1.5}, {"seconds": 0.5}, {"seconds": float("nan")}, {"sample_rate": 8000}, {"seed": -1}],
)
def test_options_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))} is a .*number"):
        Synthetic(**options)  # type: ignore[arg-type]


def test_the_bundled_model_hears_every_class_right_among_esc50s() -> None:
    """All clips but one knock, which it takes for water drops."""
    data = Synthetic(clips_per_class=2)
    model, classes = zsxai.load_model("tiny"), sorted({*data.labels, *OTHER_CLASSES})
    assert len(classes) == 50
    heard = {}
    for clip in data:
        sound = {"array": clip.read().waveform, "sampling_rate": 32000}
        heard[clip.name] = zsxai.classify(sound, classes, model=model, template="the sound of {}", top_k=1)[0].label
    wrong = {clip.name: heard[clip.name] for clip in data if heard[clip.name] != clip.label}
    assert wrong == {"door-knock-001": "water drops"}
