"""Benchmarks: suites of measurements that any explainer and any zero-shot classifier can be put through.

:func:`run_suite` measures a suite, :class:`Result` is what it found, :func:`load_suite` reads one. Four rooms, each of
which imports only those before it: ``tasks``, ``run``, ``analyse``, ``report``; :mod:`zsxai.benchmarks.api` and the
command line are on top. A checkout also has ``measure``, which measures the library itself; the wheel does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zsxai.benchmarks.analyse.result import Result
    from zsxai.benchmarks.api import run_suite
    from zsxai.benchmarks.run.suite import Suite, load_suite

__all__ = ["Result", "Suite", "load_suite", "run_suite"]

_HOME = {"Result": "analyse.result", "Suite": "run.suite", "load_suite": "run.suite", "run_suite": "api"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
