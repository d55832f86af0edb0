"""A folder of recordings in words: each of them, averages of its sets, and how the sets differ."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import torch

from zsxai.api import is_kept, model_of
from zsxai.concepts.api import K, dictionary_of, explain_concepts
from zsxai.concepts.compare import LEAST, Averages, Differences, average, compare_sets, tabulate, weights_of
from zsxai.concepts.dictionary import Dictionary
from zsxai.concepts.explanation import ConceptExplanation
from zsxai.concepts.groups import GROUPED
from zsxai.concepts.vocabulary import Vocabulary
from zsxai.conditions import evaluating, plain_torch
from zsxai.data.clip import Dataset, LabelledClip
from zsxai.data.folder import Folder
from zsxai.devices import Device
from zsxai.errors import InputError
from zsxai.files import as_path, whole_folder
from zsxai.progress import track
from zsxai.value import Value
from zsxai.versions import versions

RECORD, PAGE = "concepts-of-sets.json", "index.html"
FILES = (RECORD, PAGE)
"""What a saved folder holds; the first marks it as one."""


class ClipConcepts(Value):
    """A recording in words.

    Attributes:
        name: Unique in its data set.
        label: Its set.
        source: The recording that it was cut from: the unit of intervals and tests.
        words: Word to weight, largest first.
        said: Part of its embedding that the words say, from 0 to 1.
        penalty: On the sum of the weights.
    """

    name: str
    label: str
    source: str
    words: dict[str, float]
    said: float
    penalty: float


class SkippedClip(Value):
    """A recording that could not be read or explained.

    Attributes:
        name: As in its data set.
        error: Why.
    """

    name: str
    error: str


class FolderConcepts(Value):
    """What :func:`explain_folder` found.

    Attributes:
        title: Name of the folder or data set.
        clips: Every recording that was explained.
        skipped: Those that were not.
        overall: Mean weights over all recordings.
        averages: Those of each set, sets in the order of their names.
        differences: How the two sets differ; with more sets, each from the others; none with one.
        model: Name of the model.
        weights_sha256: Hash of its weights.
        vocabulary: Name of the vocabulary.
        vocabulary_sha256: Hash of its words.
        centring: Card of the centring.
        k: Words at most for a recording; None where a penalty was given.
        lam: Penalty; None where ``k`` was given.
        grouped: Text cosine from which on words are one concept.
        versions: Versions of the libraries that compute.
    """

    title: str
    clips: tuple[ClipConcepts, ...]
    skipped: tuple[SkippedClip, ...]
    overall: Averages
    averages: tuple[Averages, ...]
    differences: tuple[Differences, ...]
    model: str
    weights_sha256: str | None
    vocabulary: str
    vocabulary_sha256: str
    centring: dict[str, Any]
    k: int | None
    lam: float | None
    grouped: float
    versions: dict[str, str]

    def __str__(self) -> str:
        parts = [str(each) for each in (*self.averages, *self.differences)]
        if self.skipped:
            parts.append(f"passed over: {', '.join(f'{clip.name} ({clip.error})' for clip in self.skipped)}")
        return "\n".join(parts)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write a folder with the record as JSON and a page.

        Raises:
            InputError: If the folder exists and may not be replaced.
        """
        from zsxai.show.concept_sets import page_html

        place = as_path(folder)
        with whole_folder(place, FILES, overwrite=overwrite) as draft:
            text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
            (draft / RECORD).write_text(f"{text}\n", encoding="utf-8")
            (draft / PAGE).write_bytes(page_html(self).encode())
        return place


class ExplainedClip(NamedTuple):
    """A clip with its explanation, or with why there is none."""

    clip: LabelledClip
    explanation: ConceptExplanation | None
    error: str = ""


def explain_each(
    clips: Sequence[LabelledClip],
    words: Dictionary,
    *,
    model: object = "tiny",
    k: int | None = None,
    lam: float | None = None,
    grouped: float = GROUPED,
    progress: bool | None = None,
) -> Iterator[ExplainedClip]:
    """Explain clips one at a time, with one dictionary; what cannot be read is passed on with the reason.

    Args:
        clips: Of a data set.
        words: The dictionary, of this model.
        model: A model object, or a name.
        k: As :func:`zsxai.explain_concepts` takes it, as are those that follow.
        lam: Penalty.
        grouped: Text cosine of near-synonyms.
        progress: Show a bar over the clips; None shows it on a terminal.
    """
    for clip in track(clips, len(clips), "explaining", progress, lines=True):
        try:
            sound = clip.read()
        except InputError as error:
            yield ExplainedClip(clip, None, str(error))
            continue
        made = explain_concepts(
            sound, model=model, k=k, lam=lam, vocabulary=words, window=0, grouped=grouped, progress=False
        )
        yield ExplainedClip(clip, made)


@plain_torch()
def explain_folder(
    folder: str | Path | Dataset,
    by: Literal["folder"] | Callable[[LabelledClip], str] = "folder",
    *,
    model: object = "tiny",
    k: int | None = None,
    lam: float | None = None,
    vocabulary: str | Sequence[str] | Vocabulary | Dictionary = "clustered",
    centring: object = "auto",
    template: object = None,
    grouped: float = GROUPED,
    paired: bool = False,
    least: int = LEAST,
    seed: int = 0,
    device: Device = "auto",
    progress: bool | None = None,
) -> FolderConcepts:
    """Say what a model hears in sets of recordings, and how the sets differ.

    One recording is in memory at a time; of each its words are kept, not its sound.

    Args:
        folder: A folder of folders, one for each set (:class:`zsxai.data.folder.Folder`), or a data set.
        by: ``folder``: sets are the folders, or the classes of a data set. Or a function that says the set of a clip.
        model: A name or a model object.
        k: As :func:`zsxai.explain_concepts` takes it, as are those that follow.
        lam: Penalty.
        vocabulary: The words.
        centring: What is taken off.
        template: Around every word.
        grouped: Text cosine of near-synonyms.
        paired: The two sets are the same recordings twice, such as before and after: files are partners whose names
            below their folders are the same but for their endings; of a data set those of one source.
        least: Recordings that must use a concept for it to be tested.
        seed: Of bootstrap and permutations.
        device: A torch device for a model given by name; ``auto`` takes a GPU where there is one.
        progress: Show a bar; None shows one on a terminal.

    Raises:
        InputError: If anything about the input is wrong, no recording can be read, or sets that are to be paired are
            not two; a single file that cannot be read is passed over, named in ``skipped`` and warned of.
    """
    if not callable(by) and by != "folder":
        raise InputError(f"by is 'folder', or a function that says the set of a clip, not {by!r}")
    given = isinstance(folder, Dataset)
    clips = folder.clips if isinstance(folder, Dataset) else Folder(folder).clips
    title = type(folder).__name__ if given else as_path(folder).resolve().name
    label = by if callable(by) else _label_of
    sets = sorted({str(label(clip)) for clip in clips})
    if paired and len(sets) != 2:
        raise InputError(f"paired takes two sets, not {len(sets)}: {', '.join(sets[:5])}")
    if k is None and lam is None:
        k = K
    loaded = model_of(model, device)
    with evaluating(loaded):
        words = dictionary_of(loaded, vocabulary, centring, template, keep=is_kept(model), progress=progress)
    found: list[ClipConcepts] = []
    rows: list[torch.Tensor] = []
    skipped: list[SkippedClip] = []
    for clip, made, error in explain_each(clips, words, model=loaded, k=k, lam=lam, grouped=grouped, progress=progress):
        if made is None:
            skipped.append(SkippedClip(name=clip.name, error=error))
            continue
        source = _partner_of(clip.source) if paired and not given else clip.source
        found.append(
            ClipConcepts(
                name=clip.name,
                label=str(label(clip)),
                source=source,
                words=dict(made.weights),
                said=made.said,
                penalty=made.penalty,
            )
        )
        rows.append(weights_of(words, [made]).to_sparse())
    if skipped:
        warnings.warn(f"recordings passed over: {len(skipped)}; the first: {skipped[0].error}", stacklevel=2)
    if not found:
        raise InputError(f"none of the {len(clips)} recordings can be read; the first: {skipped[0].error}")
    weights = torch.cat(rows).to_dense()
    table = tabulate(words, weights, [c.source for c in found], [c.label for c in found], grouped=grouped)
    sizes = Counter(c.label for c in found)
    names = sorted(sizes)
    against = {2: [(names[0], names[-1])], 1: []}.get(len(names), [(name, None) for name in names])
    return FolderConcepts(
        title=title,
        clips=tuple(found),
        skipped=tuple(skipped),
        overall=average(table, seed=seed),
        averages=tuple(average(table, name, seed=seed) for name in names),
        differences=tuple(
            compare_sets(table, one, other, paired=paired, least=least, seed=seed) for one, other in against
        ),
        model=loaded.card.name,
        weights_sha256=loaded.card.weights_sha256,
        vocabulary=words.vocabulary.name,
        vocabulary_sha256=words.vocabulary.sha256,
        centring=words.centring.card,
        k=k,
        lam=lam,
        grouped=grouped,
        versions=versions(),
    )


def _label_of(clip: LabelledClip) -> str:
    return clip.label


def _partner_of(source: str) -> str:
    """The part of a file's place below its class folder that partners share."""
    return PurePosixPath(*PurePosixPath(source).parts[1:]).as_posix()
