"""Names of figures: a metric, or how often an explanation beats a control made from itself."""

from __future__ import annotations

WINS = "-wins:"
CONTROLS_OF_A_MASK = {"foil": "asked about another class", "rolled": "with its mask in the wrong place"}
"""Variants that an explanation is to beat, and what the same explainer is there."""
OTHER_MASKS = {
    "binary": "its mask made of zeros and ones, of the same mean: all that it keeps is heard in full",
    "binary-energy": "its mask made of zeros and ones, of the same kept energy",
    "plain": "its mask with all windows alike, also those that do not hear the prompt",
    "times-similarity": "its mask times how surely the model hears the prompt",
}
"""Variants that an explanation is read beside, and what its mask is there."""


def split_figure(name: str) -> tuple[str, str]:
    """``"foil-wins:faithfulness"`` to ``("foil", "faithfulness")``; a plain metric has no control, ``""``."""
    control, found, metric = name.partition(WINS)
    return (control, metric) if found else ("", name)
