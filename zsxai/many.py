"""Many recordings, one after the other: ``explain_many``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Unpack

from zsxai.api import ExplainOptions, explain, explainer_of, model_of
from zsxai.checks import one_of, take_list
from zsxai.errors import InputError, unknown
from zsxai.explanation import Explanation
from zsxai.progress import track
from zsxai.prompt import find_template
from zsxai.spectral import DOMAINS, SCALES
from zsxai.target import Target, as_target


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
    """Explain many recordings, one at a time, with one model.

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
    options = share(options)
    prompt = _check_prompts(prompt, options)
    total = len(recordings) if isinstance(recordings, Sequence) else None
    skipped: list[Skipped] = []

    def made() -> Iterator[Any]:
        for item in track(recordings, total, "explaining", progress):
            audio, asked = _pair(item) if prompt is None else (item, prompt)
            try:
                yield explain(audio, asked, **{**options, "progress": False})  # type: ignore[call-overload]
            except InputError as error:
                if on_error == "raise":
                    raise
                skipped.append(Skipped(audio, asked, error))
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
            shared[name] = take_list(given, name)  # type: ignore[literal-required]
    model = shared["model"] = model_of(shared.get("model", "tiny"), shared.pop("device", None))
    shared["explainer"] = explainer_of(shared.get("explainer"), shared.pop("options", None), model)
    find_template(shared.get("template"), model)
    one_of(shared.get("domain", "stft"), DOMAINS, "domain")
    one_of(shared.get("scale", "log"), SCALES, "scale")
    return shared


def explain_each(pairs: Iterable[tuple[object, object]], options: ExplainOptions) -> Iterator[Any]:
    """Explain recordings, each for its prompt or prompts.

    Args:
        pairs: Audio and prompt, as :func:`zsxai.explain` takes them.
        options: From :func:`share`.

    Yields:
        What :func:`zsxai.explain` returns, in order, or the exception that it raises.
    """
    for audio, prompt in pairs:
        try:
            yield explain(audio, prompt, **{**options, "progress": False})  # type: ignore[call-overload]
        except Exception as error:
            yield error


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
