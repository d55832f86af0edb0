"""Benchmarks: suites of measurements that any explainer and any zero-shot classifier can be put through.

:func:`run` measures a suite, :class:`Result` is what it found, :func:`load_suite` reads one. Beside them stand the
measurements of the library itself (``python -m zsxai.benchmarks.speed`` and others), none of which a user needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsxai.benchmarks.result import Result
    from zsxai.benchmarks.runner import run
    from zsxai.benchmarks.suite import Suite, load_suite

__all__ = ["Result", "Suite", "load_suite", "run"]

_HOME = {"Result": "result", "Suite": "suite", "load_suite": "suite", "run": "runner"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
