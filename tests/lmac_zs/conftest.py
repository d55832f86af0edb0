"""Synthetic sounds are drawn once for the many trainings on them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from zsxai.data import synthetic


@pytest.fixture(scope="session", autouse=True)
def sounds_drawn_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "draw", cache(synthetic.draw))
        yield
