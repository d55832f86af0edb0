"""How the fuzz tests draw: fixed examples in every run that decides, others where a person asks for them."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
FIXED = "ZSXAI_FUZZ" not in os.environ
"""``ZSXAI_FUZZ=random`` makes the long runs draw others every time: to find faults, not to judge a change."""


def quick(examples: int) -> settings:
    """The same examples on every machine."""
    return settings(COMMON, max_examples=examples, derandomize=True)


def long(examples: int) -> settings:
    """Three to five times as many; hypothesis prints how to see a failure again."""
    return settings(COMMON, max_examples=examples, derandomize=FIXED, print_blob=True)
