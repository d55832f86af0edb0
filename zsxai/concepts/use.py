"""What a mix of words is good for: classification, also with concepts taken out, and retrieval.

Mixes and texts are compared where the words are: after centring, if there is any. A dense embedding is compared with
texts in the model's own space, as :func:`zsxai.classify` does (of a recording of several windows: their mean).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from zsxai.api import is_kept, model_of
from zsxai.checks import take_list
from zsxai.concepts.api import dictionary_of, explain_concepts
from zsxai.concepts.compare import weights_of
from zsxai.concepts.dictionary import Dictionary, build_dictionary
from zsxai.concepts.explanation import ConceptExplanation, words_say
from zsxai.concepts.groups import GROUPED, group_words
from zsxai.concepts.scores import Retrieval, owned, retrieve
from zsxai.concepts.vocabulary import Vocabulary
from zsxai.conditions import evaluating, plain_torch
from zsxai.devices import Device
from zsxai.errors import InputError, unknown
from zsxai.model import ZeroShotModel
from zsxai.prompt import check_prompts, embed_prompts, find_template
from zsxai.value import Value


class ConceptScore(Value):
    """A class among others: its probability, ``softmax(logit_scale * cosine)``, and its cosine.

    Attributes:
        label: The prompt as given.
        dense: Probability from the embedding itself.
        concepts: Probability from the mix of words.
        without: Probability from the mix without what was taken out; None where nothing was.
        cosines: The cosines behind those that are there, in this order.
    """

    label: str
    dense: float
    concepts: float
    without: float | None
    cosines: tuple[float, ...]


class ConceptClassification(Value):
    """A recording classified by its embedding and by the words that it is a mix of, beside each other.

    Attributes:
        audio_name: File name, or ``array``.
        classes: Best first, by the mix of words.
        words: Word to weight, largest first.
        removed: Words that were taken out, with their weights: those asked for, each with its group.
        said: Part of the embedding that the words say, from 0 to 1, before any was taken out.
        notes: What a reader should know before trusting the scores.
    """

    audio_name: str
    classes: tuple[ConceptScore, ...]
    words: dict[str, float]
    removed: dict[str, float]
    said: float
    notes: tuple[str, ...] = ()

    def __getitem__(self, label: str) -> ConceptScore:
        """The class of a prompt.

        Raises:
            InputError: If it is none of them.
        """
        for found in self.classes:
            if found.label == label:
                return found
        raise InputError(unknown("class", str(label), [c.label for c in self.classes]))

    def __str__(self) -> str:
        wide = max(len("class"), *(len(c.label) for c in self.classes))
        lines = [f"{self.audio_name}: {words_say(len(self.words), self.said)} of what is heard"]
        if self.removed:
            lines.append(f"taken out: {', '.join(f'{word} {weight:.3f}' for word, weight in self.removed.items())}")
        lines.append(f"  {'class':{wide}}  dense  concepts{'  without' if self.removed else ''}")
        for c in self.classes:
            without = "" if c.without is None else f"  {c.without:7.3f}"
            lines.append(f"  {c.label:{wide}}  {c.dense:5.3f}  {c.concepts:8.3f}{without}")
        return "\n".join(lines)


@plain_torch()
def classify_concepts(
    audio: object,
    prompts: Iterable[str],
    *,
    without: str | Iterable[str] = (),
    sample_rate: int | None = None,
    model: object = "tiny",
    template: object = None,
    k: int | None = None,
    lam: float | None = None,
    vocabulary: str | Sequence[str] | Vocabulary | Dictionary = "clustered",
    centring: object = "auto",
    device: Device = "auto",
    progress: bool | None = None,
) -> ConceptClassification:
    """Classify a recording by the words that it is a mix of (arXiv 2504.14076, section III), and without some of them.

    Taking words out is arithmetic on the mix: it says what the words do to the score, not what the model would hear in
    a recording without that sound.

    Args:
        audio: As :func:`zsxai.explain` takes it, or a concept explanation that the same model made: its words are used
            as they are.
        prompts: The classes.
        without: Concepts to take out, *as if there were no wind*: each word goes with its group of near-synonyms, as
            :meth:`ConceptExplanation.find` finds it.
        sample_rate: Samples per second of an array.
        model: A name or a model object.
        template: Around every class, as :func:`zsxai.explain` takes it.
        k: As :func:`zsxai.explain_concepts` takes it, as are those that follow.
        lam: Penalty.
        vocabulary: The words; a :class:`~zsxai.concepts.dictionary.Dictionary` is not embedded again.
        centring: What is taken off.
        device: A torch device for a model given by name; ``auto`` takes a GPU where there is one.
        progress: Show bars; None shows them on a terminal.

    Raises:
        InputError: If anything about the input is wrong, or a concept is to be taken out that is not there.
    """
    labels = check_prompts(prompts)
    if not labels:
        raise InputError("classify_concepts takes a list of classes, such as ['a dog', 'rain'], not an empty one")
    if len(set(labels)) < len(labels):
        raise InputError(f"a class is given twice: {next(a for a in labels if labels.count(a) > 1)!r}")
    out = [without] if isinstance(without, str) else take_list(without, "without", "words")
    loaded = model_of(model, device)
    if isinstance(audio, ConceptExplanation):
        as_usual = isinstance(vocabulary, Dictionary) or (isinstance(vocabulary, str) and vocabulary == "clustered")
        brought = not as_usual or not isinstance(centring, str) or centring != "auto"
        if k is not None or lam is not None or brought:
            raise InputError("an explanation brings its own words: leave k, lam, vocabulary and centring out")
        made, words = audio, _dictionary_of(audio, loaded, vocabulary, progress)
    else:
        with evaluating(loaded):
            words = dictionary_of(loaded, vocabulary, centring, keep=is_kept(model), progress=progress)
        made = explain_concepts(
            audio, sample_rate=sample_rate, model=loaded, k=k, lam=lam, vocabulary=words, window=0, progress=progress
        )
    with evaluating(loaded), torch.no_grad():
        text = embed_prompts(loaded, labels, find_template(template, loaded)).embedding.cpu().double()
        notes = loaded.prompt_notes(labels)
    removed = {word: weight for name in out for word, weight in made.find(name).words.items() if weight > 0}
    weights = weights_of(words, [made])
    cosines = [torch.from_numpy(made.embedding.copy())[None] @ text.T, class_scores(words, weights, text)]
    if removed:
        left = weights * torch.tensor([word not in removed for word in words.words])
        cosines.append(class_scores(words, left, text))
        if not left.any():
            notes = (*notes, "no word is left: all classes are alike")
    table = torch.cat(cosines)
    scores = probabilities(table, loaded)
    rows = [
        ConceptScore(
            label=label,
            dense=float(scores[0, i]),
            concepts=float(scores[1, i]),
            without=float(scores[2, i]) if removed else None,
            cosines=tuple(table[:, i].tolist()),
        )
        for i, label in enumerate(labels)
    ]
    return ConceptClassification(
        audio_name=made.provenance.audio_name,
        classes=tuple(sorted(rows, key=lambda row: -row.cosines[1])),
        words=dict(made.weights),
        removed=removed,
        said=made.said,
        notes=(*made.provenance.warnings, *notes),
    )


def class_scores(words: Dictionary, weights: Tensor, text: Tensor) -> Tensor:
    """Cosines of mixes of words with texts.

    Args:
        words: The dictionary.
        weights: ``(B, n)``.
        text: ``(P, D)`` embeddings of classes or captions.

    Returns:
        ``(B, P)`` float64; 0 where a mix has no words.
    """
    return words.mix(weights) @ words.code_text(text).T


def caption_scores(words: Dictionary, weights: Tensor, captions: Tensor) -> Tensor:
    """Cosines of mixes of words, those of recordings and those of captions that were decomposed too.

    Args:
        words: The dictionary.
        weights: ``(B, n)`` of recordings.
        captions: ``(P, n)`` of captions: ``words.decompose(words.code_text(text), ...).weights``.

    Returns:
        ``(B, P)`` float64.
    """
    return words.mix(weights) @ words.mix(captions).T


def probabilities(cosines: Tensor, model: ZeroShotModel) -> Tensor:
    """Probabilities over classes, ``(B, P)``, as :func:`zsxai.classify` makes them of cosines."""
    return torch.softmax((model.logit_scale or 1.0) * cosines, dim=1)


class BothWays(NamedTuple):
    """Retrieval of recordings by captions, and of captions by recordings."""

    text_to_audio: Retrieval
    audio_to_text: Retrieval


def retrieve_both(similarities: ArrayLike, captions: Sequence[int]) -> BothWays:
    """R@1 and mAP@10 of every query, both ways (:func:`zsxai.concepts.scores.retrieve`).

    Args:
        similarities: ``(N, M)`` of recordings and captions, dense or from :func:`class_scores` or
            :func:`caption_scores`; the captions of a recording follow one another.
        captions: How many each of the ``N`` recordings has.

    Raises:
        InputError: If their number is not that of the table.
    """
    table, answers = np.asarray(similarities, dtype=np.float64), owned(captions)
    return BothWays(retrieve(table.T, answers.T), retrieve(table, answers))


def remove_concepts(words: Dictionary, weights: Tensor, names: Iterable[str], *, grouped: float = GROUPED) -> Tensor:
    """Weights without some concepts: in every row, the groups that hold one of the words.

    Args:
        words: The dictionary.
        weights: ``(B, n)``.
        names: Words of the dictionary.
        grouped: Text cosine from which on words are near-synonyms, grouped row by row as in an explanation.

    Returns:
        ``(B, n)``; a row without the words is as it was.

    Raises:
        InputError: If a word is none of the dictionary.
    """
    asked = [words.same.get(name, name) for name in take_list(names, "names", "words")]
    strange = [name for name in asked if name not in words.words]
    if strange:
        raise InputError(unknown("word", str(strange[0]), words.words))
    out = {words.words.index(name) for name in asked}
    left = weights.clone()
    for row in left:
        order = [i for i in torch.argsort(row, descending=True, stable=True).tolist() if row[i] > 0]
        for group in group_words(order, words.kinship, grouped):
            if out & set(group):
                row[group] = 0.0
    return left


def _dictionary_of(
    made: ConceptExplanation, model: ZeroShotModel, vocabulary: object, progress: bool | None
) -> Dictionary:
    """The dictionary of an explanation, as it is or embedded again."""
    card = made.provenance.model_card
    if card.get("weights_sha256") != model.card.weights_sha256 or card.get("name") != model.card.name:
        raise InputError(f"the explanation was made with {card.get('name')}, not with {model.card.name}")
    if isinstance(vocabulary, Dictionary):
        same = (vocabulary.vocabulary.sha256, vocabulary.centring.card, vocabulary.model)
        if same != (made.vocabulary.sha256, made.provenance.centring, model.card.name):
            raise InputError("the dictionary is not the one that the explanation was made with")
        return vocabulary
    with evaluating(model):
        return build_dictionary(
            model, made.vocabulary, made.centring, template=made.provenance.template, progress=progress
        )
