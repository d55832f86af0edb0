"""Checks of the text side, and of input that an adapter must refuse."""

from __future__ import annotations

import math
from itertools import cycle

import torch
from torch import Tensor

from zsxai.errors import InputError
from zsxai.model import SpectralModel
from zsxai.testing.run import Failed, Skipped, raised
from zsxai.testing.subject import CLOSE, SAME, Subject, distance

_WORDS = 2000


def text_side(subject: Subject) -> str:
    """Prompts are distinguished and heard whole."""
    prompts = [*subject.prompts, subject.prompts[0]]
    rows = subject.text(prompts)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        if distance(rows[i : i + 1], rows[j : j + 1]) <= SAME:
            raise Failed(f"{subject.prompts[i]!r} and {subject.prompts[j]!r} have the same embedding")
    if distance(rows[:1], rows[3:]) > CLOSE:
        raise Failed(f"one prompt, twice in a list, differs by {distance(rows[:1], rows[3:]):.1e}")
    if not isinstance(subject.model, SpectralModel):
        return "prompts are distinguished; lengths are a black box's own affair"
    with torch.no_grad():
        encoded = subject.model.encode_text(list(subject.prompts))
    if distance(encoded.embedding.cpu(), rows[:3]) > CLOSE:
        raise Failed("encode_text(prompts).embedding is not embed_text(prompts)")
    said = _tokens(subject, encoded.tokens, encoded.token_mask)
    return f"prompts are distinguished; {_long_prompt(subject)}; {said}"


def _long_prompt(subject: Subject) -> str:
    # Unlike words, of which a tokenizer makes at least one token each.
    words = [f"{word} {i}" for i, word in zip(range(_WORDS // 2), cycle(subject.prompts[2].split()), strict=False)]
    whole = " ".join(words)
    try:
        long = subject.text([whole])
    except InputError as error:
        if "\n" in str(error):
            raise Failed(f"a prompt of {_WORDS:,} words is refused in more than one line") from error
        return f"{_WORDS:,} words are refused"
    if not long.isfinite().all():
        raise Failed(f"a prompt of {_WORDS:,} words gives NaN or infinity: refuse it with InputError")
    for part, kept in (("second half", words[: len(words) // 2]), ("last word", [*words[:-1], "rain 7"])):
        if distance(long, subject.text([" ".join(kept)])) <= SAME:
            raise Failed(
                f"a prompt of {_WORDS:,} words has the same embedding whatever its {part} says: it is cut silently; "
                "tokenise without truncation and raise InputError"
            )
    return f"{_WORDS:,} words are heard whole"


def _tokens(subject: Subject, tokens: Tensor | None, mask: Tensor | None) -> str:
    if tokens is None and mask is None:
        return "no token states"
    if tokens is None or mask is None:
        raise Failed("encode_text gives only one of tokens and token_mask: both or neither")
    fits = mask.shape == tokens.shape[:2] and len(mask) == len(subject.prompts)
    if mask.dtype != torch.bool or not fits or tokens.ndim != 3:
        raise Failed(
            f"tokens have shape {tuple(tokens.shape)} and token_mask {tuple(mask.shape)} of {mask.dtype}: "
            "they are (P, L, E), and (P, L) of bool"
        )
    counts = [int(n) for n in mask.sum(dim=1)]
    if min(counts) < 1 or counts[2] <= counts[1]:
        raise Failed(f"token_mask counts {counts} tokens in {subject.prompts}: True on real tokens")
    return f"token states {tuple(tokens.shape)}"


def bad_input(subject: Subject) -> str:
    """What an adapter itself must refuse; the core has refused NaN, silence and blank prompts before."""
    if not isinstance(subject.model, SpectralModel):
        raise Skipped("what reaches a black box has been checked before")
    samples = subject.short
    shapes = {"(T,)": (samples,), "(1, 1, T)": (1, 1, samples), "(1, 0)": (1, 0)}
    for name, shape in shapes.items():
        try:
            subject.audio(torch.zeros(shape))
        except InputError:
            continue
        except Exception as error:
            raise Failed(
                f"a waveform of shape {name}: {raised(error)}; raise InputError, as features() does"
            ) from error
        raise Failed(f"a waveform of shape {name} is taken: raise InputError, as SpectralModel.features does")
    try:
        subject.text([])
    except InputError:
        pass
    except Exception as error:
        raise Failed(f"an empty list of prompts: {raised(error)}; raise InputError") from error
    else:
        raise Failed("an empty list of prompts is taken: raise InputError")
    broken = torch.cat([subject.clip(samples), subject.clip(samples)])
    broken[1, samples // 2] = math.nan
    try:
        rows = subject.audio(broken)
    except InputError:
        rows = torch.full((2, 1), math.nan)
    if rows[1].isfinite().all():
        raise Failed(
            "a clip with a NaN has a finite embedding: let NaN through, so that it is seen, or raise InputError"
        )
    return f"waveforms that are not (B, T) and empty lists are refused, NaN stays NaN; {_one_string(subject)}"


def _one_string(subject: Subject) -> str:
    try:
        rows = subject.text(subject.prompts[0])
    except InputError:
        return "one string for a list is refused"
    if len(rows) != 1:
        raise Failed(
            f"the string {subject.prompts[0]!r} for a list of prompts is read as {len(rows)} letters: take it as one"
        )
    return "one string is one prompt"
