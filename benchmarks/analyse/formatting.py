"""Figures as text."""

from __future__ import annotations

import numpy as np

from zsxai.benchmarks.analyse.bootstrap import Interval, has_mean
from zsxai.benchmarks.analyse.reading import find_reading

NOTHING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def format_interval(found: Interval, digits: int = 2) -> str:
    """``0.42 [0.38, 0.46]`` with the count of invalid values where there are any; a dash where nothing was measured."""
    if not found.n:
        return NOTHING
    if not has_mean(found):
        return f"none ({found.n_invalid} of {found.n} invalid)"
    text = format_number(found.mean, digits)
    if np.isfinite(found.low):
        text += f" [{format_number(found.low, digits)}, {format_number(found.high, digits)}]"
    return text + (f" ({found.n_invalid} invalid)" if found.n_invalid else "")


def format_number(value: float, digits: int = 2) -> str:
    """A number with a true minus sign; what rounds to zero has none."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS)


def choose_digits(task: str, figure: str) -> int:
    """Decimals of a figure: two for shares and what has no range, one for per cents and decibels."""
    low, high = find_reading(task, figure).bounds
    return 2 if high <= 2 or (low >= 0 and high == float("inf")) else 1
