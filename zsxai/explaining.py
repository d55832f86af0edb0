"""From a recording, an explainer and targets to explanations: maps, masks, scores, verdicts, provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from zsxai.arrays import forget
from zsxai.audio import fingerprint
from zsxai.calibration import NOTHING, distribution, to_mask
from zsxai.clip import Clip, encode_all, join_up
from zsxai.devices import device_name
from zsxai.explainer import Explainer
from zsxai.explanation import Explanation, Provenance
from zsxai.metrics.functional import mask_mean
from zsxai.model import SpectralModel
from zsxai.precision import dtype_name
from zsxai.progress import track
from zsxai.recording import Recording, Section, Stitch
from zsxai.scoring import Measured, Part, Scores, join_scores, measure
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


class Work(NamedTuple):
    """A recording that is explained.

    Attributes:
        recording: The recording before its model.
        sound: What was read.
        scratch: Where the maps lie, and what was done before.
    """

    recording: Recording
    sound: Source
    scratch: Scratch


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
    """Explain one recording for some targets: the case of one of :func:`explain_recordings`."""
    works = [Work(recording, sound, scratch or Scratch())]
    return explain_recordings(works, method, bound, how, progress, model=model)[0]


def explain_recordings(
    works: Sequence[Work],
    method: Explainer,
    bound: Sequence[BoundTarget],
    how: Judging,
    progress: bool | None,
    *,
    model: object,
) -> list[list[Explanation]]:
    """Explain recordings for some targets; the model is evaluating already.

    Windows share forwards: those of a section, and of short recordings those of all. A long recording is worked on
    section by section: beside the maps themselves, memory does not grow with it.

    Args:
        works: Recordings before one model, with one batch size, which is halved once where memory runs out.
        method: The explainer.
        bound: The targets.
        how: What is asked beside the map.
        progress: A bar over windows.
        model: The model as it was named.

    Returns:
        For every recording an explanation of each target.
    """
    return works[0].recording.batch.run(lambda _: _explain_all(works, method, bound, how, progress, model))


def _explain_all(
    works: Sequence[Work],
    method: Explainer,
    bound: Sequence[BoundTarget],
    how: Judging,
    progress: bool | None,
    model: object,
) -> list[list[Explanation]]:
    """:func:`explain_recordings`, in batches as they are now."""
    found = _find_relevance(works, method, bound, progress)
    recordings = [work.recording for work in works]
    listener, of_model = _listen(recordings, how, progress), recordings[0].model.rounding
    rounding = [target.rounding(of_model) for target in bound]
    drafts = [
        _draft(work, maps, rounding, method, bound, how, listener) for work, maps in zip(works, found, strict=True)
    ]
    _score(drafts, method, bound, how, progress)
    return [_explain(draft, rounding, method, bound, how, model) for draft in drafts]


@dataclass
class Draft:
    """What is known of a recording on the way, one of each for every target."""

    work: Work
    maps: list[Map]
    presences: list[Presence | None]
    weights: list[tuple[float, ...]]
    calibrations: list[str]
    masks: list[Mask]
    scores: list[Scores]


def _draft(
    work: Work,
    maps: list[Map],
    rounding: Sequence[float],
    method: Explainer,
    bound: Sequence[BoundTarget],
    how: Judging,
    listener: Listener | None,
) -> Draft:
    """Masks, and whether the prompts are heard."""
    presences = _ask(work.recording, bound, listener)
    weights = [_weights(presence, how) for presence in presences]
    calibrations = [_calibration(method, found, least) for found, least in zip(maps, rounding, strict=True)]
    sections = work.recording.sections(len(bound))
    arrays = [work.scratch.array(f"mask-{p}", found.values.shape) for p, found in enumerate(maps)]
    masks = [
        _calibrate(work.recording, sections, found.values, calibration, weight, into)
        for found, calibration, weight, into in zip(maps, calibrations, weights, arrays, strict=True)
    ]
    return Draft(work, maps, presences, weights, calibrations, masks, [])


def _explain(
    draft: Draft,
    rounding: Sequence[float],
    method: Explainer,
    bound: Sequence[BoundTarget],
    how: Judging,
    model: object,
) -> list[Explanation]:
    (recording, sound, _), maps, masks, scores = draft.work, draft.maps, draft.masks, draft.scores
    calibrations, weights, presences = draft.calibrations, draft.weights, draft.presences
    for p, target in enumerate(bound):
        if masks[p].any and _moves_nothing(scores[p], rounding[p]):
            calibrations[p] = NOTHING
            masks[p] = _calibrate(
                recording, recording.sections(len(bound)), maps[p].values, NOTHING, (), masks[p].values
            )
            one = Draft(
                Work(recording, sound, Scratch()), maps[p : p + 1], presences[p : p + 1], [], [], masks[p : p + 1], []
            )
            _score([one], method, [target], how, False)
            scores[p] = one.scores[0]
    halved = [recording.batch.note] if recording.batch.note else []
    notes = (*sound.notes, *method.notes(recording.clips[0]), *halved)
    bank = recording.stft.bank.cpu().numpy() if isinstance(recording.stft, FrontEnd) else None
    shared: dict[str, Any] = {
        "model": model if isinstance(model, str) else recording.model.card.name,
        "model_card": recording.model.card.model_dump(mode="json"),
        "explainer": method.name or type(method).__name__,
        "options": method.model_dump(mode="json"),
        "explainer_weights": method.weights(recording.model),
        "seed": recording.seed,
        "batch_size": recording.batch_size,
        "device": device_name(recording.model.device),
        "dtype": dtype_name(recording.model),
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
            warnings=(*notes, *_warnings(masks[p], maps[p], calibrations[p], target, recording, rounding[p])),
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


class _Relevance:
    """The maps of a recording as its windows come, one after the other.

    Args:
        work: The recording.
        targets: Number of targets.

    Attributes:
        windows: Those that are not done: the number of the section, the section, the window.
    """

    def __init__(self, work: Work, targets: int) -> None:
        self.recording, self._scratch = work.recording, work.scratch
        self._arrays = [self._scratch.array(f"relevance-{p}", self.recording.grid.shape) for p in range(targets)]
        self._seen = np.zeros((2, targets))  # cells that are not finite, and the highest of the others
        self._joined = Stitch(self.recording)
        todo = list(enumerate(self.recording.sections(targets)))
        while todo and (known := self._scratch.kept(f"relevance-{todo[0][0]}")) is not None:
            _, section = todo.pop(0)
            self.recording.know(section.windows, torch.from_numpy(known["embeddings"]))
            self._joined = Stitch(self.recording, section.windows.stop, (known["total"], known["count"]))
            self._seen = known["seen"]
        self.windows = [(k, section, index) for k, section in todo for index in section.windows]

    def add(self, k: int, section: Section, index: int, values: NDArray[Any]) -> None:
        """Take the map ``(P, F, n)`` of a window."""
        self._joined.add(index, values)
        frames, whole = self._joined.take()
        for p, of_target in enumerate(whole):
            self._arrays[p][:, frames] = of_target
            finite = np.isfinite(of_target)
            self._seen[0, p] += of_target.size - finite.sum()
            self._seen[1, p] = max(self._seen[1, p], of_target.max(initial=0.0, where=finite))
        if index < section.windows[-1]:
            return
        forget(self.recording.original, *self._arrays)
        embeddings = torch.stack([self.recording.embedding(i) for i in section.windows]).float().cpu().numpy()
        total, count = self._joined.rest
        self._scratch.keep(f"relevance-{k}", embeddings=embeddings, total=total, count=count, seen=self._seen)

    @property
    def maps(self) -> list[Map]:
        """The maps, once all windows have come."""
        pairs = zip(self._arrays, *self._seen, strict=True)
        return [Map(array, int(broken), float(most)) for array, broken, most in pairs]


class _Window(NamedTuple):
    """A window that is explained."""

    of: _Relevance
    k: int
    section: Section
    number: int
    clip: Clip

    def may_join(self, other: _Window) -> bool:
        """Whether both may share a forward.

        A section of a long recording stands alone: work that goes on then does the same.
        """
        together = self.section is other.section or (self.of.recording.is_short and other.of.recording.is_short)
        return together and self.clip.window_samples == other.clip.window_samples


def _find_relevance(
    works: Sequence[Work], method: Explainer, bound: Sequence[BoundTarget], progress: bool | None
) -> list[list[Map]]:
    found = [_Relevance(work, len(bound)) for work in works]
    todo = [(of, *window) for of in found for window in of.windows]
    windows = (
        _Window(of, k, section, index, of.recording.clips[index])
        for of, k, section, index in track(todo, len(todo), "explaining", progress)
    )
    for some in join_up(windows, works[0].recording.batch_size, _Window.may_join):
        clips = [window.clip for window in some]
        relevances = method.relevances(clips, bound)
        encode_all(clips)
        for (of, k, section, index, clip), relevance in zip(some, relevances, strict=True):
            of.recording.know(range(index, index + 1), clip.embedding[None])
            of.add(k, section, index, clip.place(relevance))
    return [of.maps for of in found]


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
    drafts: Sequence[Draft], method: Explainer, bound: Sequence[BoundTarget], how: Judging, progress: bool | None
) -> None:
    """Score the masks, section by section; short recordings together."""
    measured: dict[int, list[Measured]] = {number: [] for number in range(len(drafts))}
    todo = [
        (number, k, section)
        for number, draft in enumerate(drafts)
        for k, section in enumerate(draft.work.recording.sections(len(bound)))
    ]

    def both_short(one: tuple[int, int, Section], other: tuple[int, int, Section]) -> bool:
        return all(drafts[number].work.recording.is_short for number, *_ in (one, other))

    sections = track(todo, len(todo), "scoring", progress)
    for some in join_up(sections, len(todo), both_short):
        fresh, parts = [], []
        for number, k, section in some:
            draft = drafts[number]
            (recording, _, scratch), values = draft.work, [mask.values for mask in draft.masks]
            known = scratch.kept(f"scores-{k}")
            if known is not None:
                measured[number].append(Measured.of(known, recording.model.device))
                continue
            asked = [p for p in draft.presences if p is not None] if how.verdict == "full" else []
            controls = make_controls(recording, section, method, values, asked) if asked else []
            fresh.append((number, k))
            parts.append(Part(recording, section, values, controls))
        results = measure(parts, bound, rolled=bool(how.verdict)) if parts else []
        for (number, k), part, found in zip(fresh, parts, results, strict=True):
            forget(part.recording.original, *part.masks)
            drafts[number].work.scratch.keep(f"scores-{k}", **found.arrays())
            measured[number].append(found)
    for number, draft in enumerate(drafts):
        draft.scores = join_scores(draft.work.recording, bound, measured[number])


def _listen(recordings: Sequence[Recording], how: Judging, progress: bool | None) -> Listener | None:
    """Who says how prompts are heard, where anything depends on it and the model can."""
    if not (how.verdict or (how.dark_windows and any(len(recording.spans) > 1 for recording in recordings))):
        return None
    listener = Listener(recordings[0].model, how.reference, progress=progress)
    return None if listener.bank is None else listener


def _ask(recording: Recording, bound: Sequence[BoundTarget], listener: Listener | None) -> list[Presence | None]:
    """How each prompt is heard."""
    if listener is None:
        return [None] * len(bound)
    windows = torch.stack([recording.embedding(i) for i in range(len(recording.spans))]).float().cpu().numpy()
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


def _warnings(
    mask: Mask, found: Map, calibration: str, target: BoundTarget, recording: Recording, rounding: float
) -> tuple[str, ...]:
    model = recording.model
    said = list(model.prompt_notes([target.target.prompt, *target.target.others]))
    if found.broken:
        cells = found.values.size
        said.append(f"the relevance of {found.broken} of {cells} cells is not finite: the mask proves nothing")
    elif recording.is_silent():
        said.append(f"all of the recording is under the floor of {model.card.name}: it hears silence")
    elif calibration == NOTHING:
        said.append(f"the mask is empty: nothing changes the score by more than its rounding, {rounding:.0e}")
    elif not mask.any:
        said.append(EMPTY)
    if not isinstance(model, SpectralModel):
        said.append("a black box hears masks as audio only, so score_in and score_heard are the same measurement")
    return tuple(said)
