"""The few lines that join the rooms: ``explain`` and ``classify``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict, Unpack, overload

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.audio import Sound, fingerprint, read_audio
from zsxai.calibration import NOTHING, to_mask
from zsxai.checks import take_list, whole_number
from zsxai.conditions import evaluating, plain_torch
from zsxai.devices import find_device, is_same_device
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.explanation import Explanation, Provenance
from zsxai.explanations import ExplanationList
from zsxai.metrics.functional import mask_mean
from zsxai.model import SpectralModel, ZeroShotModel, check_rows
from zsxai.plugins import LOADING, default_explainer, load_explainer, load_model
from zsxai.progress import track
from zsxai.prompt import check_prompts, embed_prompts, find_template
from zsxai.recording import Recording
from zsxai.registry import MODELS
from zsxai.scoring import Scores, score_masks
from zsxai.spectral import Domain, FrontEnd, Scale
from zsxai.target import BoundTarget, Target, as_target
from zsxai.versions import versions


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
    device: str | int | torch.device | None
    batch_size: int | None
    progress: bool | None


@overload
def explain(audio: object, prompt: str | Target, **options: Unpack[ExplainOptions]) -> Explanation: ...
@overload
def explain(
    audio: object, prompt: list[str] | Sequence[Target] | list[str | Target], **options: Unpack[ExplainOptions]
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
    device: str | int | torch.device | None = None,
    batch_size: int | None = None,
    progress: bool | None = None,
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
        device: A torch device for a model given by name.
        batch_size: Clips per forward.
        progress: Show a bar; None shows one on a terminal where there is more than one window.

    Returns:
        One :class:`~zsxai.Explanation`, or a list of them, which a notebook shows as a grid.

    Raises:
        InputError: If anything about the input is wrong; one line that says what to do.
    """
    # Once, for all prompts: what is given may be a generator.
    contrasts = None if against is None else take_list(against, "against")
    labels = None if among is None else take_list(among, "among")
    single = isinstance(prompt, (str, bytes, Target)) or not isinstance(prompt, Iterable)
    prompts = [prompt] if single else take_list(prompt, "prompts")
    if not prompts:
        raise InputError("the list of prompts is empty: say what to listen for")
    targets = [as_target(p, contrasts, labels) for p in prompts]
    seed = whole_number(seed, "the seed", 0)
    sound = read_audio(audio, sample_rate)
    loaded = model_of(model, device)
    method = explainer_of(explainer, options, loaded)
    with evaluating(loaded):
        around = find_template(template, loaded)
        bound = [target.bind(loaded, around) for target in targets]
        recording = Recording(
            loaded, sound.at(loaded.sample_rate), domain=domain, scale=scale, seed=seed, batch_size=batch_size
        )
        made = _explain(recording, method, bound, sound, progress, seed=seed, model=model)
    return made[0] if single else ExplanationList(made)


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
    device: str | int | torch.device | None = None,
) -> Classified:
    """Score a recording against prompts, best first.

    Args:
        audio: As :func:`explain` takes.
        prompts: Two or more for a meaningful score.
        sample_rate: Samples per second of an array.
        model: A name or a model object.
        template: As :func:`explain` takes.
        top_k: Keep the best k.
        device: A torch device for a model given by name.

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
    loaded = model_of(model, device)
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


def model_of(model: object, device: object) -> ZeroShotModel:
    """The model that a name or an object means; a name's is kept for the next call.

    Raises:
        InputError: If it cannot be loaded, or the device is not there or not the object's own.
    """
    where = find_device(device)
    if not isinstance(model, str):
        loaded = load_model(model)
        if where is not None and not is_same_device(where, loaded.device):
            raise InputError(f"{loaded.card.name} is an object on {loaded.device}: move it there, or leave device out")
        return loaded
    if not is_kept(model):
        return load_model(model, device=where)
    with LOADING:  # threads that come at once share what the first one loads
        return _cached_model(model, where)


def is_kept(model: object) -> bool:
    """Whether the model is kept for the next call: by name, and from an entry point; what was registered may change."""
    return isinstance(model, str) and not MODELS.is_registered(model)


@lru_cache(maxsize=2)
def _cached_model(name: str, device: str | None) -> ZeroShotModel:
    return load_model(name, device=device)


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


def _explain(
    recording: Recording,
    method: Explainer,
    bound: Sequence[BoundTarget],
    sound: Sound,
    progress: bool | None,
    *,
    seed: int,
    model: object,
) -> list[Explanation]:
    grid = recording.grid

    def maps() -> Iterator[NDArray[Any]]:
        for index, clip in enumerate(track(recording.clips, len(recording.clips), "explaining", progress)):
            yield clip.place(method.relevance(clip, bound))
            recording.embedding(index)  # now, while the clip knows its encoding: scores take it up

    relevance = recording.stitch(maps())
    rounding = [target.rounding(recording.model.rounding) for target in bound]
    calibrations = [_calibration(method, r, least) for r, least in zip(relevance, rounding, strict=True)]
    masks = np.stack([to_mask(r, grid.in_band, c) for r, c in zip(relevance, calibrations, strict=True)])
    scores = _scored(recording, masks, bound)
    for p, target in enumerate(bound):
        if masks[p].any() and _moves_nothing(scores[p], rounding[p]):
            masks[p], calibrations[p] = 0.0, NOTHING
            scores[p] = _scored(recording, masks[p : p + 1], [target])[0]
    notes = (*sound.notes, *method.notes(recording.clips[0]))
    means = mask_mean(masks, grid.in_band)
    original = recording.waveform.cpu().numpy()
    bank = recording.stft.bank.cpu().numpy() if isinstance(recording.stft, FrontEnd) else None
    shared: dict[str, Any] = {
        "model": model if isinstance(model, str) else recording.model.card.name,
        "model_card": recording.model.card.model_dump(),
        "explainer": method.name or type(method).__name__,
        "options": method.model_dump(mode="json"),
        "explainer_weights": method.weights(recording.model),
        "seed": seed,
        "batch_size": recording.batch_size,
        "pooling": recording.model.audio_spec.pooling,
        "audio_name": sound.name,
        "audio_sha256": fingerprint(original),
        "audio_sample_rate": sound.sample_rate,
        "audio_channels": sound.channels,
        "versions": versions(),
    }
    made = []
    for p, target in enumerate(bound):
        provenance = Provenance(
            **shared,
            calibration=calibrations[p],
            template=target.template,
            relevance_sha256=fingerprint(relevance[p]),
            warnings=(*notes, *_warnings(masks[p], relevance[p], calibrations[p], target, recording)),
        )
        made.append(
            Explanation(
                target=target.target,
                **scores[p].whole,
                mask_mean=float(means[p]),
                kept_energy=scores[p].kept_energy,
                masking=recording.masking,
                windows=scores[p].windows,
                front_end=recording.stft.stft_spec,
                sample_rate=recording.model.sample_rate,
                provenance=provenance,
                mask=masks[p],
                relevance=relevance[p],
                original=original,
                bank=bank,
            )
        )
    return made


def _scored(recording: Recording, masks: NDArray[Any], bound: Sequence[BoundTarget]) -> list[Scores]:
    return score_masks(recording, torch.from_numpy(masks).to(recording.model.device), bound)


def _calibration(method: Explainer, relevance: NDArray[Any], rounding: float) -> str:
    """The explainer's own, or none where no score changed by more than rounding, or where it gave no numbers."""
    if not np.isfinite(relevance).all():
        return NOTHING
    most = float(relevance.max(initial=0.0))
    return NOTHING if method.card.relevance_is_score and 0.0 < most < rounding else method.calibration


def _moves_nothing(scores: Scores, rounding: float) -> bool:
    """Whether neither keeping what a mask marks nor removing it changes the score: it marks rounding, if anything."""
    return all(abs(scores.whole[name] - scores.whole["score"]) < rounding for name in ("score_in", "score_out"))


def _warnings(
    mask: NDArray[Any], relevance: NDArray[Any], calibration: str, target: BoundTarget, recording: Recording
) -> tuple[str, ...]:
    model = recording.model
    found = list(model.prompt_notes([target.target.prompt, *target.target.others]))
    broken = int(relevance.size - np.isfinite(relevance).sum())
    if broken:
        found.append(f"the relevance of {broken} of {relevance.size} cells is not finite: the mask proves nothing")
    elif recording.is_silent():
        found.append(f"all of the recording is under the floor of {model.card.name}: it hears silence")
    elif calibration == NOTHING:
        rounding = target.rounding(model.rounding)
        found.append(f"the mask is empty: nothing changes the score by more than its rounding, {rounding:.0e}")
    elif not mask.any():
        found.append("the mask is empty: the explainer found nothing that raises the score")
    if not isinstance(model, SpectralModel):
        found.append("a black box hears masks as audio only, so score_in and score_heard are the same measurement")
    return tuple(found)
