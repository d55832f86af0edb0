"""The few lines that join the rooms: ``explain`` and ``classify``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict, Unpack, overload

import torch

from zsxai.audio import open_sound, read_audio
from zsxai.checks import one_of, take_list, whole_number
from zsxai.conditions import evaluating, plain_torch
from zsxai.devices import Device, find_device
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.explaining import Judging, explain_recording
from zsxai.explanation import Explanation
from zsxai.explanations import ExplanationList
from zsxai.files import as_path
from zsxai.keeper import Keeper, check_length
from zsxai.model import Pooling, SpectralModel, ZeroShotModel, check_rows
from zsxai.plugins import LOADING, check_asked, default_explainer, load_by_name, load_explainer, load_model
from zsxai.precision import find_dtype
from zsxai.prompt import check_prompts, embed_prompts, find_template
from zsxai.recording import Recording
from zsxai.registry import MODELS
from zsxai.saved import SOUNDS, Sounds
from zsxai.spectral import Domain, Scale
from zsxai.target import Target, as_target
from zsxai.verdict.reference import Reference, load_reference


class Classification(NamedTuple):
    """One label of :func:`classify`.

    Attributes:
        label: The prompt as given.
        score: ``softmax(logit_scale * cosine)`` over the prompts; a plain softmax of cosines where the model
            gives no scale.
        similarity: Cosine.
    """

    label: str
    score: float
    similarity: float

    @property
    def probability(self) -> float:
        """The score by its other name: a probability among the prompts, which an explanation's score seldom is."""
        return self.score


class ExplainOptions(TypedDict, total=False):
    """Keyword arguments of :func:`explain`, for :func:`explain_many` and type checkers."""

    sample_rate: int | None
    model: object
    explainer: object | None
    options: Mapping[str, Any] | None
    against: Iterable[str] | None
    among: Iterable[str] | None
    template: str | Iterable[str] | None
    domain: Domain
    scale: Scale
    seed: int
    device: Device
    dtype: str | torch.dtype | None
    batch_size: int | None
    progress: bool | None
    pooling: Pooling | None
    verdict: bool | Literal["full"]
    dark_windows: bool
    reference: object | None


class KeepOptions(ExplainOptions, total=False):
    """Further ones, of :func:`explain` alone: where it is written."""

    out: str | Path | None
    overwrite: bool
    resume: bool
    sounds: Sounds


@overload
def explain(audio: object, prompt: str | Target, **options: Unpack[KeepOptions]) -> Explanation: ...
@overload
def explain(
    audio: object, prompt: list[str] | Sequence[Target] | list[str | Target], **options: Unpack[KeepOptions]
) -> ExplanationList: ...
@plain_torch()
def explain(
    audio: object,
    prompt: object,
    *,
    sample_rate: int | None = None,
    model: object = "tiny",
    explainer: object | None = None,
    options: Mapping[str, Any] | None = None,
    against: Iterable[str] | None = None,
    among: Iterable[str] | None = None,
    template: str | Iterable[str] | None = None,
    domain: Domain = "stft",
    scale: Scale = "log",
    seed: int = 0,
    device: Device = "auto",
    dtype: str | torch.dtype | None = None,
    batch_size: int | None = None,
    progress: bool | None = None,
    pooling: Pooling | None = None,
    verdict: bool | Literal["full"] = True,
    dark_windows: bool = True,
    reference: object | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    sounds: Sounds = "wav",
) -> Explanation | ExplanationList:
    """Explain which sounds in a recording make its score for a prompt.

    Args:
        audio: A path, a binary file object, an array or tensor ``(T,)`` or ``(C, T)`` with ``sample_rate``, or
            Hugging Face's ``{"array", "sampling_rate"}``. Channels are averaged. Recordings longer than the model's
            window go through overlapping windows.
        prompt: What to listen for: a string or a :class:`~zsxai.target.Target`. A list of any kind gives a list of
            explanations, the audio side computed once.
        sample_rate: Samples per second of an array.
        model: A name (``"tiny"``, ``"hf:<id or folder>"``) or a model object.
        explainer: A name or an object; None takes the first that fits the model, and records it: the learned
            ``lmac-zs`` where a decoder for the model's weights exists, or else ``gradcam``.
        options: Options of an explainer given by name.
        against: Other prompts; explains the contrast of cosines.
        among: A label set; explains the probability among it.
        template: Such as ``"the sound of {}"``, applied to every prompt; a list of them, whose embeddings are averaged;
            ``"ensemble"``, such a list of ours; or ``"published"``, what the model's authors use.
        domain: Where the mask lies, ``stft`` (linear hertz) or ``mel``.
        scale: How the mask acts: ``log`` (level toward a floor), ``gain`` (magnitude times mask), or ``log1p`` as
            published recipes have it.
        seed: Seed of explainers that draw.
        device: A torch device for a model given by name; ``auto`` takes a GPU where there is one.
        dtype: What the networks of a model given by name compute in: ``float32``, as where None, or ``bfloat16``. Masks
            and scores are float32 whatever it is.
        batch_size: Clips per forward; halved once, with a note, where memory does not hold so many.
        progress: Show a bar; None shows one on a terminal where there is more than one window.
        pooling: How the cosines of several windows make the recording's: their ``mean``, or their ``max``, that of the
            window that hears it best; as the model says where None.
        verdict: Judge whether to believe it (:attr:`Explanation.verdict`): two encodings more per prompt and window.
            ``"full"`` also compares with random masks of its size and with the map of another prompt; False leaves the
            verdict out.
        dark_windows: In a recording of several windows those that do not hear the prompt stay dark, where others do.
        reference: Reference figures of the model, or a file of them (``zsxai reference``); its own where None.
        out: A folder to save it to; of several prompts, a folder each in it. A recording of more than half a minute is
            then worked on in a folder beside it, ``<out>.unfinished``, and memory does not grow with its length.
        overwrite: Replace what was saved there before.
        resume: Go on with work that was interrupted.
        sounds: As :meth:`zsxai.Explanation.save` takes it.

    Returns:
        One :class:`~zsxai.Explanation`, or a list of them, which a notebook shows as a grid. Of long recordings that
        were saved, the arrays lie on disk: they are read as they are looked at.

    Raises:
        InputError: If anything about the input is wrong; one line that says what to do.
    """
    single, targets = targets_of(prompt, against, among)
    seed = whole_number(seed, "the seed", 0)
    how = judging_of(verdict, dark_windows, reference)
    one_of(sounds, tuple(SOUNDS), "sounds")
    keeper = None if out is None else Keeper(as_path(out), targets, single=single, overwrite=overwrite, resume=resume)
    with open_sound(audio, sample_rate) as stream, nullcontext() if keeper is None else keeper.noting():
        loaded = model_of(model, device, dtype)
        method = explainer_of(explainer, options, loaded)
        with evaluating(loaded):
            around = find_template(template, loaded)
            bound = [target.bind(loaded, around) for target in targets]
            check_length(stream.name, stream.seconds or 0.0)
            waveform = stream.read(loaded.sample_rate) if keeper is None else keeper.read(stream, loaded.sample_rate)
            given: dict[str, Any] = {"domain": domain, "scale": scale, "seed": seed, "pooling": pooling}
            recording = Recording(loaded, waveform, **given, batch_size=batch_size)
            scratch = None if keeper is None else keeper.begin(recording, method, bound, how)
            made = explain_recording(recording, method, bound, stream, how, progress, model=model, scratch=scratch)
    if keeper is not None:
        made = keeper.save(made, sounds)
    return made[0] if single else ExplanationList(made)


def targets_of(prompt: object, against: object = None, among: object = None) -> tuple[bool, list[Target]]:
    """The targets that a prompt, or a list of them, means; and whether it was one.

    Raises:
        InputError: If there is none, or one is no prompt.
    """
    # Once, for all prompts: what is given may be a generator.
    contrasts = None if against is None else take_list(against, "against")
    labels = None if among is None else take_list(among, "among")
    single = isinstance(prompt, (str, bytes, Target)) or not isinstance(prompt, Iterable)
    prompts = [prompt] if single else take_list(prompt, "prompts")
    if not prompts:
        raise InputError("the list of prompts is empty: say what to listen for")
    return single, [as_target(p, contrasts, labels) for p in prompts]


def judging_of(verdict: object = True, dark_windows: object = True, reference: object | None = None) -> Judging:
    """What is asked beside the map.

    Raises:
        InputError: If it is no such thing.
    """
    if not isinstance(dark_windows, bool):
        raise InputError(f"dark_windows is True or False, not {dark_windows!r}")
    if verdict is not True and verdict is not False and verdict != "full":
        raise InputError(f"verdict is True, False or 'full', not {verdict!r}")
    figures = reference if reference is None or isinstance(reference, Reference) else load_reference(as_path(reference))
    return Judging(verdict, dark_windows, figures)


class Classified(list[Classification]):
    """What :func:`classify` found, best first.

    Attributes:
        notes: What a reader should know before trusting the scores.
    """

    notes: tuple[str, ...] = ()


@plain_torch()
def classify(
    audio: object,
    prompts: Iterable[str],
    *,
    sample_rate: int | None = None,
    model: object = "tiny",
    template: str | Iterable[str] | None = None,
    top_k: int | None = None,
    device: Device = "auto",
    dtype: str | torch.dtype | None = None,
) -> Classified:
    """Score a recording against prompts, best first.

    Args:
        audio: As :func:`explain` takes.
        prompts: Two or more for a meaningful score.
        sample_rate: Samples per second of an array.
        model: A name or a model object.
        template: As :func:`explain` takes.
        top_k: Keep the best k.
        device: A torch device for a model given by name; ``auto`` takes a GPU where there is one.
        dtype: As :func:`explain` takes it.

    Returns:
        A list of named tuples ``(label, score, similarity)``, with ``notes``. Cosines of several windows are pooled as
        the model says.

    Raises:
        InputError: If anything about the input is wrong.
    """
    labels = check_prompts(prompts)
    if not labels:
        raise InputError("classify takes a list of prompts, such as ['a dog barking', 'rain'], not an empty one")
    most = len(labels) if top_k is None else whole_number(top_k, "top_k", 1)
    sound = read_audio(audio, sample_rate)
    loaded = model_of(model, device, dtype)
    with evaluating(loaded), torch.no_grad():
        text = embed_prompts(loaded, labels, find_template(template, loaded)).embedding
        recording = Recording(loaded, sound.at(loaded.sample_rate))
        embeddings = torch.stack([clip.embedding for clip in recording.clips])
        check_rows(embeddings, len(recording.clips), loaded.card.name, "clips")
        similarity = loaded.audio_spec.pool(embeddings @ text.T)
        scores = torch.softmax((loaded.logit_scale or 1.0) * similarity, dim=0)
        notes = loaded.prompt_notes(labels)
    best = torch.argsort(similarity, descending=True, stable=True)[:most]
    found = Classified(Classification(labels[i], float(scores[i]), float(similarity[i])) for i in best.tolist())
    twice = [f"{label!r} is given {n} times and shares its score" for label, n in Counter(labels).items() if n > 1]
    found.notes = (*sound.notes, *notes, *twice)
    return found


def model_of(model: object, device: Device = "auto", dtype: str | torch.dtype | None = None) -> ZeroShotModel:
    """The model that a name or an object means; a name's is kept for the next call.

    Raises:
        InputError: If it cannot be loaded, or the device is not there or not the object's own.
    """
    if not isinstance(model, str) or not is_kept(model):
        return load_model(model, device=device, dtype=dtype)
    with LOADING:  # threads that come at once share what the first one loads
        loaded = _cached_model(model, find_device(device), find_dtype(dtype))
    check_asked(loaded, device, dtype)
    return loaded


def is_kept(model: object) -> bool:
    """Whether the model is kept for the next call: by name, and from an entry point; what was registered may change."""
    return isinstance(model, str) and not MODELS.is_registered(model)


@lru_cache(maxsize=2)
def _cached_model(name: str, device: str, dtype: torch.dtype | None) -> ZeroShotModel:
    return load_by_name(name, device, dtype)


def explainer_of(explainer: object | None, options: object, model: ZeroShotModel) -> Explainer:
    """The explainer that a name or an object means, with its options.

    Raises:
        InputError: If there is none of that name, an option is wrong, or the model lacks what it needs.
    """
    given = {} if options is None else options
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InputError(f"options are a mapping from names to values, not {type(given).__name__}")
    method = load_explainer(default_explainer(model) if explainer is None else explainer, **given)
    if method.card.needs_gradients and not isinstance(model, SpectralModel):
        raise InputError(
            f"{type(method).__name__} needs gradients and {model.card.name} is a black box: use 'occlusion'"
        )
    weights = (p for root in model.modules() for p in root.parameters())
    if method.card.needs_gradients and any(p.is_inference() for p in weights):
        raise InputError(f"{model.card.name} was made under inference_mode: make it outside of it, or use 'occlusion'")
    return method
