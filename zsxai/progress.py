"""Progress bars for long work, only where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], total: int | None, label: str, progress: bool | None) -> Iterator[T]:
    """Yield items under a progress bar with the time left.

    Args:
        items: What to go through.
        total: How many there are, where that is known.
        label: What is being done.
        progress: True or False, or None for a bar on a terminal where there is more than one item.
    """
    show = progress if progress is not None else sys.stderr.isatty() and total != 1
    if not show:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, description=label, total=total, console=Console(stderr=True))
