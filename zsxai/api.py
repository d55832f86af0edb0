"""The few lines that join the rooms: ``explain``, ``explain_many``, ``classify``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict, Unpack, overload

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.audio import Sound, fingerprint, read_audio
from zsxai.calibration import to_mask
from zsxai.errors import InputError
from zsxai.explainer import Explainer
from zsxai.explanation import Explanation, Provenance
from zsxai.metrics.functional import mask_mean
from zsxai.model import SpectralModel, ZeroShotModel, evaluating
from zsxai.plugins import default_explainer, load_explainer, load_model
from zsxai.progress import track
from zsxai.recording import Recording
from zsxai.registry import MODELS
from zsxai.scoring import kept_energy, score_masks
from zsxai.spectral import Domain, FrontEnd, Scale
from zsxai.target import BoundTarget, Target, as_target, check_prompt, fill_template
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
    against: Sequence[str]
    among: Sequence[str]
    template: str | None
    domain: Domain
    scale: Scale
    seed: int
    device: str | None
    batch_size: int | None
    progress: bool | None


@overload
def explain(audio: object, prompt: str | Target, **options: Unpack[ExplainOptions]) -> Explanation: ...
@overload
def explain(
    audio: object, prompt: list[str] | Sequence[Target] | list[str | Target], **options: Unpack[ExplainOptions]
) -> list[Explanation]: ...
def explain(
    audio: object,
    prompt: object,
    *,
    sample_rate: int | None = None,
    model: object = "tiny",
    explainer: object | None = None,
    options: Mapping[str, Any] | None = None,
    against: Sequence[str] = (),
    among: Sequence[str] = (),
    template: str | None = None,
    domain: Domain = "stft",
    scale: Scale = "log",
    seed: int = 0,
    device: str | None = None,
    batch_size: int | None = None,
    progress: bool | None = None,
) -> Explanation | list[Explanation]:
    """Explain which sounds in a recording make its score for a prompt.

    Args:
        audio: A path, a binary file object, an array or tensor ``(T,)`` or ``(C, T)`` with ``sample_rate``, or
            Hugging Face's ``{"array", "sampling_rate"}``. Channels are averaged. Recordings longer than the model's
            window go through overlapping windows.
        prompt: What to listen for: a string or a :class:`~zsxai.target.Target`. A list gives a list of explanations,
            the audio side computed once.
        sample_rate: Samples per second of an array.
        model: A name (``"tiny"``, ``"hf:<id or folder>"``) or a model object.
        explainer: A name or an object; None takes the first that fits the model, and records it: the learned
            ``lmac-zs`` where a decoder for the model's weights exists, or else ``gradcam``.
        options: Options of an explainer given by name.
        against: Other prompts; explains the contrast of cosines.
        among: A label set; explains the probability among it.
        template: Such as ``"the sound of {}"``, applied to every prompt.
        domain: Where the mask lies, ``stft`` (linear hertz) or ``mel``.
        scale: How the mask acts: ``log`` (level toward a floor), ``gain`` (magnitude times mask), or ``log1p`` as
            published recipes have it.
        seed: Seed of explainers that draw.
        device: A torch device for a model given by name.
        batch_size: Clips per forward.
        progress: Show a bar; None shows one on a terminal where there is more than one window.

    Returns:
        One :class:`~zsxai.Explanation`, or a list of them.

    Raises:
        InputError: If anything about the input is wrong; one line that says what to do.
    """
    prompts = _prompts(prompt)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"the seed is a whole number, 0 or more, not {seed!r}")
    sound = read_audio(audio, sample_rate)
    loaded = _model(model, device)
    method = _explainer(explainer, options, loaded)
    targets = [as_target(p, against, among) for p in prompts]
    with evaluating(loaded):
        bound = [target.bind(loaded, template) for target in targets]
    recording = Recording(
        loaded, sound.at(loaded.sample_rate), domain=domain, scale=scale, seed=seed, batch_size=batch_size
    )
    made = _explain(recording, method, bound, sound, progress, template=template, seed=seed, model=model)
    return made if _is_list(prompt) else made[0]


def explain_many(
    pairs: Iterable[tuple[object, str | Target]], **options: Unpack[ExplainOptions]
) -> Iterator[Explanation]:
    """Explain many recordings, one at a time, with one model.

    Args:
        pairs: ``(audio, prompt)`` pairs; arrays as ``{"array", "sampling_rate"}`` or with ``sample_rate``.
        **options: As :func:`explain` takes; ``progress`` shows one bar over the pairs.

    Yields:
        What :func:`explain` returns, in order.
    """
    progress = options.get("progress")
    options["progress"] = False
    options["model"] = _model(options.get("model", "tiny"), options.pop("device", None))
    total = len(pairs) if isinstance(pairs, Sequence) else None
    for audio, prompt in track(pairs, total, "explaining", progress):
        yield explain(audio, prompt, **options)


def classify(
    audio: object,
    prompts: Sequence[str],
    *,
    sample_rate: int | None = None,
    model: object = "tiny",
    template: str | None = None,
    top_k: int | None = None,
    device: str | None = None,
) -> list[Classification]:
    """Score a recording against prompts, best first.

    Args:
        audio: As :func:`explain` takes.
        prompts: Two or more for a meaningful score.
        sample_rate: Samples per second of an array.
        model: A name or a model object.
        template: Such as ``"the sound of {}"``.
        top_k: Keep the best k.
        device: A torch device for a model given by name.

    Returns:
        Named tuples ``(label, score, similarity)``. Cosines of several windows are pooled as the model says.

    Raises:
        InputError: If anything about the input is wrong.
    """
    if isinstance(prompts, str) or not len(prompts):
        raise InputError("classify takes a list of prompts, such as ['a dog barking', 'rain']")
    texts = [fill_template(template, check_prompt(p)) for p in prompts]
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k is 1 or more, not {top_k}")
    sound = read_audio(audio, sample_rate)
    loaded = _model(model, device)
    recording = Recording(loaded, sound.at(loaded.sample_rate))
    with evaluating(loaded), torch.no_grad():
        text = loaded.embed_text(texts)
        embeddings = torch.stack([clip.embedding for clip in recording.clips])
        similarity = loaded.audio_spec.pool(embeddings @ text.T)
        scores = torch.softmax((loaded.logit_scale or 1.0) * similarity, dim=0)
    best = torch.argsort(similarity, descending=True, stable=True)[:top_k]
    return [Classification(str(prompts[i]), float(scores[i]), float(similarity[i])) for i in best.tolist()]


def _is_list(prompt: object) -> bool:
    return isinstance(prompt, Sequence) and not isinstance(prompt, (str, bytes))


def _prompts(prompt: object) -> list[object]:
    if not _is_list(prompt):
        return [prompt if isinstance(prompt, Target) else check_prompt(prompt)]
    prompts = list(prompt)  # type: ignore[call-overload]
    if not prompts:
        raise InputError("the list of prompts is empty: say what to listen for")
    return [p if isinstance(p, Target) else check_prompt(p) for p in prompts]


def _model(model: object, device: str | None) -> ZeroShotModel:
    if not isinstance(model, str):
        return load_model(model)
    # What this process registered may be replaced, so only models that come from entry points are kept.
    return load_model(model, device=device) if MODELS.is_registered(model) else _cached_model(model, device)


@lru_cache(maxsize=2)
def _cached_model(name: str, device: str | None) -> ZeroShotModel:
    return load_model(name, device=device)


def _explainer(explainer: object | None, options: Mapping[str, Any] | None, model: ZeroShotModel) -> Explainer:
    method = load_explainer(default_explainer(model) if explainer is None else explainer, **(options or {}))
    if method.card.needs_gradients and not isinstance(model, SpectralModel):
        raise InputError(
            f"{type(method).__name__} needs gradients and {model.card.name} is a black box: use 'occlusion'"
        )
    return method


def _explain(
    recording: Recording,
    method: Explainer,
    bound: Sequence[BoundTarget],
    sound: Sound,
    progress: bool | None,
    *,
    template: str | None,
    seed: int,
    model: object,
) -> list[Explanation]:
    grid = recording.grid

    def maps() -> Iterator[NDArray[Any]]:
        for index, clip in enumerate(track(recording.clips, len(recording.clips), "explaining", progress)):
            yield clip.place(method.relevance(clip, bound))
            recording.embedding(index)  # now, while the clip knows its encoding: scores take it up

    with evaluating(recording.model):
        relevance = recording.stitch(maps())
        masks = np.stack([to_mask(r, grid.in_band, method.calibration) for r in relevance])
        tensor = torch.from_numpy(masks).to(recording.model.device)
        scores = score_masks(recording, tensor, bound)
        energies = np.nan_to_num(kept_energy(recording, tensor))  # nothing is kept of a silent band
        notes = method.notes(recording.clips[0])
    means = mask_mean(masks, grid.in_band)
    original = recording.waveform.cpu().numpy()
    bank = recording.stft.bank.cpu().numpy() if isinstance(recording.stft, FrontEnd) else None
    made = []
    for p, target in enumerate(bound):
        provenance = Provenance(
            model=model if isinstance(model, str) else recording.model.card.name,
            model_card=recording.model.card.model_dump(),
            explainer=method.name or type(method).__name__,
            options=method.model_dump(mode="json"),
            explainer_weights=method.weights(recording.model),
            calibration=method.calibration,
            template=template,
            seed=seed,
            batch_size=recording.batch_size,
            pooling=recording.model.audio_spec.pooling,
            audio_name=sound.name,
            audio_sha256=fingerprint(original),
            relevance_sha256=fingerprint(relevance[p]),
            audio_sample_rate=sound.sample_rate,
            audio_channels=sound.channels,
            versions=versions(),
            warnings=(*notes, *_warnings(masks[p], relevance[p], recording)),
        )
        made.append(
            Explanation(
                target=target.target,
                **scores[p].whole,
                mask_mean=float(means[p]),
                kept_energy=float(energies[p]),
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


def _warnings(mask: NDArray[Any], relevance: NDArray[Any], recording: Recording) -> tuple[str, ...]:
    found = []
    broken = int(relevance.size - np.isfinite(relevance).sum())
    if broken:
        found.append(f"the relevance of {broken} of {relevance.size} cells is not finite: the mask proves nothing")
    elif not mask.any():
        found.append("the mask is empty: the explainer found nothing that raises the score")
    if not isinstance(recording.model, SpectralModel):
        found.append("a black box hears masks as audio only, so score_in and score_heard are the same measurement")
    return tuple(found)
