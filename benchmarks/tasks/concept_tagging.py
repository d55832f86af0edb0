"""Clips of several classes, classified by mixes of words: what each class finds among all clips of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from torch import Tensor

from zsxai.benchmarks.tasks.base import INTERVALS, Failure, Item, Ratio, TaskCard
from zsxai.benchmarks.tasks.decomposing import Decomposing
from zsxai.benchmarks.tasks.settings import Contamination, Task
from zsxai.benchmarks.tasks.whole import Codes, Judged, Part, Whole, WholeRunner, flag
from zsxai.concepts.scores import above, average_precision, nearest
from zsxai.data.clip import Dataset
from zsxai.metrics.base import TaggedClasses


class ConceptTagging(Decomposing):
    """Classes of a data set whose clips may have several.

    Attributes:
        threshold: Cosine from which on a clip is given a class; where None, it is given the one class that is nearest.
    """

    kind: Literal["concept-tagging"] = "concept-tagging"
    threshold: Annotated[float, Field(ge=-1, le=1)] | None = None


class ConceptTaggingRunner(WholeRunner[ConceptTagging]):
    """Runs :class:`ConceptTagging`: one row per class and configuration, over all clips of the data set.

    The mean of ``average-precision`` over classes is mAP, the ratio of the means of ``right`` and ``half-of-both`` the
    micro F1. Intervals are over classes: they say how much depends on which classes there are, not on which clips.

    A clip that cannot be read is left out of all classes, and counts as one more item without a value.

    Clips encoded: every clip once per runner, with a limit too, and never kept on disk: a run with several workers, and
    one that goes on, encodes them again.
    """

    task_type = ConceptTagging
    evidence = TaggedClasses
    card = TaskCard(
        title="Tagging by concepts",
        plots=(INTERVALS,),
        ratios=(Ratio("Micro F1: decisions over all clips and classes", over="right", under="half-of-both"),),
    )

    @classmethod
    def items(
        cls, task: Task, dataset: Dataset, contamination: Contamination, seed: int, others: Dataset | None
    ) -> list[Item]:
        """See :meth:`TaskRunner.items`: every class, those without a clip too."""
        clips = super().items(task, dataset, contamination, seed, others)
        labels = list(dataset.labels)
        numbers = {label: number for number, label in enumerate(labels)}
        whole = Whole(clips, labels, [[numbers[label] for label in item.clips[0].classes] for item in clips])
        return [Part(label, (), label, number=at, unit=label, whole=whole) for at, label in enumerate(labels)]

    def embed_texts(self, whole: Whole) -> Tensor:
        """See :meth:`WholeRunner.embed_texts`."""
        return self.classes.text

    def judge(self, whole: Whole, codes: Codes) -> Judged:
        """See :meth:`WholeRunner.judge`: of all classes."""
        cosines = (codes.audio @ codes.text.T).numpy()
        having = flag([whole.owned[number] for number in self.embedded.kept], len(whole.texts))
        threshold = self.task.threshold
        given = nearest(cosines) if threshold is None else above(cosines, threshold)
        right, sizes = (given & having).sum(axis=0), (given.sum(axis=0), having.sum(axis=0))
        evidence = TaggedClasses(average_precision(cosines, having), right, *sizes)
        return Judged(evidence, {"right": right, "half-of-both": np.add(*sizes) / 2})

    def list_failures(self, parts: Sequence[Part]) -> list[Failure]:
        """Clips that were left out: named once, with the first class."""
        return list(self.embedded.failures.values()) if any(part.number == 0 for part in parts) else []
