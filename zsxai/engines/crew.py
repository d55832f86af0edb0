"""Who carries jobs out: this process, or a crew of workers elsewhere, any of which may die.

A job and what comes of it are anything that can be pickled; what a job yields whose worker died is the caller's to say.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from zsxai.errors import ZsxaiError

TRIES = 3
"""How often a job is begun whose worker dies, and how many workers in a row may die before they are ready."""
MEMORY = 2 * 2**30
"""Bytes that a worker is assumed to need, where the number of workers is not set."""

J = TypeVar("J")
R = TypeVar("R")
J_contra = TypeVar("J_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Worker(Protocol[J_contra, R_co]):
    """Made once per process; whatever goes wrong in a job is a part of its result."""

    @property
    def computes_with(self) -> Mapping[str, str]:
        """What can change its figures, such as versions of libraries, by name."""
        ...

    def run(self, job: J_contra) -> R_co:
        """Carry a job out."""
        ...


MakeWorker = Callable[[], Worker[J, R]]
"""Makes a worker in the process where it works; can be pickled."""


@dataclass(frozen=True)
class Ready:
    """A worker has started and waits for a job.

    Attributes:
        computes_with: See :attr:`Worker.computes_with`.
    """

    computes_with: Mapping[str, str]


@dataclass(frozen=True)
class Died:
    """A worker is gone.

    Attributes:
        reason: How it ended.
    """

    reason: str


@dataclass(frozen=True)
class Result(Generic[R_co]):
    """A worker has done its job.

    Attributes:
        value: What came of it.
    """

    value: R_co


class Crew(Protocol[J_contra, R_co]):
    """Workers elsewhere. A hired worker replies once when it is ready, and then once to each job."""

    def hire(self) -> int:
        """Begin to start a worker, and return its number."""
        ...

    def give(self, member: int, job: J_contra) -> None:
        """Hand a job to a worker that has none."""
        ...

    def receive(self) -> tuple[int, Ready | Died | Result[R_co]]:
        """Wait for the next reply of any worker."""
        ...

    def dismiss(self, member: int) -> None:
        """Let an idle worker go."""
        ...

    def close(self) -> None:
        """End all workers, whatever they do."""
        ...


class CrewError(ZsxaiError, OSError):
    """Workers do not start, or not as they should."""


def run_alone(make: MakeWorker[J, R], jobs: Iterable[J]) -> Iterator[tuple[J, R]]:
    """Carry jobs out in this process."""
    worker = make()
    for job in jobs:
        yield job, worker.run(job)


def run_on_crew(
    crew: Crew[J, R], size: int, jobs: Iterable[J], *, lost: Callable[[J, str], R], computes_with: Mapping[str, str]
) -> Iterator[tuple[J, R]]:
    """Hand jobs to a crew as its workers become free; when a worker dies, its job is begun anew.

    Args:
        crew: Closed in the end, and if anything is raised.
        size: Workers at a time.
        jobs: Taken one by one, each when a worker is free for it.
        lost: What comes of a job whose worker died :data:`TRIES` times, from the job and the reason.
        computes_with: What this process computes with.

    Yields:
        Jobs with their results, in the order in which they are done.

    Raises:
        CrewError: If workers die before they are ready, or compute with something else than this process: their figures
            would be kept under names that say otherwise.
    """
    remaining, again = enumerate(jobs), deque[tuple[int, J]]()
    tries: Counter[int] = Counter()
    stillborn = 0
    try:
        given: dict[int, tuple[int, J] | None] = {crew.hire(): None for _ in range(size)}
        following = next(remaining, None)
        # Workers that are still about to start are not waited for when the others have done everything.
        while following or again or any(given.values()):
            member, reply = crew.receive()
            had = given.pop(member)
            if isinstance(reply, Died):
                stillborn = stillborn + 1 if had is None else 0
                if stillborn == TRIES:
                    raise CrewError(f"workers do not start: {reply.reason}")
                given[crew.hire()] = None
                if had is not None:
                    number, job = had
                    tries[number] += 1
                    if tries[number] < TRIES:
                        again.append(had)
                    else:
                        yield job, lost(job, f"the worker died {TRIES} times: {reply.reason}")
                continue
            stillborn = 0
            if isinstance(reply, Ready):
                _check_same(reply.computes_with, computes_with)
            if again:
                given[member] = again.popleft()
            elif following:
                given[member], following = following, next(remaining, None)
            if new := given.get(member):
                crew.give(member, new[1])
            else:
                crew.dismiss(member)
            if had is not None and isinstance(reply, Result):
                yield had[1], reply.value
    finally:
        crew.close()


def _check_same(theirs: Mapping[str, Any], ours: Mapping[str, str]) -> None:
    for name, value in ours.items():
        if theirs.get(name) != value:
            raise CrewError(
                f"a worker has {name} {theirs.get(name)} and the driver {value}: install the same everywhere, and "
                "change nothing while a run is under way"
            )


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_workers(threads: int) -> int:
    """As many workers as this process's cores and free memory allow, at least one."""
    fitting = count_cores() // threads
    with contextlib.suppress(ValueError, OSError, AttributeError):
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        fitting = min(fitting, free // MEMORY)
    return max(1, fitting)
