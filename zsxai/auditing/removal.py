"""What scores are without a part of the sound: heard, as audio that was rendered without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.auditing.annotations import Spans
from zsxai.auditing.audit import Cue
from zsxai.auditing.cue import Place
from zsxai.auditing.tables import Group, is_promising
from zsxai.concepts.statistics import correct_holm, permutation_test
from zsxai.data.clip import LabelledClip
from zsxai.model import ZeroShotModel
from zsxai.progress import track
from zsxai.recording import Recording
from zsxai.target import BoundTarget

ELSEWHERE = 40
"""Recordings of other classes that a part is removed from, drawn evenly from these classes."""


class Fall(NamedTuple):
    """How far the score of a clip falls without a part.

    Attributes:
        cue: Number of the cue whose part it is.
        label: Class of the clip.
        source: The recording that the clip was cut from.
        value: The score as it is less the score without the part.
    """

    cue: int
    label: str
    source: str
    value: float


class Removal:
    """Removes parts of clips.

    Args:
        model: What scores them; it is evaluating already.
        bound: The target of every class.
        spans: What is annotated in clips, by name.
        batch_size: Clips per forward.
        progress: Show a bar.
    """

    def __init__(
        self,
        model: ZeroShotModel,
        bound: Mapping[str, BoundTarget],
        spans: Mapping[str, Spans],
        batch_size: int | None,
        progress: bool | None,
    ) -> None:
        self._model, self._bound, self._spans = model, bound, spans
        self._batch_size, self._progress = batch_size, progress

    def measure(self, clips: Sequence[LabelledClip], wanted: Mapping[str, Sequence[tuple[int, Place]]]) -> list[Fall]:
        """How far the scores of clips fall.

        Args:
            clips: The clips.
            wanted: Numbers of cues with their parts, by the name of the clip that these are removed from.
        """
        found: list[Fall] = []
        chosen = [clip for clip in clips if clip.name in wanted]
        for clip in track(chosen, len(chosen), "removing", self._progress, lines=True):
            sound = clip.read().at(self._model.sample_rate)
            recording = Recording(self._model, sound, batch_size=self._batch_size)
            places = [place for _, place in wanted[clip.name]]
            values = find_falls(recording, self._bound[clip.label], places, self._spans.get(clip.name))
            found += [
                Fall(cue, clip.label, clip.source, value)
                for (cue, _), value in zip(wanted[clip.name], values, strict=True)
            ]
        return found


def find_falls(
    recording: Recording, target: BoundTarget, places: Sequence[Place], annotated: Spans | None = None
) -> list[float]:
    """How far the score of a recording falls without each of some parts.

    Args:
        recording: Before its model.
        target: Whose score it is.
        places: The parts.
        annotated: What is annotated in it.
    """
    power = recording.power.cpu().numpy()
    whole = _score(recording.model, target, [recording.embedding(i) for i in range(len(recording.spans))])
    found = []
    for place in places:
        mask = torch.from_numpy(place.mask(recording.grid, power, annotated))
        without = recording.render(mask[None], residue=True)
        with torch.no_grad():
            parts = [recording.model.embed_audio(without[:, start:stop])[0] for start, stop in recording.spans]
        found.append(whole - _score(recording.model, target, parts))
    return found


def _score(model: ZeroShotModel, target: BoundTarget, embeddings: Sequence[torch.Tensor]) -> float:
    with torch.no_grad():
        cosines = model.audio_spec.pool(target.cosines(torch.stack(list(embeddings))))
        return float(target.value(cosines[None])[0])


def measure_cues(
    cues: Sequence[Cue], groups: Sequence[Group], removal: Removal, clips: Sequence[LabelledClip], seed: int
) -> list[Cue]:
    """Cues with what removing them does, and the last condition of the rule.

    Args:
        cues: Of all classes.
        groups: The classes.
        removal: How parts are removed.
        clips: Of all classes.
        seed: Seed of the permutations, and of which other clips parts are removed from.
    """
    wanted: dict[str, list[tuple[int, Place]]] = defaultdict(list)
    for number, cue in enumerate(cues):
        if is_promising(cue):
            for clip in _draw(clips, cue.label, seed):
                wanted[clip.name].append((number, cue.place))
    by_cue: dict[int, list[Fall]] = defaultdict(list)
    for fall in removal.measure(clips, wanted):
        by_cue[fall.cue].append(fall)
    own_of = {group.label: group for group in groups}
    measured, p_values = list(cues), np.ones(len(cues))
    for number, falls in by_cue.items():
        cue = cues[number]
        own, other = (_by_source([f for f in falls if (f.label == cue.label) is mine]) for mine in (True, False))
        group = own_of[cue.label]
        update = {"fall": group.mean(own), "elsewhere": group.mean(other) if len(other) else None}
        measured[number] = cue.model_copy(update=update)
        if len(other):
            p_values[number] = permutation_test(own[:, None], other[:, None], seed=seed)[0][0]
    # All that were looked at are the family, those that were not measured too.
    corrected = correct_holm(p_values)
    return [_conclude(cue, float(p)) for cue, p in zip(measured, corrected, strict=True)]


def _conclude(cue: Cue, p: float) -> Cue:
    """The cue with its corrected p value, and with the condition that the score rests on it."""
    measured = cue.model_copy(update={"p": p if cue.elsewhere is not None else None})
    unmet = (*cue.unmet, "drive") if cue.of_model and not measured.drives else cue.unmet
    return measured.model_copy(update={"unmet": unmet})


def _draw(clips: Sequence[LabelledClip], label: str, seed: int) -> list[LabelledClip]:
    """All clips of a class, and :data:`ELSEWHERE` of others, one of each other class after the other."""
    own = [clip for clip in clips if clip.label == label]
    by_label: dict[str, list[LabelledClip]] = defaultdict(list)
    rng = np.random.default_rng(seed)
    for index in rng.permutation(len(clips)):
        if clips[index].label != label:
            by_label[clips[index].label].append(clips[index])
    turns = [(turn, clip) for others in by_label.values() for turn, clip in enumerate(others)]
    return own + [clip for _, clip in sorted(turns, key=lambda pair: pair[0])[:ELSEWHERE]]


def _by_source(falls: Sequence[Fall]) -> NDArray[Any]:
    """Mean of every recording, ``(R,)``."""
    by_source: dict[str, list[float]] = defaultdict(list)
    for fall in falls:
        by_source[fall.source].append(fall.value)
    return np.array([np.mean(by_source[source]) for source in sorted(by_source)])
