"""The few lines that join the room: ``explain_concepts``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from zsxai.api import explain, is_kept, model_of
from zsxai.audio import Sound, fingerprint, read_audio
from zsxai.checks import real_number, whole_number
from zsxai.concepts.centring import AUTO, KINDS
from zsxai.concepts.dictionary import Dictionary, build_dictionary
from zsxai.concepts.explanation import Concept, ConceptExplanation, ConceptProvenance, ConceptWindow
from zsxai.concepts.groups import GROUPED, group_words
from zsxai.concepts.recordings import embed_recording, embed_spans
from zsxai.concepts.saved import MOST_SOUNDS
from zsxai.concepts.solver import Solution
from zsxai.concepts.vocabulary import VOCABULARIES, Vocabulary
from zsxai.conditions import evaluating, plain_torch
from zsxai.devices import Device
from zsxai.errors import InputError
from zsxai.explanation import Explanation
from zsxai.model import ZeroShotModel
from zsxai.plugins import LOADING
from zsxai.recording import Recording, split
from zsxai.target import Contrast, Similarity, Target
from zsxai.versions import versions

K = 10
"""Words, where neither their number nor a penalty is asked for: what fits a glance, and keeps a classification."""
SOUNDS = 5
"""Concepts that ``listen=True`` listens to, strongest first."""
WINDOWS, SHORTEST = 5, 1.0
"""Over time a recording is cut into about so many parts, of so many seconds at least, or into the model's windows."""
NAMED = 5
"""Words that a note names before it counts the rest."""


_KEPT: WeakKeyDictionary[ZeroShotModel, dict[tuple[Any, ...], Dictionary]] = WeakKeyDictionary()
"""Dictionaries of models that were given by name, which are kept too: their weights are nobody else's to change."""


@plain_torch()
def explain_concepts(
    audio: object,
    *,
    sample_rate: int | None = None,
    model: object = "tiny",
    k: int | None = None,
    lam: float | None = None,
    vocabulary: str | Sequence[str] | Vocabulary | Dictionary = "clustered",
    centring: object = "auto",
    template: object = None,
    listen: bool | int = False,
    window: float | None = None,
    grouped: float = GROUPED,
    device: Device = "auto",
    progress: bool | None = None,
) -> ConceptExplanation:
    """Say what a model hears in a recording, in words: its embedding as a sparse non-negative mix of concepts.

    Args:
        audio: As :func:`zsxai.explain` takes it. The embedding of a recording longer than the model's window is the
            mean over its windows.
        sample_rate: Samples per second of an array.
        model: A name or a model object.
        k: Words at most; 10 where neither it nor ``lam`` is given.
        lam: Penalty on the sum of the weights instead: a word enters where its cosine with what is left exceeds half
            of it.
        vocabulary: The words that can be said: ``clustered``, ``baseline``, ``pruned``, ``audioset``, a file, a list of
            words, or a :class:`~zsxai.concepts.dictionary.Dictionary`, which the model has embedded before, with its
            own centring and template: those given here are then not used.
        centring: ``none``; ``mean`` or ``pls`` where the model brings one; ``auto``, its ``mean`` where it brings one
            and ``none`` otherwise; a file that ``zsxai centring`` wrote, or a
            :class:`~zsxai.concepts.centring.Centring`.
        template: Around every word, as :func:`zsxai.explain` takes it; words go in bare where None.
        listen: Give the first concepts their sound: each is explained by the default explainer against the others. A
            number says how many; True is 5.
        window: Seconds of the windows of the words over time, half overlapping; None takes a fifth of the recording,
            1 s at least and the model's window at most; 0 leaves them out.
        grouped: Text cosine from which on words are near-synonyms, one concept (less what all words have in common).
        device: A torch device for a model given by name; ``auto`` takes a GPU where there is one.
        progress: Show bars; None shows them on a terminal.

    Raises:
        InputError: If anything about the input is wrong; one line that says what to do.
    """
    if k is not None and lam is not None:
        raise InputError("say either how many concepts (k) or the penalty (lam), not both")
    count = whole_number(K if k is None else k, "k", 1) if lam is None else None
    lam = None if lam is None else real_number(lam, "lam, the penalty lambda,", 0)
    sounds = whole_number(SOUNDS if listen is True else 0 if listen is False else listen, "listen", 0, MOST_SOUNDS)
    grouped = real_number(grouped, "grouped, a text cosine,", -1, 1)
    window = None if window is None else real_number(window, "window, in seconds,", 0)
    sound = read_audio(audio, sample_rate)
    loaded = model_of(model, device)
    with evaluating(loaded), torch.no_grad():
        words = dictionary_of(loaded, vocabulary, centring, template, keep=is_kept(model), progress=progress)
        recording = Recording(loaded, sound.at(loaded.sample_rate))
        embedding = embed_recording(recording)
        spans = _spans(recording, window)
        parts = embed_spans(recording, spans)
    codes = words.code_audio(torch.cat([embedding[None], parts]))
    if recording.is_silent():  # no words for silence
        lam, count = float(words.solver.largest_penalty(codes[:1])[0]), None
    whole = words.decompose(codes[:1], lam, count)
    over_time = words.decompose(codes[1:], float(whole.penalty[0]))
    silent = torch.tensor([recording.is_silent(*span) for span in spans], dtype=torch.bool)
    over_time.weights[silent] = 0.0
    made = _explain(recording, sound, words, codes, (whole, over_time), spans, embedding, count, grouped, model)
    if not sounds or not made.concepts:
        return made
    heard = _listen(made, sound, loaded, words, sounds, progress)
    return made.model_copy(update={"sounds": tuple(heard)})


def dictionary_of(
    model: ZeroShotModel,
    vocabulary: Any,
    centring: object,
    template: object = None,
    *,
    keep: bool = False,
    progress: bool | None = None,
) -> Dictionary:
    """The dictionary that the options of :func:`explain_concepts` mean.

    Args:
        model: A loaded model.
        vocabulary: As :func:`explain_concepts` takes it.
        centring: As :func:`explain_concepts` takes it.
        template: As :func:`explain_concepts` takes it.
        keep: Keep a named one for the next call on this model, whose weights do not change.
        progress: A bar; None shows one on a terminal.

    Raises:
        InputError: If something does not fit the model.
    """
    if isinstance(vocabulary, Dictionary):
        if vocabulary.weights_sha256 != model.card.weights_sha256 or vocabulary.model != model.card.name:
            raise InputError(f"the dictionary was embedded by {vocabulary.model}, not by {model.card.name}")
        return vocabulary
    key = (vocabulary, centring, template)
    named = isinstance(vocabulary, str) and isinstance(centring, str) and isinstance(template, str | None)
    if not keep or not named or vocabulary not in VOCABULARIES or centring not in (AUTO, *KINDS):
        return build_dictionary(model, vocabulary, centring, template=template, progress=progress)
    with LOADING:
        kept = _KEPT.setdefault(model, {})
        if key not in kept:
            kept[key] = build_dictionary(model, vocabulary, centring, template=template, progress=progress)
        return kept[key]


def _spans(recording: Recording, window: float | None) -> list[tuple[int, int]]:
    """Where the windows over time lie, in samples."""
    rate, seconds = recording.model.sample_rate, recording.samples / recording.model.sample_rate
    most = recording.model.audio_spec.window_samples or recording.samples
    if window is None:
        window = max(SHORTEST, seconds / WINDOWS)
    length = min(round(window * rate), most)
    if length == 0 or length >= recording.samples:
        return []
    hop = recording.stft.stft_spec.hop
    return split(recording.samples, max(length, 2 * hop), 0.5, hop, 0)


def _explain(
    recording: Recording,
    sound: Sound,
    words: Dictionary,
    codes: Tensor,
    solved: tuple[Solution, Solution],
    spans: Sequence[tuple[int, int]],
    embedding: Tensor,
    k: int | None,
    grouped: float,
    model: object,
) -> ConceptExplanation:
    whole, parts = solved
    weights, rate = whole.weights[0], recording.model.sample_rate
    # Strongest first in the whole; then what only windows have.
    strength = weights + (parts.weights.amax(dim=0) * 1e-6 if len(parts.weights) else 0.0)
    order = [i for i in torch.argsort(strength, descending=True, stable=True).tolist() if strength[i] > 0]
    groups = [_concept(group, words, weights) for group in group_words(order, words.kinship, grouped)]
    mix = words.mix(torch.cat([whole.weights, parts.weights]))
    cosines = (mix * codes).sum(dim=1).tolist()
    original = recording.waveform.cpu().numpy()
    largest = float(words.solver.largest_penalty(codes[:1])[0])
    card = recording.model.card
    return ConceptExplanation(
        concepts=tuple(sorted((g for g in groups if g.weight > 0), key=lambda g: -g.weight)),
        passing=tuple(g for g in groups if not g.weight > 0),
        penalty=float(whole.penalty[0]),
        largest_penalty=largest,
        cosine=cosines[0],
        residual=float(whole.objective[0] - whole.penalty[0] * weights.sum()),
        kkt=float(whole.kkt[0]),
        windows=tuple(
            ConceptWindow(start=start / rate, stop=stop / rate, words=_named(words, row), cosine=cosine)
            for (start, stop), row, cosine in zip(spans, parts.weights, cosines[1:], strict=True)
        ),
        vocabulary=words.vocabulary,
        sample_rate=rate,
        provenance=ConceptProvenance(
            model=model if isinstance(model, str) else card.name,
            model_card=card.model_dump(mode="json"),
            centring=words.centring.card,
            template=words.template,
            k=k,
            grouped=grouped,
            batch_size=recording.batch_size,
            audio_name=sound.name,
            audio_sha256=fingerprint(original),
            audio_sample_rate=sound.sample_rate,
            audio_channels=sound.channels,
            versions=versions(),
            warnings=(*sound.notes, *_notes(words, float(whole.penalty[0]), largest, recording)),
        ),
        original=original,
        embedding=embedding.numpy(),
        reconstruction=words.reconstruct(whole.weights)[0].numpy(),
        centring=words.centring,
    )


def _concept(group: Sequence[int], words: Dictionary, weights: Tensor) -> Concept:
    pairs = {words.words[i]: float(weights[i]) for i in group}
    return Concept(name=words.words[group[0]], words=pairs)


def _named(words: Dictionary, weights: Tensor) -> dict[str, float]:
    used = weights.nonzero()[:, 0]
    order = used[torch.argsort(weights[used], descending=True, stable=True)]
    return {words.words[i]: weight for i, weight in zip(order.tolist(), weights[order].tolist(), strict=True)}


def _notes(words: Dictionary, penalty: float, largest: float, recording: Recording) -> tuple[str, ...]:
    notes = []
    if recording.is_silent():
        notes.append(f"the recording is under the floor of {recording.model.card.name}: it hears silence")
    elif not penalty < largest:
        notes.append(f"lambda {penalty:.3g} is not under {largest:.3g}, from which on no word is left: nothing is said")
    if words.same:
        pairs = [f"{word!r} and {first!r}" for word, first in list(words.same.items())[:NAMED]]
        more = f" and {len(words.same) - NAMED} more" if len(words.same) > NAMED else ""
        notes.append(f"words that are one to {recording.model.card.name}: {', '.join(pairs)}{more}")
    return tuple(notes)


def _listen(
    made: ConceptExplanation,
    sound: Sound,
    model: ZeroShotModel,
    words: Dictionary,
    count: int,
    progress: bool | None,
) -> list[Explanation]:
    """Explain the first concepts, each against the others, with one pass over the recording."""
    targets = listening_targets([concept.name for concept in made.concepts[:count]])
    return explain(sound, targets, model=model, template=words.template, progress=progress)


def listening_targets(names: Sequence[str]) -> list[Target]:
    """What is asked of a recording for each of its concepts: one against the others, a lone one by itself."""
    if len(names) == 1:
        return [Similarity(prompt=names[0])]
    return [Contrast(prompt=name, against=tuple(n for n in names if n != name)) for name in names]
