"""What a timeline tells of a window and a prompt."""

from __future__ import annotations

from typing import Literal, get_args

Measure = Literal["presence", "cosine", "probability"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
HEARD = 0.5
"""Presence above which a window counts as hearing a prompt: evidence above 0."""
