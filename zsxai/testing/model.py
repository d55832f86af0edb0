"""``check_model``: what an adapter must keep to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from zsxai.conditions import evaluating
from zsxai.errors import InputError
from zsxai.hooks import hooked
from zsxai.model import SpectralModel
from zsxai.plugins import load_model
from zsxai.report import Report
from zsxai.testing import embeddings, front_end, geometry, gradients, prompts
from zsxai.testing.run import Entry, Failed, run
from zsxai.testing.state import SEED, differences, mix, restored, seed_generators, snapshot
from zsxai.testing.subject import PROMPTS, Subject


def left_as_found(subject: Subject) -> str:
    """A call leaves hooks, modes, gradients, weights, generators and settings as it found them, also when it raises."""
    model = subject.model
    mix(model)
    clip, prompts = subject.clip(subject.short), list(subject.prompts)
    heard = clip.clone()
    calls: dict[str, Callable[[], object]] = {
        "embed_audio": lambda: model.embed_audio(clip),
        "embed_text": lambda: model.embed_text(prompts),
    }
    if isinstance(model, SpectralModel):
        calls["encode"] = lambda: model.encode(model.features(clip.clone().requires_grad_())).embedding
        calls["encode_text"] = lambda: model.encode_text(prompts).embedding
        calls["encode, raising"] = lambda: _raising(model, clip)
        calls["embed_text of nothing, raising"] = lambda: model.embed_text([])
        calls["embed_audio of too much, raising"] = lambda: model.embed_audio(subject.clip(subject.window + 1))
    before = snapshot(model)
    first = {f"the first {name}": calls[name] for name in ("embed_audio", "embed_text")}
    for name, call in {**first, **calls}.items():
        try:
            with evaluating(model):
                call()
        except Exception:
            if "raising" not in name:
                raise
        after = snapshot(model)
        if not torch.equal(clip, heard):
            raise Failed(f"{name} changes the waveform it is given in place: work on a clone")
        if prompts != list(subject.prompts):
            raise Failed(f"{name} changes the list of prompts it is given in place: make one of its own")
        # A first call may set things up for good, a tower of text say; nothing that was there may change.
        changed = differences(before, after, building=name in first)
        if changed:
            more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
            raise Failed(f"after {name}: {changed[0]}{more}")
        before = after
    return f"after {', '.join(calls)}: as before"


class _PlantedError(Exception):
    pass


def _raising(model: SpectralModel, clip: torch.Tensor) -> torch.Tensor:
    def fail(_module: nn.Module, _args: tuple[Any, ...], _output: object) -> None:
        raise _PlantedError

    with ExitStack() as hooks:
        for tap in list(model.taps.values())[-1:]:
            hooks.enter_context(hooked(tap, fail))
        return model.encode(model.features(clip)).embedding


_TOLD_APART = ("two passes", "no stale cache")
"""Without these, what two calls give cannot be compared."""

CHECKS: tuple[Entry[Subject], ...] = (
    Entry("left as found", left_as_found),
    Entry("card", embeddings.card),
    Entry("unit embeddings", embeddings.unit_embeddings),
    Entry("two passes", embeddings.two_passes),
    Entry("no stale cache", embeddings.no_stale_cache, ("two passes",)),
    Entry("batch is single", embeddings.batch_is_single, _TOLD_APART),
    Entry("any length", embeddings.any_length, _TOLD_APART),
    Entry("text side", prompts.text_side, _TOLD_APART),
    Entry("bad input", prompts.bad_input, _TOLD_APART),
    Entry("stages agree", front_end.stages_agree, _TOLD_APART),
    Entry("sample rate", front_end.sample_rate, _TOLD_APART),
    Entry("time axis", front_end.time_axis, (*_TOLD_APART, "sample rate")),
    Entry("gradient reaches the waveform", gradients.reaches_the_waveform, _TOLD_APART),
    Entry("gradient is right", gradients.is_right, (*_TOLD_APART, "gradient reaches the waveform")),
    Entry("taps", geometry.taps, _TOLD_APART),
    Entry("places of maps", geometry.places, (*_TOLD_APART, "sample rate", "time axis", "taps")),
)
"""Every check of a model, in order."""


def check_model(model: object, *, prompts: Sequence[str] = PROMPTS, progress: bool | None = None) -> Report:
    """Check that a model keeps to what every explainer relies on.

    A :class:`~zsxai.SpectralModel` gets every check, a black box those it can. The model is left as it was.

    Args:
        model: A name (``"tiny"``, ``"hf:<folder>"``) or a model object; one from a loader with options is loaded with
            ``zsxai.load_model(name, **options)`` first.
        prompts: Three that the model tells apart, for a model that takes only some.
        progress: Show a bar; None shows one on a terminal.

    Returns:
        A report; ``raise_if_failed()`` makes it a test.

    Raises:
        InputError: If the model cannot be loaded, or the prompts are not three.
    """
    if len(set(prompts)) != 3:
        raise InputError(f"a model is checked on three unlike prompts, not {list(prompts)}")
    longest = max(prompts, key=lambda prompt: (len(prompt.split()), len(prompt)))
    subject = Subject(load_model(model), (*(p for p in prompts if p != longest), longest))

    @contextmanager
    def around(entry: Entry[Subject]) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(restored(subject.model))
            seed_generators(SEED)
            # Those two as it is handed over: a loader that forgets eval() is found, and a mixed state is made.
            if entry.check not in (embeddings.two_passes, left_as_found):
                stack.enter_context(evaluating(subject.model))
            yield

    return run(CHECKS, subject, around, label=f"checking {subject.model.card.name}", progress=progress)
