"""How the fuzz tests draw: the same examples in every run that decides; others, and more, where a person asks."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
by_hand = pytest.mark.skipif("ZSXAI_FUZZ" not in os.environ, reason="looks for faults, decides nothing: ZSXAI_FUZZ=1")


def quick(examples: int) -> settings:
    """The same examples on every machine."""
    return settings(COMMON, max_examples=examples, derandomize=True)


def long(examples: int) -> settings:
    """Others every time; hypothesis prints how to see a failure again."""
    return settings(COMMON, max_examples=examples, print_blob=True)
