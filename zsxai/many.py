"""Many recordings, a few at a time: ``explain_many``."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Unpack, cast

import numpy as np
from numpy.typing import NDArray

from zsxai.api import ExplainOptions, explainer_of, judging_of, model_of, targets_of
from zsxai.audio import open_sound
from zsxai.checks import one_of, take_list, whole_number
from zsxai.clip import join_up
from zsxai.conditions import evaluating, plain_torch
from zsxai.errors import InputError, unknown
from zsxai.explainer import Explainer
from zsxai.explaining import Source, Work, explain_recordings
from zsxai.explanation import Explanation
from zsxai.explanations import ExplanationList
from zsxai.memory import BatchSize
from zsxai.model import ZeroShotModel
from zsxai.progress import track
from zsxai.prompt import find_template
from zsxai.recording import Recording
from zsxai.scratch import Scratch
from zsxai.spectral import DOMAINS, SCALES
from zsxai.target import BoundTarget, Target, as_target

TOGETHER = 15.0
"""Seconds up to which recordings share forwards: the maps of all are held at a time."""


class Skipped(NamedTuple):
    """A recording that was not explained.

    Attributes:
        audio: As given.
        prompt: As given.
        error: Why.
    """

    audio: object
    prompt: object
    error: InputError


class Explanations(Iterator[Explanation]):
    """What :func:`explain_many` gives: explanations in order, each made when it is asked for.

    Attributes:
        skipped: Recordings that were passed over so far.
    """

    def __init__(self, made: Iterator[Explanation], skipped: list[Skipped]) -> None:
        self.skipped = skipped
        self._made = made

    def __next__(self) -> Explanation:
        return next(self._made)


def explain_many(
    recordings: Iterable[object],
    prompt: object = None,
    *,
    on_error: Literal["raise", "skip"] = "raise",
    **options: Unpack[ExplainOptions],
) -> Explanations:
    """Explain many recordings with one model; short ones share its forwards.

    So many recordings as ``batch_size`` says are read ahead: those that follow each other, are no longer than 15
    seconds and are asked for the same share forwards. Every figure is that of :func:`zsxai.explain`, up to rounding.

    Args:
        recordings: What :func:`zsxai.explain` takes as ``audio``, arrays as ``{"array", "sampling_rate"}`` or with
            ``sample_rate``; or ``(audio, prompt)`` pairs, where ``prompt`` is None.
        prompt: What to listen for in all of them.
        on_error: ``raise`` ends at the first recording that cannot be explained; ``skip`` passes it over, lists it in
            ``skipped`` and warns at the end.
        **options: As :func:`zsxai.explain` takes; ``progress`` shows one bar over the recordings.

    Returns:
        An iterator over what :func:`zsxai.explain` returns, in order, with ``skipped``.

    Raises:
        InputError: If an option is wrong; and while it is gone through, if a recording or a prompt is.
    """
    one_of(on_error, ("raise", "skip"), "on_error")
    check_names(options)
    if _is_one(recordings):
        raise InputError(f"explain_many takes a list of recordings, not one {type(recordings).__name__}: use explain")
    progress = options.pop("progress", None)
    name = options.get("model", "tiny")
    options = share(options)
    prompt = _check_prompts(prompt, options)
    total = len(recordings) if isinstance(recordings, Sequence) else None
    skipped: list[Skipped] = []

    def made() -> Iterator[Any]:
        asked: deque[tuple[object, object]] = deque()

        def pairs() -> Iterator[tuple[object, object]]:
            for item in recordings:
                asked.append(_pair(item) if prompt is None else (item, prompt))
                yield asked[-1]

        for found in track(explain_each(pairs(), options, name), total, "explaining", progress):
            audio, wanted = asked.popleft()
            if not isinstance(found, Exception):
                yield found
            elif isinstance(found, InputError) and on_error == "skip":
                skipped.append(Skipped(audio, wanted, found))
            else:
                raise found
        if skipped:
            warnings.warn(f"recordings skipped: {len(skipped)}; the first: {skipped[0].error}", stacklevel=2)

    return Explanations(made(), skipped)


def _is_one(recordings: object) -> bool:
    """Whether this is a recording, which could be gone through as well: a mapping, a file, samples."""
    numbers = (
        str(getattr(recordings, "dtype", "")).replace("torch.", "").startswith(("float", "int", "uint", "complex"))
    )
    single = isinstance(recordings, (str, bytes, bytearray, memoryview, Mapping)) or hasattr(recordings, "read")
    return numbers or single or not isinstance(recordings, Iterable)


def check_names(options: Mapping[str, object]) -> None:
    """See that options are those of :func:`zsxai.explain`.

    Raises:
        InputError: If one is not.
    """
    for name in options:
        if name not in ExplainOptions.__annotations__:
            raise InputError(unknown("option", name, list(ExplainOptions.__annotations__)))


def share(options: ExplainOptions) -> ExplainOptions:
    """Load what all recordings share, so that what is wrong with it is no fault of a recording.

    What is given once, such as a generator, is taken as a list: every recording asks for it anew.

    Raises:
        InputError: If an option is wrong.
    """
    shared = options.copy()
    for name in ("against", "among", "template"):
        given = shared.get(name)
        if given is not None and not isinstance(given, str):
            shared[name] = take_list(given, name)
    where = shared.pop("device", "auto"), shared.pop("dtype", None)
    model = shared["model"] = model_of(shared.get("model", "tiny"), *where)
    shared["explainer"] = explainer_of(shared.get("explainer"), shared.pop("options", None), model)
    find_template(shared.get("template"), model)
    one_of(shared.get("domain", "stft"), DOMAINS, "domain")
    one_of(shared.get("scale", "log"), SCALES, "scale")
    return shared


class _Read(NamedTuple):
    """A recording that was read, or why it was not."""

    sound: Source | None = None
    waveform: NDArray[Any] = np.zeros(0, np.float32)
    single: bool = True
    targets: tuple[Target, ...] = ()
    error: Exception | None = None


def explain_each(pairs: Iterable[tuple[object, object]], options: ExplainOptions, name: object) -> Iterator[Any]:
    """Explain recordings, each for its prompt or prompts.

    Args:
        pairs: Audio and prompt, as :func:`zsxai.explain` takes them.
        options: From :func:`share`.
        name: The model as it was named.

    Yields:
        What :func:`zsxai.explain` returns, in order, or the exception that it raises.
    """
    explain = _Together(options, name)
    rate = cast("ZeroShotModel", options["model"]).sample_rate

    def may_join(one: _Read, other: _Read) -> bool:
        short = max(len(one.waveform), len(other.waveform)) <= TOGETHER * rate
        return short and one.targets == other.targets and not one.error and not other.error

    read = (_read(audio, prompt, rate, options) for audio, prompt in pairs)
    for some in join_up(read, explain.size, may_join):
        try:
            yield from explain(some)
        except Exception as error:
            if len(some) == 1:
                yield error
                continue
            # One of them is to blame: each alone.
            for one in some:
                try:
                    yield from explain([one])
                except Exception as own:
                    yield own


@plain_torch()
def _read(audio: object, prompt: object, rate: int, options: ExplainOptions) -> _Read:
    try:
        single, targets = targets_of(prompt, options.get("against"), options.get("among"))
        with open_sound(audio, options.get("sample_rate")) as stream:
            return _Read(stream, stream.read(rate), single, tuple(targets))
    except Exception as error:
        return _Read(error=error)


class _Together:
    """Explains recordings of one model by shared forwards.

    Attributes:
        size: Recordings at a time.
    """

    def __init__(self, options: ExplainOptions, name: object) -> None:
        self._model, self._method = cast("ZeroShotModel", options["model"]), cast("Explainer", options["explainer"])
        self._name = name
        self._given: dict[str, Any] = {
            name: options[name] for name in ("domain", "scale", "pooling") if name in options
        }
        self._given["seed"] = whole_number(options.get("seed", 0), "the seed", 0)
        self._how = judging_of(
            options.get("verdict", True), options.get("dark_windows", True), options.get("reference")
        )
        self._template = find_template(options.get("template"), self._model)
        # One for all recordings: where memory runs out once, it would again.
        self._batch = BatchSize(options.get("batch_size"))
        self._given["batch_size"], self.size = self._batch, self._batch.size
        self._bound: tuple[tuple[Target, ...], list[BoundTarget]] = ((), [])

    @plain_torch()
    def __call__(self, some: Sequence[_Read]) -> list[Explanation | ExplanationList]:
        if some[0].error is not None:
            raise some[0].error
        with evaluating(self._model):
            targets = some[0].targets
            if self._bound[0] != targets:  # most often all recordings are asked for the same
                self._bound = (targets, [target.bind(self._model, self._template) for target in targets])
            works = [
                Work(Recording(self._model, one.waveform, **self._given), cast("Source", one.sound), Scratch())
                for one in some
            ]
            before = self._batch.note
            made = explain_recordings(works, self._method, self._bound[1], self._how, False, model=self._name)
        if self._batch.note != before:
            warnings.warn(self._batch.note, stacklevel=2)
        return [found[0] if one.single else ExplanationList(found) for one, found in zip(some, made, strict=True)]


def _check_prompts(prompt: object, options: ExplainOptions) -> object:
    if prompt is not None and not isinstance(prompt, (str, bytes, Target)) and isinstance(prompt, Iterable):
        prompt = take_list(prompt, "prompts")
    if prompt is not None:
        for asked in prompt if isinstance(prompt, list) else [prompt]:
            as_target(asked, options.get("against"), options.get("among"))
    return prompt


def _pair(item: Any) -> tuple[object, object]:
    # No other type of two: a mapping of array and rate would be taken apart into its keys.
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise InputError(
            "without a prompt explain_many takes (audio, prompt) pairs: give pairs, or explain_many(recordings, prompt)"
        )
    return item[0], item[1]
