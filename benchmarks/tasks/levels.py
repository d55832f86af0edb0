"""How similar prompts are to recordings that hold their sound, and to recordings that do not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.tasks.base import Item, Stage, in_hash_order
from zsxai.benchmarks.tasks.classes import Classes
from zsxai.benchmarks.tasks.settings import Contamination
from zsxai.benchmarks.tasks.sounds import hear, pooled_cosines

_AT_ONCE = 64
"""Clips held at once."""


@dataclass(frozen=True, eq=False)
class Levels:
    """Cosines of all classes' prompts with reference recordings.

    Attributes:
        cosines: ``(R, C)``.
        label: ``(R,)`` index of each clip's class.
        source: ``(R,)`` recording that it was cut from.
    """

    cosines: NDArray[Any]
    label: NDArray[Any]
    source: NDArray[Any]

    def absent(self, prompt: int, without: Collection[str], quantile: float) -> float:
        """A quantile of the prompt's cosines with recordings that do not hold its sound, a few recordings left out."""
        found = self.cosines[(self.label != prompt) & ~np.isin(self.source, list(without)), prompt]
        return float(np.quantile(found, quantile)) if len(found) else float("nan")

    def present(self, prompt: int, without: Collection[str]) -> float:
        """The median of the prompt's cosines with recordings that hold its sound, a few recordings left out."""
        found = self.cosines[(self.label == prompt) & ~np.isin(self.source, list(without)), prompt]
        return float(np.median(found)) if len(found) else float("nan")


def measure_levels(stage: Stage, classes: Classes, count: int) -> Levels:
    """Encode reference recordings: the first clips of the data set in hash order, clean.

    One that cannot be read is left out; the unit that it belongs to names it.

    Args:
        stage: Model and data set.
        classes: Prompts.
        count: Clips at most.
    """
    clean, model = replace(stage, contamination=Contamination()), stage.model
    clips = in_hash_order(stage.dataset.clips)[:count]
    cosines, kept = [np.empty((0, len(classes.labels)))], []
    for start in range(0, len(clips), _AT_ONCE):
        part = clips[start : start + _AT_ONCE]
        for heard in hear(clean, [Item(clip.name, (clip,), clip.label) for clip in part])[0]:
            cosines.append(pooled_cosines(model, [w[None] for w in heard.windows], classes.text))
            kept.append(heard.item.clips[0])
    labels = np.array([classes.labels.index(clip.label) for clip in kept], dtype=int)
    return Levels(np.concatenate(cosines), labels, np.array([clip.source for clip in kept], dtype=str))
