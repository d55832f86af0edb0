"""Errors with one clear line each, what was wrong and what to do, and what a command ends with."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class ZsxaiError(Exception):
    """Base of every error this library raises on purpose."""


class InputError(ZsxaiError, ValueError):
    """The caller's mistake; the command line prints its one line and exits with 2."""


class MissingExtraError(InputError, ImportError):
    """A plugin needs a package that is not installed; the message holds the exact ``pip install``."""


class ExitCode(IntEnum):
    """What a command ends with."""

    DONE = 0
    FAILED = 1
    WRONG_INPUT = 2
    INTERRUPTED = 130
    TERMINATED = 143


def unknown(kind: str, name: str, names: Sequence[str]) -> str:
    """One line for a name that is not in a list: the nearest ones, or all."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names) or 'none'}"
    return f"unknown {kind} {name!r}: {hint}"


def first_problem(error: ValidationError, fields: Iterable[str]) -> str:
    """The first complaint of pydantic as one line; an unknown name brings the known ones."""
    problem = error.errors()[0]
    where = ".".join(map(str, problem["loc"])) or "options"
    if problem["type"] == "extra_forbidden":
        return f"unknown option {where!r}; it takes {', '.join(fields)}"
    if problem["type"] == "value_error":  # said by a validator of ours, which names what is wrong
        text = problem["msg"].removeprefix("Value error, ")
        return text if where == "options" else f"{where}: {text}"
    if problem["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {problem['msg']} (got {reprlib.repr(problem.get('input'))})"


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says anything, with the next where it ends in a colon, or its type."""
    found = ""
    for line in filter(None, map(str.strip, str(error).splitlines())):
        found = f"{found} {line}".strip()
        if not found.endswith(":"):
            break
    return found or type(error).__name__
