"""Progress of long work: a bar where somebody watches, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

EVERY = 30.0
"""Seconds between the lines of :func:`track`."""


def track(
    items: Iterable[T], total: int | None, label: str, progress: bool | None, *, lines: bool = False
) -> Iterator[T]:
    """Yield items under a progress bar with the time left.

    Args:
        items: What to go through.
        total: How many there are, where that is known.
        label: What is being done.
        progress: True or False, or None for a bar on a terminal where there is more than one item.
        lines: Where None finds no terminal, say in a plain line every :data:`EVERY` seconds how far it is.
    """
    show = progress if progress is not None else sys.stderr.isatty() and total != 1
    if not show:
        yield from say(items, total, label) if lines and progress is None else items
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, description=label, total=total, console=Console(stderr=True))


def say(items: Iterable[T], total: int | None, label: str) -> Iterator[T]:
    """Yield items, and say every :data:`EVERY` seconds on standard error how far it is; also beneath another's bar."""
    start = said = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - said < EVERY:
            continue
        said = now
        left = "" if total is None else f" of {total}, about {_round((now - start) / done * (total - done))} left"
        sys.stderr.write(f"{label}: {done}{left}\n")
        sys.stderr.flush()


def _round(seconds: float) -> str:
    """A time in the unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
