"""Costs measured on a machine that others use too: process CPU time, in interleaved pairs, with intervals."""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 2000


@dataclass(frozen=True)
class Pairs:
    """Costs of two things measured side by side.

    Attributes:
        ours: Cost of the first in every pair.
        floor: Cost of the second.
    """

    ours: tuple[float, ...]
    floor: tuple[float, ...]

    @property
    def ratios(self) -> NDArray[Any]:
        """The first over the second, pair by pair."""
        ratios: NDArray[Any] = np.array(self.ours) / np.array(self.floor)
        return ratios

    @property
    def ratio(self) -> float:
        """Median of the ratios."""
        return float(np.median(self.ratios))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the medians of pairs drawn anew (bootstrap, fixed seed)."""
        drawn = np.random.default_rng(0).choice(self.ratios, (_RESAMPLES, len(self.ratios)))
        low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
        return float(low), float(high)


def interleave(ours: Callable[[], float], floor: Callable[[], float], repeats: int) -> Pairs:
    """Measure two costs by turns, in the order A B, B A, A B, ..., so that a drift affects both alike."""
    pairs = []
    for index in range(repeats):
        if index % 2 == 0:
            first = ours()
            pairs.append((first, floor()))
        else:
            second = floor()
            pairs.append((ours(), second))
    return Pairs(*zip(*pairs, strict=True))


def cpu_seconds(call: Callable[[], object], times: int = 1) -> float:
    """CPU time of this process over ``times`` calls, per call."""
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times


def compare(
    ours: Callable[[], object],
    floor: Callable[[], object],
    repeats: int,
    least: float = 0.1,
    seconds: Callable[[Callable[[], object], int], float] = cpu_seconds,
) -> Pairs:
    """Seconds of two calls, after one warm-up of each.

    Args:
        ours: The call under test.
        floor: What it is compared with.
        repeats: Pairs.
        least: Seconds that one measurement lasts at least; short calls are repeated within it.
        seconds: Measures so many calls, per call; CPU time unless another clock is given.
    """
    times = []
    for call in (ours, floor):
        call()
        times.append(math.ceil(least / max(seconds(call, 1), 1e-5)))
    return interleave(lambda: seconds(ours, times[0]), lambda: seconds(floor, times[1]), repeats)


def child_cpu_seconds(command: Sequence[str]) -> float:
    """User and system CPU time of a whole process.

    Raises:
        RuntimeError: If it fails.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        stderr = process.stderr.read() if process.stderr else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with {process.returncode}: {stderr.strip()[-300:]}")
    return used.ru_utime + used.ru_stime


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Result of a module's function in a fresh interpreter."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_bytes(call: Callable[[], object]) -> int:
    """Most memory that this process held during a call, above what it held before (Linux).

    Not by ``ru_maxrss``: a child starts with its parent's.
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))
