"""From a recording, an explainer and targets to explanations: maps, masks, scores, verdicts, provenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.arrays import forget
from zsxai.audio import fingerprint
from zsxai.calibration import NOTHING, distribution, to_mask
from zsxai.explainer import Explainer
from zsxai.explanation import Explanation, Provenance
from zsxai.metrics.functional import mask_mean
from zsxai.model import SpectralModel
from zsxai.progress import track
from zsxai.recording import Recording, Section, Stitch
from zsxai.scoring import Measured, Scores, join_scores, measure
from zsxai.scratch import Scratch
from zsxai.spectral import FrontEnd
from zsxai.target import BoundTarget
from zsxai.verdict.controls import CONTROLS, make_controls
from zsxai.verdict.judge import EMPTY, find_location, judge
from zsxai.verdict.presence import Listener, Presence
from zsxai.verdict.reference import Reference
from zsxai.verdict.verdict import Verdict
from zsxai.versions import versions

OWN_PROMPTS = "this model cannot embed other prompts, so nothing says how it hears other sounds"


class Judging(NamedTuple):
    """What is asked beside the map.

    Attributes:
        verdict: Whether to judge it; ``"full"`` with more controls.
        dark_windows: Whether windows that do not hear the prompt stay dark where others do.
        reference: Reference figures of the model; its own where None.
    """

    verdict: bool | Literal["full"] = True
    dark_windows: bool = True
    reference: Reference | None = None


def explain_recording(
    recording: Recording,
    method: Explainer,
    bound: Sequence[BoundTarget],
    sound: Source,
    how: Judging,
    progress: bool | None,
    *,
    model: object,
    scratch: Scratch | None = None,
) -> list[Explanation]:
    """Explain one recording for some targets; the model is evaluating already.

    A long recording is worked on section by section: beside the maps themselves, memory does not grow with it.

    Args:
        recording: The recording before its model.
        method: The explainer.
        bound: The targets.
        sound: What was read.
        how: What is asked beside the map.
        progress: A bar over windows.
        model: The model as it was named.
        scratch: Where the maps lie, and what was done before; in memory where None.
    """
    scratch = scratch or Scratch()
    sections = recording.sections(len(bound))
    maps = _find_relevance(recording, sections, method, bound, scratch, progress)
    presences = _ask(recording, bound, how, progress)
    weights = [_weights(presence, how) for presence in presences]
    rounding = [target.rounding(recording.model.rounding) for target in bound]
    calibrations = [_calibration(method, found, least) for found, least in zip(maps, rounding, strict=True)]
    masks = [
        _calibrate(
            recording, sections, found.values, calibration, weight, scratch.array(f"mask-{p}", found.values.shape)
        )
        for p, (found, calibration, weight) in enumerate(zip(maps, calibrations, weights, strict=True))
    ]
    scores = _score(recording, sections, method, masks, bound, presences, how, scratch, progress)
    for p, target in enumerate(bound):
        if masks[p].any and _moves_nothing(scores[p], rounding[p]):
            calibrations[p] = NOTHING
            masks[p] = _calibrate(recording, sections, maps[p].values, NOTHING, (), masks[p].values)
            one = slice(p, p + 1)
            scores[p] = _score(
                recording, sections, method, masks[one], [target], presences[one], how, Scratch(), progress
            )[0]
    notes = (*sound.notes, *method.notes(recording.clips[0]))
    bank = recording.stft.bank.cpu().numpy() if isinstance(recording.stft, FrontEnd) else None
    shared: dict[str, Any] = {
        "model": model if isinstance(model, str) else recording.model.card.name,
        "model_card": recording.model.card.model_dump(mode="json"),
        "explainer": method.name or type(method).__name__,
        "options": method.model_dump(mode="json"),
        "explainer_weights": method.weights(recording.model),
        "seed": recording.seed,
        "batch_size": recording.batch_size,
        "pooling": recording.audio_spec.pooling,
        "audio_name": sound.name,
        "audio_sha256": fingerprint(recording.original),
        "audio_sample_rate": sound.sample_rate,
        "audio_channels": sound.channels,
        "versions": versions(),
    }
    made = []
    for p, target in enumerate(bound):
        provenance = Provenance(
            **shared,
            calibration=calibrations[p],
            window_weights=weights[p],
            template=target.template,
            relevance_sha256=fingerprint(maps[p].values),
            warnings=(*notes, *_warnings(masks[p], maps[p], calibrations[p], target, recording)),
        )
        made.append(
            Explanation(
                target=target.target,
                **scores[p].whole,
                mask_mean=masks[p].mean,
                kept_energy=scores[p].kept_energy,
                masking=recording.masking,
                windows=scores[p].windows,
                front_end=recording.stft.stft_spec,
                sample_rate=recording.model.sample_rate,
                provenance=provenance,
                verdict=_verdict(recording, presences[p], scores[p], masks[p], maps[p], how),
                mask=masks[p].values,
                relevance=maps[p].values,
                original=recording.original,
                bank=bank,
            )
        )
    return made


class Source(Protocol):
    """What was read: a sound, or a stream of one."""

    @property
    def name(self) -> str:
        """File name, or what stands for one."""

    @property
    def sample_rate(self) -> int:
        """Samples per second as given."""

    @property
    def channels(self) -> int:
        """Channels as given."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know about it."""


class Map(NamedTuple):
    """Relevance of a recording for one target, and what was seen of it on the way.

    Attributes:
        values: ``(F, N)`` float32.
        broken: Number of cells that are not finite.
        most: The highest of the others; 0 where none is above it.
    """

    values: NDArray[np.float32]
    broken: int
    most: float


class Mask(NamedTuple):
    """A mask of a recording, and what was seen of it on the way.

    Attributes:
        values: ``(F, N)`` float32.
        mean: Over the rows that the model hears.
        any: Whether it keeps anything.
    """

    values: NDArray[np.float32]
    mean: float
    any: bool


def _find_relevance(
    recording: Recording,
    sections: Sequence[Section],
    method: Explainer,
    bound: Sequence[BoundTarget],
    scratch: Scratch,
    progress: bool | None,
) -> list[Map]:
    arrays = [scratch.array(f"relevance-{p}", recording.grid.shape) for p in range(len(bound))]
    seen = np.zeros((2, len(bound)))  # cells that are not finite, and the highest of the others
    joined = Stitch(recording)
    todo = list(enumerate(sections))
    while todo and (known := scratch.kept(f"relevance-{todo[0][0]}")) is not None:
        _, section = todo.pop(0)
        recording.know(section.windows, torch.from_numpy(known["embeddings"]))
        joined = Stitch(recording, section.windows.stop, (known["total"], known["count"]))
        seen = known["seen"]
    windows = [(k, section, index) for k, section in todo for index in section.windows]
    for k, section, index in track(windows, len(windows), "explaining", progress):
        clip = recording.clips[index]
        joined.add(index, clip.place(method.relevance(clip, bound)))
        recording.embedding(index)  # now, while the clip knows its encoding: scores take it up
        frames, whole = joined.take()
        for p, values in enumerate(whole):
            arrays[p][:, frames] = values
            finite = np.isfinite(values)
            seen[0, p] += values.size - finite.sum()
            seen[1, p] = max(seen[1, p], values.max(initial=0.0, where=finite))
        if index < section.windows[-1]:
            continue
        forget(recording.original, *arrays)
        embeddings = torch.stack([recording.embedding(i) for i in section.windows]).float().cpu().numpy()
        total, count = joined.rest
        scratch.keep(f"relevance-{k}", embeddings=embeddings, total=total, count=count, seen=seen)
    return [Map(array, int(broken), float(most)) for array, broken, most in zip(arrays, *seen, strict=True)]


def _calibrate(
    recording: Recording,
    sections: Sequence[Section],
    relevance: NDArray[Any],
    calibration: str,
    weights: Sequence[float],
    into: NDArray[np.float32],
) -> Mask:
    """The mask of one target, section by section."""
    in_band, parts = recording.grid.in_band, [section.frames for section in sections]
    weight = recording.over_frames(weights) if weights else None
    whole = distribution(relevance, parts, in_band, calibration, weight)
    means, found = [], False
    for part in parts:
        mask = to_mask(relevance[:, part], in_band, calibration, None if weight is None else weight[part], whole)
        means.append(float(mask_mean(mask[None], in_band)[0]))
        found = found or bool(mask.any())
        into[:, part] = mask
        forget(relevance, into)
    sizes = [part.stop - part.start for part in parts]
    mean = means[0] if len(means) == 1 else float(np.average(means, weights=sizes))
    return Mask(into, mean, found)


def _score(
    recording: Recording,
    sections: Sequence[Section],
    method: Explainer,
    masks: Sequence[Mask],
    bound: Sequence[BoundTarget],
    presences: Sequence[Presence | None],
    how: Judging,
    scratch: Scratch,
    progress: bool | None,
) -> list[Scores]:
    asked = [presence for presence in presences if presence is not None] if how.verdict == "full" else []
    values, measured = [mask.values for mask in masks], []
    for k, section in enumerate(track(sections, len(sections), "scoring", progress)):
        known = scratch.kept(f"scores-{k}")
        if known is None:
            controls = make_controls(recording, section, method, values, asked) if asked else []
            found = measure(recording, section, values, bound, rolled=bool(how.verdict), controls=controls)
            forget(recording.original, *values)
            scratch.keep(f"scores-{k}", **found.arrays())
        else:
            found = Measured.of(known, recording.model.device)
        measured.append(found)
    return join_scores(recording, bound, measured)


def _ask(
    recording: Recording, bound: Sequence[BoundTarget], how: Judging, progress: bool | None
) -> list[Presence | None]:
    """How each prompt is heard, where anything depends on it."""
    count = len(recording.spans)
    if not (how.verdict or (how.dark_windows and count > 1)):
        return [None] * len(bound)
    listener = Listener(recording.model, how.reference, progress=progress)
    if listener.bank is None:
        return [None] * len(bound)
    windows = torch.stack([recording.embedding(i) for i in range(count)]).float().cpu().numpy()
    prompts = (target.text[0].detach().float().cpu().numpy() for target in bound)
    return [listener.ask(windows, prompt, recording.side_by_side) for prompt in prompts]


def _weights(presence: Presence | None, how: Judging) -> tuple[float, ...]:
    """How much each window counts; empty where all count alike."""
    return presence.weights() if presence is not None and how.dark_windows else ()


def _verdict(
    recording: Recording, presence: Presence | None, scores: Scores, mask: Mask, found: Map, how: Judging
) -> Verdict | None:
    if not how.verdict:
        return None
    if presence is None:
        return Verdict(level="cannot say", reasons=(OWN_PROMPTS,))
    nothing = ""
    if found.broken:
        nothing = "the relevance is not finite, so the map means nothing"
    elif recording.is_silent():
        nothing = "all of the recording is under the floor of the model: it hears silence"
    location = find_location(scores, presence.best, CONTROLS if how.verdict == "full" else ()) if mask.any else None
    return judge(presence, scores, location, mask_mean=mask.mean, nothing=nothing)


def _calibration(method: Explainer, found: Map, rounding: float) -> str:
    """The explainer's own, or none where no score changed by more than rounding, or where it gave no numbers."""
    if found.broken:
        return NOTHING
    return NOTHING if method.card.relevance_is_score and 0.0 < found.most < rounding else method.calibration


def _moves_nothing(scores: Scores, rounding: float) -> bool:
    """Whether neither keeping what a mask marks nor removing it changes the score: it marks rounding, if anything."""
    return all(abs(scores.whole[name] - scores.whole["score"]) < rounding for name in ("score_in", "score_out"))


def _warnings(mask: Mask, found: Map, calibration: str, target: BoundTarget, recording: Recording) -> tuple[str, ...]:
    model = recording.model
    said = list(model.prompt_notes([target.target.prompt, *target.target.others]))
    if found.broken:
        cells = found.values.size
        said.append(f"the relevance of {found.broken} of {cells} cells is not finite: the mask proves nothing")
    elif recording.is_silent():
        said.append(f"all of the recording is under the floor of {model.card.name}: it hears silence")
    elif calibration == NOTHING:
        rounding = target.rounding(model.rounding)
        said.append(f"the mask is empty: nothing changes the score by more than its rounding, {rounding:.0e}")
    elif not mask.any:
        said.append(EMPTY)
    if not isinstance(model, SpectralModel):
        said.append("a black box hears masks as audio only, so score_in and score_heard are the same measurement")
    return tuple(said)
