"""Names of figures: a metric, or how often an explanation beats a control made from itself."""

from __future__ import annotations

WINS = "-wins:"
CONTROLS_OF_A_MASK = ("foil", "rolled")


def split_figure(name: str) -> tuple[str, str]:
    """``"foil-wins:faithfulness"`` to ``("foil", "faithfulness")``; a plain metric has no control, ``""``."""
    control, found, metric = name.partition(WINS)
    return (control, metric) if found else ("", name)
