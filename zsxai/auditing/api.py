"""``zsxai.audit``: explain every recording of a data set for its own label, and look for cues that are none."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zsxai.api import explainer_of, model_of
from zsxai.auditing.annotations import Spans, read_annotations
from zsxai.auditing.audit import Audit, SkippedClip
from zsxai.auditing.profile import BIN, Profile, band_edges, profile_of
from zsxai.auditing.removal import Removal, measure_cues
from zsxai.auditing.tables import Group, cues_of_data, cues_of_model, summarise
from zsxai.checks import whole_number
from zsxai.conditions import evaluating, plain_torch
from zsxai.data.clip import Dataset, LabelledClip
from zsxai.data.naming import open_dataset
from zsxai.devices import Device
from zsxai.errors import InputError
from zsxai.files import as_path
from zsxai.many import explain_many
from zsxai.model import ZeroShotModel
from zsxai.progress import track
from zsxai.prompt import find_template
from zsxai.recording import Recording
from zsxai.target import as_target
from zsxai.versions import versions

PLAYED, PLAYED_SECONDS, PLAYED_RATE = 12, 5.0, 16000
"""Clips that the page plays at most, how much of each, and at which rate: a page stays under 3 MB of sound."""


@plain_torch()
def audit(
    data: str | Path | Dataset,
    *,
    labels: str | Path | None = None,
    outside: str | Path | None = None,
    data_options: Mapping[str, Any] | None = None,
    among: bool = False,
    limit: int | None = None,
    model: object = "tiny",
    explainer: object | None = None,
    options: Mapping[str, Any] | None = None,
    template: str | Iterable[str] | None = None,
    seed: int = 0,
    device: Device = "auto",
    batch_size: int | None = None,
    progress: bool | None = None,
) -> Audit:
    """Find cues that a model may take for a class: where evidence lies, over all recordings of each class.

    Of each recording a few hundred numbers are kept, not its sound. The recordings are read twice: parts of the sound
    that look like cues are removed in a second pass.

    Args:
        data: A folder of class folders, a CSV file with ``path`` and ``label``, ``READER=DIR`` as in ``esc50=DIR``, or
            a data set.
        labels: A CSV file of the labels, where ``data`` is a folder that its ``path`` lies below.
        outside: A CSV file of what is annotated, with ``file``, ``start`` and ``stop`` (seconds), perhaps ``label``.
        data_options: Options of the reader, such as ``{"folds": [1, 2]}``.
        among: Explain the probability among the data set's labels; else the cosine with the label.
        limit: Clips of a class at most, evenly taken.
        model: As :func:`zsxai.explain` takes it, as are those that follow.
        explainer: None takes the first that fits.
        options: Options of the explainer.
        template: Around the labels.
        seed: Of explainers, bootstrap, permutations, and of which other recordings parts are removed from.
        device: As :func:`zsxai.explain` takes it.
        batch_size: Clips per forward.
        progress: Show bars; None shows them on a terminal.

    Raises:
        InputError: If anything about the input is wrong, or no recording can be read; a single file that cannot be
            read is passed over and named in ``skipped``.
    """
    dataset, title = open_dataset(data, labels, data_options or {})
    most = None if limit is None else whole_number(limit, "limit", 1)
    seed = whole_number(seed, "the seed", 0)
    clips = _limited(dataset.clips, most)
    spans = {} if outside is None else read_annotations(as_path(outside), clips)
    loaded = model_of(model, device)
    method = explainer_of(explainer, options, loaded)
    around = find_template(template, loaded)
    every = list(dataset.labels) if among else None
    skipped: list[SkippedClip] = []
    shared: dict[str, Any] = {"model": loaded, "explainer": method, "template": template, "batch_size": batch_size}
    profiles = list(_profiles(clips, spans, skipped, progress, {**shared, "among": every, "seed": seed}))
    if not profiles:
        raise InputError(f"none of the {len(clips)} recordings can be read; the first: {skipped[0].error}")
    named = sorted({p.label for p in profiles})
    groups = [Group(name, [p for p in profiles if p.label == name], seed) for name in named]
    edges = band_edges(_band(loaded))
    cues = [*cues_of_model(groups, edges), *cues_of_data(groups, edges)]
    with evaluating(loaded):
        bound = {name: as_target(name, None, every).bind(loaded, around) for name in named}
        again = [clip for clip in clips if clip.name in {p.name for p in profiles}]
        cues = measure_cues(cues, groups, Removal(loaded, bound, spans, batch_size, progress), again, seed)
    made = Audit(
        title=title,
        classes=tuple(summarise(group, [cue for cue in cues if cue.label == group.label]) for group in groups),
        skipped=tuple(skipped),
        band_edges=tuple(map(float, edges)),
        bin_seconds=BIN,
        unit=next(iter(bound.values())).target.unit,
        model=model if isinstance(model, str) else loaded.card.name,
        weights_sha256=loaded.card.weights_sha256,
        explainer=method.name or type(method).__name__,
        options=method.model_dump(mode="json"),
        template=(around,) if isinstance(around, str) else tuple(around or ()),
        annotations=None if outside is None else as_path(outside).name,
        seed=seed,
        limit=most,
        versions=versions(),
    )
    made._excerpts.update(_excerpts(made, {clip.name: clip for clip in again}))
    return made


def _limited(clips: Sequence[LabelledClip], most: int | None) -> list[LabelledClip]:
    """At most so many of each class, evenly taken."""
    by_label: dict[str, list[LabelledClip]] = defaultdict(list)
    for clip in clips:
        by_label[clip.label].append(clip)
    if most is None:
        return list(clips)
    kept = {clip.name for own in by_label.values() for clip in own[:: max(1, len(own) // most)][:most]}
    return [clip for clip in clips if clip.name in kept]


def _band(model: ZeroShotModel) -> tuple[float, float]:
    """Lowest and highest frequency that it hears."""
    silence = np.zeros(model.sample_rate, dtype=np.float32)
    return Recording(model, silence + np.float32(1e-3)).grid.band


def _profiles(
    clips: Sequence[LabelledClip],
    spans: Mapping[str, Spans],
    skipped: list[SkippedClip],
    progress: bool | None,
    options: dict[str, Any],
) -> Iterator[Profile]:
    by_name = {clip.name: clip for clip in clips}

    def pairs() -> Iterator[tuple[object, str]]:
        # Class by class: recordings that are asked for the same share forwards.
        for clip in track(sorted(clips, key=lambda c: c.label), len(clips), "explaining", progress, lines=True):
            try:
                yield clip.read(), clip.label
            except InputError as error:
                skipped.append(SkippedClip(name=clip.name, error=str(error)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is passed over is a part of what comes back
        made = explain_many(pairs(), on_error="skip", verdict=False, progress=False, **options)
        for explanation in made:
            clip = by_name[explanation.provenance.audio_name]
            yield profile_of(explanation, clip.name, clip.label, clip.source, spans.get(clip.name))
    skipped += [SkippedClip(name=getattr(each.audio, "name", ""), error=str(each.error)) for each in made.skipped]


def _excerpts(made: Audit, clips: Mapping[str, LabelledClip]) -> dict[str, bytes]:
    """A few seconds of the clips that differ most, as WAV."""
    from zsxai.show.parts import excerpt, wav

    every = [outlier for one in made.classes for outlier in one.outliers]
    far = sorted(every, key=lambda outlier: -(outlier.distance or 0.0))[:PLAYED]
    found = {}
    for outlier in far:
        waveform = clips[outlier.name].read().at(PLAYED_RATE)
        found[outlier.name] = wav(waveform, excerpt([waveform], PLAYED_RATE, 0.0, PLAYED_SECONDS))
    return found
