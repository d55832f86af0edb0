"""What went wrong in a run, in as few lines as name everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zsxai.benchmarks.tasks.base import LEFT_OUT

SHOWN = 3
"""Names in a line, before the rest is counted."""


def list_left_out(failures: Sequence[dict[str, Any]]) -> list[str]:
    """Write a line per item that no explainer was asked about, and reason.

    Args:
        failures: Columns of their cells, ``item`` and ``error``.
    """
    found = [f"{f['item']}: {f['error'].removeprefix(LEFT_OUT)}" for f in failures if f["error"].startswith(LEFT_OUT)]
    return list(dict.fromkeys(found))


def group_failures(failures: Sequence[dict[str, Any]], *, models: bool) -> list[str]:
    """Write a line per explainer, setting and error, with the items that it befell; those left out are not among them.

    Args:
        failures: Columns of their cells, ``item`` and ``error``.
        models: Whether lines say which model it was.
    """
    named_by = ("task", "data", "contamination", *(["model"] if models else []))
    groups: dict[tuple[str, str], list[str]] = {}
    for failure in failures:
        if failure["error"].startswith(LEFT_OUT):
            continue
        who = f"{failure['explainer']} ({', '.join(failure[name] for name in named_by)})"
        groups.setdefault((who, failure["error"]), []).append(failure["item"] or "a whole unit")
    lines = []
    for (who, error), items in groups.items():
        names = list(dict.fromkeys(items))
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        times = f" ({len(items)} times)" if len(items) > len(names) else ""
        lines.append(f"{who} on {', '.join(names[:SHOWN])}{more}{times}: {error}")
    return lines
