"""``compare``: several explainers, and models, on the prompts of one recording."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple

import torch

from zsxai.api import classify, explain, is_kept, model_of
from zsxai.audio import Sound, read_audio
from zsxai.checks import take_list, whole_number
from zsxai.comparison.agreement import Agreement, agree, common_grid, rastered
from zsxai.comparison.comparison import Best, Cell, Comparison, Cost, Wordings
from zsxai.comparison.wordings import TEMPLATES, Paraphrases, check_wordings, measure_wordings
from zsxai.conditions import evaluating
from zsxai.counting import counted
from zsxai.devices import Device
from zsxai.errors import InputError, first_line
from zsxai.explanation import Explanation
from zsxai.model import ZeroShotModel
from zsxai.plugins import PREFERRED_EXPLAINERS, load_explainer
from zsxai.progress import track
from zsxai.registry import EXPLAINERS
from zsxai.spectral import Domain, Scale
from zsxai.target import Target, as_target
from zsxai.versions import versions

CONTROLS = ("rolled", "random")
"""Controls that every comparison has: the first explainer's map in the wrong place, and chance."""
TOP = 3
"""Best labels of a label set that are compared, where it is not said."""


class Subject(NamedTuple):
    """A model: loaded, as ``explain`` takes it (by its name where that is kept, for provenance), and named."""

    model: ZeroShotModel
    given: object
    name: str


class Row(NamedTuple):
    """An explainer: as ``explain`` takes it, and named."""

    given: object
    name: str
    control: bool


class Done(NamedTuple):
    """What an explainer gave for a model: explanations of all prompts with their cost, or an error."""

    subject: Subject
    row: Row
    explanations: Sequence[Explanation] = ()
    cost: Cost | None = None
    error: Exception | None = None


def compare(
    audio: object,
    prompts: str | Iterable[str | Target] = (),
    explainers: Iterable[object] | None = None,
    models: object = ("tiny",),
    *,
    sample_rate: int | None = None,
    labels: Iterable[str] | None = None,
    top: int | None = None,
    paraphrases: Paraphrases = None,
    controls: bool = True,
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
    verdict: bool | Literal["full"] = True,
    dark_windows: bool = True,
) -> Comparison:
    """Explain a recording by several explainers, for several prompts, with several models, and compare the maps.

    Args:
        audio: As :func:`zsxai.explain` takes it.
        prompts: What to listen for: one prompt or several. May be left out where ``labels`` are given.
        explainers: Names or objects; None takes ``lmac-zs``, ``gradcam`` and ``occlusion``, where they fit all models.
        models: A name or an object, or several.
        sample_rate: Samples per second of an array.
        labels: A label set: the recording is classified first, by the first model, and the best labels become prompts.
        top: How many of them; 3 where None.
        paraphrases: Other wordings of the one prompt, or a mapping from prompts to wordings, or ``"templates"`` for
            every prompt in the sentences of the template ``ensemble``: explained by the first explainer and model.
        controls: Add ``rolled`` (the first explainer's map in the wrong place) and ``random``.
        against: As :func:`zsxai.explain` takes it, like what follows.
        among: A label set for probabilities.
        template: Around every prompt.
        domain: Where the mask lies.
        scale: How the mask acts.
        seed: Seed of explainers that draw.
        device: A torch device for models given by name; ``auto`` takes a GPU where there is one.
        dtype: As :func:`zsxai.explain` takes it.
        batch_size: Clips per forward.
        progress: Show a bar; None shows one on a terminal.
        verdict: As :func:`zsxai.explain` takes it, like what follows.
        dark_windows: Whether windows that do not hear a prompt stay dark where others do.

    Returns:
        A :class:`~zsxai.Comparison`. An explainer that fails on a model leaves cells that say why.

    Raises:
        InputError: If anything about the input is wrong, or nothing could be explained.
    """
    contrasts = None if against is None else take_list(against, "against")
    others = None if among is None else take_list(among, "among")
    around = template if template is None or isinstance(template, str) else take_list(template, "template")
    sound = read_audio(audio, sample_rate)
    subjects = _subjects(models, device, dtype)
    best, count = _find_best(sound, labels, top, subjects[0].model, around)
    targets = _targets(prompts, best, contrasts, others)
    wanted = check_wordings(paraphrases, [target.prompt for target in targets], bare=around is not None)
    rows = _rows(explainers, [subject.model for subject in subjects], controls=controls)
    shared: dict[str, Any] = {"domain": domain, "scale": scale, "seed": seed, "batch_size": batch_size}
    shared |= {"verdict": verdict, "dark_windows": dark_windows, "progress": False, "device": device, "dtype": dtype}

    jobs = [(subject, row) for subject in subjects for row in rows]
    done = [
        _explain(subject, row, sound, targets, {**shared, "template": around})
        for subject, row in track(jobs, len(jobs), "comparing", progress)
    ]
    errors = [d.error for d in done if d.error is not None]
    if len(errors) == len(done):
        raise errors[0]
    own = min((d for d in done if d.error is None), key=lambda d: d.row.control)
    texts_around = None if paraphrases == TEMPLATES else around
    wordings = [
        _reword(own, own.explanations[index], wanted[target.prompt], sound, {**shared, "template": texts_around})
        for index, target in enumerate(targets)
        if target.prompt in wanted
    ]
    cells = _cells(done, targets, several=len(subjects) > 1)
    return Comparison(
        audio_name=sound.name,
        seconds=own.explanations[0].seconds,
        prompts=tuple(target.prompt for target in targets),
        explainers=tuple(row.name for row in rows),
        models=tuple(subject.name for subject in subjects),
        cells=tuple(cells),
        agreements=tuple(_agreements(cells)),
        wordings=tuple(wordings),
        best=best,
        labels=count,
        versions=versions(),
    )


def _subjects(models: object, device: Device, dtype: str | torch.dtype | None) -> list[Subject]:
    several = isinstance(models, Iterable) and not isinstance(models, str) and not hasattr(models, "embed_audio")
    given = take_list(models, "models", "models") if several else [models]
    if not given:
        raise InputError("the list of models is empty: name one, such as 'tiny'")
    loaded = [model_of(model, device, dtype) for model in given]
    names = [model if isinstance(model, str) else one.card.name for model, one in zip(given, loaded, strict=True)]
    kept = [model if is_kept(model) else one for model, one in zip(given, loaded, strict=True)]
    return [Subject(*parts) for parts in zip(loaded, kept, _number(names), strict=True)]


def _rows(explainers: Iterable[object] | None, models: Sequence[ZeroShotModel], *, controls: bool) -> list[Row]:
    if explainers is None:
        given: list[object] = [
            name
            for name in PREFERRED_EXPLAINERS
            if name in EXPLAINERS.names() and all(EXPLAINERS.get(name).fits(model) for model in models)
        ]
    else:
        given = take_list([explainers] if isinstance(explainers, str) else explainers, "explainers", "explainers")
    if not given:
        raise InputError("no explainers to compare: name some, such as 'gradcam' and 'occlusion'")
    for one in given:
        load_explainer(one)  # before the controls, which would be blamed for it
    if controls:
        of = {"of": given[0]} if isinstance(given[0], str) else {}
        made = {"rolled": load_explainer("rolled", **of), "random": "random"}
        given += [made[name] for name in CONTROLS if name not in given]
    methods = [load_explainer(one) for one in given]
    names = [
        one if isinstance(one, str) else method.name or type(method).__name__
        for one, method in zip(given, methods, strict=True)
    ]
    parts = zip(given, _number(names), [method.card.control for method in methods], strict=True)
    return [Row(*part) for part in parts]


def _number(names: Sequence[str]) -> list[str]:
    """Give explainers of one name different names: the second gets a number."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _find_best(
    sound: Sound, labels: Iterable[str] | None, top: int | None, model: ZeroShotModel, template: Any
) -> tuple[tuple[Best, ...], int]:
    if labels is None:
        if top is not None:
            raise InputError("top says how many of the labels to compare: give labels too")
        return (), 0
    names = list(dict.fromkeys(take_list(labels, "labels", "labels")))
    most = whole_number(TOP if top is None else top, "top", 1)
    found = classify(sound, names, model=model, template=template, top_k=most)
    return tuple(Best(**row._asdict()) for row in found), len(names)


def _targets(prompts: object, best: Sequence[Best], against: object, among: object) -> list[Target]:
    single = isinstance(prompts, (str, bytes, Target)) or not isinstance(prompts, Iterable)
    asked = [prompts] if single else take_list(prompts, "prompts")
    targets = [as_target(prompt, against, among) for prompt in asked]
    named = {target.prompt for target in targets}
    targets += [as_target(one.label, against, among) for one in best if one.label not in named]
    twice = [prompt for prompt, times in Counter(target.prompt for target in targets).items() if times > 1]
    if twice:
        raise InputError(f"the prompt {twice[0]!r} is given twice: once is enough")
    if not targets:
        raise InputError("the list of prompts is empty: say what to listen for, or give labels to choose from")
    return targets


def _explain(subject: Subject, row: Row, sound: Sound, targets: list[Target], options: dict[str, Any]) -> Done:
    clips: list[int] = []
    with evaluating(subject.model), counted(subject.model, lambda batch: clips.append(len(batch))):
        start = time.process_time()
        try:
            found = explain(sound, targets, model=subject.given, explainer=row.given, **options)
        except Exception as error:  # whatever one explainer raises, the others are compared
            return Done(subject, row, error=error)
        seconds = time.process_time() - start
    return Done(subject, row, found, Cost(seconds=seconds, clips=sum(clips), prompts=len(targets)))


def _reword(done: Done, own: Explanation, texts: list[str], sound: Sound, options: dict[str, Any]) -> Wordings:
    def again(targets: list[Target]) -> list[Explanation]:
        return explain(sound, targets, model=done.subject.given, explainer=done.row.given, **options)

    return measure_wordings(own, done.row.name, done.subject.name, texts, again)


def _cells(done: Sequence[Done], targets: Sequence[Target], *, several: bool) -> list[Cell]:
    return [
        Cell(
            prompt=target.prompt,
            explainer=d.row.name,
            model=d.subject.name,
            label=f"{d.row.name}, {d.subject.name}" if several else d.row.name,
            control=d.row.control,
            cost=d.cost,
            error="" if d.error is None else first_line(d.error),
            explanation=None if d.error is not None else d.explanations[index],
        )
        for index, target in enumerate(targets)
        for d in done
    ]


def _agreements(cells: Sequence[Cell]) -> Iterator[Agreement]:
    """Of every pair of explanations of one prompt, all on one raster."""
    made = {index: cell.explanation for index, cell in enumerate(cells) if cell.explanation is not None}
    grid = common_grid(list(made.values()))
    maps = {index: rastered(explanation, grid) for index, explanation in made.items()}
    for one, other in combinations(maps, 2):
        if cells[one].prompt == cells[other].prompt:
            yield agree(cells[one].prompt, (cells[one].label, maps[one]), (cells[other].label, maps[other]), grid)
