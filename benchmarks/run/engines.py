"""Who carries units out: this process, or a crew of workers elsewhere, any of which may die."""

from __future__ import annotations

import contextlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

from zsxai.benchmarks.run.identity import own_code
from zsxai.benchmarks.run.plan import Unit
from zsxai.benchmarks.run.worker import Measured, Worker
from zsxai.benchmarks.tasks.base import Failure, Place
from zsxai.errors import ZsxaiError
from zsxai.versions import versions

TRIES = 3
"""How often a unit is begun whose worker dies, and how many workers in a row may die before they are ready."""
MEMORY = 2 * 2**30
"""Bytes that a worker is assumed to need, where the number of workers is not set."""


class Job(NamedTuple):
    """What a worker is given.

    Attributes:
        unit: The unit.
        places: Those of its cells that are missing.
    """

    unit: Unit
    places: tuple[Place, ...]


MakeWorker = Callable[[], Worker]
"""Makes a worker in the process where it works; can be pickled."""
Done = tuple[Job, list[Measured]]


@dataclass(frozen=True)
class Ready:
    """A worker has started and waits for a job.

    Attributes:
        computes_with: Versions of its libraries, and a hash of its copy of our own source.
    """

    computes_with: Mapping[str, str]

    @classmethod
    def of_this_process(cls) -> Self:
        """What this process computes with."""
        return cls({**versions(), "zsxai's source": own_code()[:12]})


@dataclass(frozen=True)
class Died:
    """A worker is gone.

    Attributes:
        reason: How it ended.
    """

    reason: str


Reply = Ready | Died | list[Measured]


class Crew(Protocol):
    """Workers elsewhere. A hired worker replies once when it is ready, and then once to each job."""

    def hire(self) -> int:
        """Begin to start a worker, and return its number."""
        ...

    def give(self, member: int, job: Job) -> None:
        """Hand a job to a worker that has none."""
        ...

    def receive(self) -> tuple[int, Reply]:
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


def run_alone(make: MakeWorker, jobs: Iterable[Job]) -> Iterator[Done]:
    """Carry jobs out in this process."""
    worker = make()
    for job in jobs:
        yield job, worker.run(job.unit, job.places)


def run_on_crew(crew: Crew, size: int, jobs: Iterable[Job]) -> Iterator[Done]:
    """Hand jobs to a crew as its workers become free; when a worker dies, its job is begun anew.

    Args:
        crew: Closed in the end, and if anything is raised.
        size: Workers at a time.
        jobs: Taken one by one, each when a worker is free for it.

    Yields:
        Jobs with their results, in the order in which they are done. A job whose worker died :data:`TRIES` times has
        failed.

    Raises:
        CrewError: If workers die before they are ready, or compute with something else than this process: their figures
            would be kept under keys that say otherwise.
    """
    remaining, again = iter(jobs), deque[Job]()
    tries: Counter[Job] = Counter()
    stillborn = 0
    try:
        given: dict[int, Job | None] = {crew.hire(): None for _ in range(size)}
        following = next(remaining, None)
        # Workers that are still about to start are not waited for when the others have done everything.
        while following or again or any(given.values()):
            member, reply = crew.receive()
            job = given.pop(member)
            if isinstance(reply, Died):
                stillborn = stillborn + 1 if job is None else 0
                if stillborn == TRIES:
                    raise CrewError(f"workers do not start: {reply.reason}")
                given[crew.hire()] = None
                if job is not None:
                    tries[job] += 1
                    if tries[job] < TRIES:
                        again.append(job)
                    else:
                        yield job, [_lose(reply.reason)] * len(job.places)
                continue
            stillborn = 0
            if isinstance(reply, Ready):
                _check_same(reply)
            if again:
                given[member] = again.popleft()
            elif following:
                given[member], following = following, next(remaining, None)
            if new := given.get(member):
                crew.give(member, new)
            else:
                crew.dismiss(member)
            if job is not None and not isinstance(reply, Ready):
                yield job, reply
    finally:
        crew.close()


def _check_same(ready: Ready) -> None:
    for name, ours in Ready.of_this_process().computes_with.items():
        theirs = ready.computes_with.get(name)
        if theirs != ours:
            raise CrewError(
                f"a worker has {name} {theirs} and the driver {ours}: install the same everywhere, and change nothing "
                "while a run is under way"
            )


def _lose(reason: str) -> Measured:
    return Measured([], [Failure("", f"the worker died {TRIES} times: {reason}")], 0.0)


def count_workers(threads: int) -> int:
    """As many workers as this process's cores and free memory allow, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    fitting = cores // threads
    with contextlib.suppress(ValueError, OSError, AttributeError):
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        fitting = min(fitting, free // MEMORY)
    return max(1, fitting)
