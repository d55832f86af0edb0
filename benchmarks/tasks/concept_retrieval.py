"""Retrieval: recordings that look for their captions among all, and captions that look for their recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zsxai.benchmarks.tasks.base import INTERVALS, Item, TaskCard
from zsxai.benchmarks.tasks.decomposing import Decomposing
from zsxai.benchmarks.tasks.settings import Contamination, Task
from zsxai.benchmarks.tasks.whole import ROWS, Codes, Judged, Part, Whole, WholeRunner, flag
from zsxai.benchmarks.tasks.words import load_class_captions
from zsxai.concepts.embedding import embed_words
from zsxai.concepts.scores import retrieve
from zsxai.data.clip import Dataset
from zsxai.errors import InputError
from zsxai.metrics.base import RetrievedAnswers
from zsxai.model import ZeroShotModel

AUDIO_TO_TEXT, TEXT_TO_AUDIO = "audio-to-text", "text-to-audio"


class ConceptRetrieval(Decomposing):
    """Retrieval by mixes of words and by the embeddings themselves, both ways.

    Attributes:
        captions: A caption for each class, where the data set has none: the name of a shipped table, or a file.
    """

    kind: Literal["concept-retrieval"] = "concept-retrieval"
    captions: str | None = None


class ConceptRetrievalRunner(WholeRunner[ConceptRetrieval]):
    """Runs :class:`ConceptRetrieval`: one row per query and configuration, over the whole data set.

    A recording is the mix of its words, a caption its embedding, bare. Where a data set has no captions, each of its
    classes is one, with the suite's template, or with a caption of a table, bare: R@1 is then a class's precision at 1,
    and from audio to text accuracy.
    Intervals are over recordings; of class captions, from text to audio, over classes.

    Strata: ``audio-to-text``, ``text-to-audio``.

    Clips encoded: every recording once per runner, with a limit too, and never kept on disk: a run with several
    workers, and one that goes on, encodes them again.
    """

    task_type = ConceptRetrieval
    evidence = RetrievedAnswers
    card = TaskCard(title="Retrieval by concepts", strata=(AUDIO_TO_TEXT, TEXT_TO_AUDIO), plots=(INTERVALS,))

    @classmethod
    def identify(cls, task: Task, model: ZeroShotModel) -> dict[str, Any]:
        """See :meth:`TaskRunner.identify`."""
        found = super().identify(task, model)
        if isinstance(task, ConceptRetrieval) and task.captions is not None:
            captions = load_class_captions(task.captions)
            return {label: {**about, "captions": captions} for label, about in found.items()}
        return found

    @classmethod
    def items(
        cls, task: Task, dataset: Dataset, contamination: Contamination, seed: int, others: Dataset | None
    ) -> list[Item]:
        """See :meth:`TaskRunner.items`: every recording, followed by its captions.

        Raises:
            InputError: If some recordings have captions and others have none.
        """
        recordings = super().items(task, dataset, contamination, seed, others)
        captioned = [bool(item.clips[0].captions) for item in recordings]
        if any(captioned) != all(captioned):
            name = recordings[captioned.index(False)].name
            raise InputError(f"{name!r} has no caption, and others have: retrieval takes captions of all, or of none")
        if any(captioned):
            ends = np.cumsum([len(item.clips[0].captions) for item in recordings])
            owned = [range(end - len(item.clips[0].captions), end) for item, end in zip(recordings, ends, strict=True)]
            whole = Whole(recordings, [text for item in recordings for text in item.clips[0].captions], owned)
        else:
            numbers = {label: number for number, label in enumerate(dataset.labels)}
            whole = Whole(
                recordings,
                list(dataset.labels),
                [[numbers[label] for label in item.clips[0].classes] for item in recordings],
            )
        return list(_queries(whole, classes=not any(captioned)))

    def embed_texts(self, whole: Whole) -> Tensor:
        """See :meth:`WholeRunner.embed_texts`.

        Raises:
            InputError: If the table lacks a class.
        """
        if whole.items[0].clips[0].captions:
            return embed_words(self.stage.model, whole.texts, progress=False)
        if self.task.captions is None:
            return self.classes.text
        captions = load_class_captions(self.task.captions)
        if missing := [label for label in whole.texts if label not in captions]:
            raise InputError(f"the table {self.task.captions!r} has no caption for the class {missing[0]!r}")
        return embed_words(self.stage.model, [captions[label] for label in whole.texts], progress=False)

    def judge(self, whole: Whole, codes: Codes) -> Judged:
        """See :meth:`WholeRunner.judge`: of all recordings, then of all texts."""
        kept, texts = self.embedded.kept, len(whole.texts)
        place = {number: at for at, number in enumerate(kept)}
        holders: list[list[int]] = [[] for _ in whole.texts]
        for number, owned in enumerate(whole.owned):
            for text in owned if number in place else ():
                holders[text].append(place[number])
        by_audio = _look_up(codes.audio, codes.text, [whole.owned[number] for number in kept])
        by_text = _look_up(codes.text, codes.audio, holders)
        figures = np.full((2, len(whole.items) + texts), np.nan)
        figures[:, kept] = by_audio
        figures[:, len(whole.items) :] = by_text
        return Judged(RetrievedAnswers(*figures), {})


def _queries(whole: Whole, *, classes: bool) -> Iterator[Part]:
    """Every recording, followed by its captions, or by those of its classes that were not asked about yet."""
    asked: set[int] = set()
    for number, (item, owned) in enumerate(zip(whole.items, whole.owned, strict=True)):
        source = item.clips[0].source
        yield _query(item, AUDIO_TO_TEXT, number=number, unit=source, of=number, whole=whole)
        for at, text in enumerate(owned, start=1):
            place = len(whole.items) + text
            if not classes:
                named = replace(item, name=f"{item.name}, caption {at}")
                yield _query(named, TEXT_TO_AUDIO, number=place, unit=source, of=number, whole=whole)
            elif text not in asked:
                label = whole.texts[text]
                # Models of a pool ask for a class each among its own recordings, and intervals are over classes.
                named = Item(f"class {label} ({item.name})", (), label)
                yield _query(named, TEXT_TO_AUDIO, number=place, unit=f"class {label}", of=None, whole=whole)
        asked.update(owned)


def _query(item: Item, way: str, **about: Any) -> Part:
    strata = {known: known == way for known in (AUDIO_TO_TEXT, TEXT_TO_AUDIO)}
    return Part(item.name, item.clips, item.label, item.contaminant, strata=strata, **about)


def _look_up(queries: Tensor, candidates: Tensor, answers: Sequence[Sequence[int]]) -> NDArray[Any]:
    """R@1 and average precision at 10 of every query, ``(2, Q)``; cosines of a block of queries at a time."""
    found = []
    for start in range(0, len(queries), ROWS):
        block = slice(start, start + ROWS)
        found.append(retrieve((queries[block] @ candidates.T).numpy(), flag(answers[block], len(candidates))))
    return np.concatenate([np.stack(each) for each in found], axis=1)
