"""Writes what metrics say of themselves into a page: ``python -m zsxai.metrics.page docs/metrics.md``.

In the page, ``<!-- metrics: MaskedScores -->`` and ``<!-- end -->`` enclose all metrics of that evidence; the rest is
written by hand.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from zsxai.metrics import base
from zsxai.metrics.base import Metric
from zsxai.metrics.loading import metrics_of


def fill(page: str) -> str:
    """A page with the parts between its marks written anew."""

    def part(found: re.Match[str]) -> str:
        evidence = getattr(base, found[2])
        own = (metric for metric in metrics_of(evidence).values() if metric.evidence is evidence)
        return f"{found[1]}\n\n{''.join(map(section, own))}<!-- end -->"

    return re.sub(r"(<!-- metrics: (\w+) -->).*?<!-- end -->", part, page, flags=re.DOTALL)


def section(metric: Metric[Any]) -> str:
    """Title, summary and table of a metric, in Markdown."""
    low, high = metric.bounds
    rows = {
        "formula": metric.formula,
        "better": metric.better,
        "range": f"{low:.4g} to {high:.4g}",
        "reads": ", ".join(f"`{field}`" for field in metric.needs),
        "reference": metric.reference,
        "sensitive to": metric.sensitive_to,
        "gamed by": metric.gamed_by,
        "invalid": metric.invalid,
    }
    table = "".join(f"| {head} | {text} |\n" for head, text in rows.items() if text)
    return f"### `{metric.name}`: {metric.symbol}\n\n{metric.summary}\n\n| | |\n|---|---|\n{table}\n"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(fill(path.read_text(encoding="utf-8")), encoding="utf-8")
