"""From a recording, an explainer and targets to explanations: maps, masks, scores, verdicts, provenance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.audio import Sound, fingerprint
from zsxai.calibration import NOTHING, to_mask
from zsxai.explainer import Explainer
from zsxai.explanation import Explanation, Provenance
from zsxai.metrics.functional import mask_mean
from zsxai.model import SpectralModel
from zsxai.progress import track
from zsxai.recording import Recording
from zsxai.scoring import Scores, score_masks
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
    sound: Sound,
    how: Judging,
    progress: bool | None,
    *,
    model: object,
) -> list[Explanation]:
    """Explain one recording for some targets; the model is evaluating already.

    Args:
        recording: The recording before its model.
        method: The explainer.
        bound: The targets.
        sound: What was read.
        how: What is asked beside the map.
        progress: A bar over windows.
        model: The model as it was named.
    """
    grid = recording.grid

    def maps() -> Iterator[NDArray[Any]]:
        for index, clip in enumerate(track(recording.clips, len(recording.clips), "explaining", progress)):
            yield clip.place(method.relevance(clip, bound))
            recording.embedding(index)  # now, while the clip knows its encoding: scores take it up

    relevance = recording.stitch(maps())
    presences = _ask(recording, bound, how, progress)
    weights = [_weights(presence, how) for presence in presences]
    rounding = [target.rounding(recording.model.rounding) for target in bound]
    calibrations = [_calibration(method, r, least) for r, least in zip(relevance, rounding, strict=True)]
    frames = [recording.over_frames(w) if w else None for w in weights]
    given = zip(relevance, calibrations, frames, strict=True)
    masks = np.stack([to_mask(r, grid.in_band, calibration, weight) for r, calibration, weight in given])
    asked = [presence for presence in presences if presence is not None]
    controls = make_controls(recording, method, masks, asked) if how.verdict == "full" and asked else []
    scores = _scored(recording, masks, bound, how, controls)
    for p, target in enumerate(bound):
        if masks[p].any() and _moves_nothing(scores[p], rounding[p]):
            masks[p], calibrations[p] = 0.0, NOTHING
            scores[p] = _scored(recording, masks[p : p + 1], [target], how, [c[p : p + 1] for c in controls])[0]
    notes = (*sound.notes, *method.notes(recording.clips[0]))
    means = mask_mean(masks, grid.in_band)
    original = recording.waveform.cpu().numpy()
    bank = recording.stft.bank.cpu().numpy() if isinstance(recording.stft, FrontEnd) else None
    shared: dict[str, Any] = {
        "model": model if isinstance(model, str) else recording.model.card.name,
        "model_card": recording.model.card.model_dump(mode="json"),
        "explainer": method.name or type(method).__name__,
        "options": method.model_dump(mode="json"),
        "explainer_weights": method.weights(recording.model),
        "seed": recording.seed,
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
            window_weights=weights[p],
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
                verdict=_verdict(recording, presences[p], scores[p], masks[p], relevance[p], how),
                mask=masks[p],
                relevance=relevance[p],
                original=original,
                bank=bank,
            )
        )
    return made


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
    recording: Recording,
    presence: Presence | None,
    scores: Scores,
    mask: NDArray[Any],
    relevance: NDArray[Any],
    how: Judging,
) -> Verdict | None:
    if not how.verdict:
        return None
    if presence is None:
        return Verdict(level="cannot say", reasons=(OWN_PROMPTS,))
    nothing = ""
    if not np.isfinite(relevance).all():
        nothing = "the relevance is not finite, so the map means nothing"
    elif recording.is_silent():
        nothing = "all of the recording is under the floor of the model: it hears silence"
    location = find_location(scores, presence.best, CONTROLS if how.verdict == "full" else ()) if mask.any() else None
    mean = float(mask_mean(mask[None], recording.grid.in_band)[0])
    return judge(presence, scores, location, mask_mean=mean, nothing=nothing)


def _scored(
    recording: Recording,
    masks: NDArray[Any],
    bound: Sequence[BoundTarget],
    how: Judging,
    controls: Sequence[NDArray[Any]],
) -> list[Scores]:
    of_model, *others = (torch.from_numpy(m).to(recording.model.device) for m in (masks, *controls))
    return score_masks(recording, of_model, bound, rolled=bool(how.verdict), controls=others)


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
        found.append(EMPTY)
    if not isinstance(model, SpectralModel):
        found.append("a black box hears masks as audio only, so score_in and score_heard are the same measurement")
    return tuple(found)
