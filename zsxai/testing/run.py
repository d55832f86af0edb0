"""Running checks in order, so that one that fails does not hide the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from zsxai.progress import track
from zsxai.report import Check, Report, State

S = TypeVar("S")


class Failed(Exception):  # noqa: N818 - the outcome of a check, not an error of the kit
    """A check found a fault; the message is its detail."""


class Skipped(Exception):  # noqa: N818
    """A check does not apply; the message says why."""


@dataclass(frozen=True)
class Entry(Generic[S]):
    """One check of a kit.

    Attributes:
        name: Name of the check, in reports and in the documentation.
        check: Takes what is checked and returns what it measured; raises :class:`Failed` or :class:`Skipped`.
        needs: Checks that must have passed: what this one compares would mean nothing without them.
    """

    name: str
    check: Callable[[S], str]
    needs: tuple[str, ...] = ()


def run(
    entries: Sequence[Entry[S]],
    subject: S,
    around: Callable[[Entry[S]], AbstractContextManager[object]],
    *,
    label: str,
    progress: bool | None,
) -> Report:
    """Make every check; an exception inside one is that one's failure.

    Args:
        entries: In order.
        subject: What is checked.
        around: The context in which a check runs.
        label: Label of the progress bar.
        progress: True or False, or None for a bar on a terminal.
    """
    states: dict[str, State] = {}
    checks = []
    for entry in track(entries, len(entries), label, progress):
        unmet = [name for name in entry.needs if states.get(name) == "failed"]
        # A check that was itself skipped for want of another passes the want on; one that does not apply does not.
        made = _waits(unmet[0]) if unmet else _make(entry, subject, around)
        states[entry.name] = "failed" if unmet else made[0]
        checks.append(Check(name=entry.name, state=made[0], detail=" ".join(made[1].split())))
    return Report(checks=tuple(checks))


def _waits(name: str) -> tuple[State, str]:
    return "skipped", f"waits for {name!r}, which failed or waits itself"


def _make(
    entry: Entry[S], subject: S, around: Callable[[Entry[S]], AbstractContextManager[object]]
) -> tuple[State, str]:
    try:
        with around(entry):
            return "ok", entry.check(subject)
    except Skipped as reason:
        return "skipped", str(reason)
    except Failed as reason:
        return "failed", str(reason)
    except Exception as error:
        return "failed", raised(error)


def raised(error: Exception) -> str:
    """An exception as a detail."""
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"raised {type(error).__name__}: {first}"
