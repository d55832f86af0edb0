"""How to read a figure by its name: a metric of the registry, or how often an explanation beats its own control."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zsxai.benchmarks.analyse.statistics import Better
from zsxai.benchmarks.run.figures import CONTROLS_OF_A_MASK, split_figure
from zsxai.benchmarks.tasks import runner_of
from zsxai.registry import METRICS

if TYPE_CHECKING:
    from zsxai.metrics import Metric


@dataclass(frozen=True)
class Reading:
    """What is known about a figure.

    Attributes:
        name: Name of the column.
        symbol: Column head.
        better: Which way is better.
        bounds: Range.
        chance: What an explanation that says nothing scores, where that is known by construction.
        meaning: One sentence.
        gamed_by: What scores well without explaining anything.
        sensitive_to: What changes it besides the explanation.
        reference: Equation or source.
        section: Its section of the documentation, where it has one.
    """

    name: str
    symbol: str
    better: Better = "neither"
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    chance: float | None = None
    meaning: str = ""
    gamed_by: str = ""
    sensitive_to: str = ""
    reference: str = ""
    section: str = ""

    @property
    def arrow(self) -> str:
        """Which way is better, as a sign."""
        return {"higher": " ↑", "lower": " ↓", "neither": ""}[self.better]


_GAMES = {
    "foil": "any map that is scaled by the similarity, where the size of the mask counts; at a matched budget a blind "
    "map scores .5",
    "rolled": "looking where clips are apt to sound (loudness, even the first half of the time): a blind map need not "
    "score .5; on hertz the rolled mask has another size",
}
"""What wins over a control without explaining anything."""


@lru_cache(maxsize=256)
def find_reading(task: str, name: str) -> Reading:
    """Find how to read a figure of a task; of a name that no installed plugin knows, the name alone."""
    control, metric = split_figure(name)
    if control:
        own = find_reading(task, metric)
        return Reading(
            name=name,
            symbol=f"{own.symbol} over {control}",
            better="higher",
            bounds=(0.0, 1.0),
            chance=0.5 if control == "foil" else None,
            meaning=f"Share of clips whose {own.symbol} is better than that of the same explainer "
            f"{CONTROLS_OF_A_MASK[control]}; "
            "equal ones count half.",
            gamed_by=_GAMES[control],
            reference="this project",
            section=own.section,
        )
    found = _load_metrics(task).get(name)
    if found is None:
        return Reading(name, symbol=name)
    return Reading(
        name=name,
        symbol=found.symbol,
        better=found.better,
        bounds=found.bounds,
        meaning=found.summary,
        gamed_by=found.gamed_by,
        sensitive_to=found.sensitive_to,
        reference=found.reference,
        section=_find_section(name, found.symbol),
    )


def _find_section(name: str, symbol: str) -> str:
    """The place of a metric that comes with zsxai in its documentation, as Markdown makes anchors of titles."""
    point = METRICS.entry_point(name)
    if point is None or point.module.partition(".")[0] != "zsxai":
        return ""
    title = re.sub(r"[^\w\- ]", "", f"{name}: {symbol}".lower())
    return f"docs/metrics.md#{title.replace(' ', '-')}"


def list_metrics(task: str) -> list[str]:
    """List the metrics of a task, in the registry's order."""
    return list(_load_metrics(task))


@lru_cache(maxsize=8)
def _load_metrics(task: str) -> dict[str, Metric[Any]]:
    return runner_of(task).known_metrics()
