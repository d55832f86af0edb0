"""Who carries units out: this process, or a crew of processes that may die, wherever they work."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any, NamedTuple, Protocol, Self

from zsxai.benchmarks.run.identity import own_code
from zsxai.benchmarks.run.plan import Unit
from zsxai.benchmarks.run.worker import Measured
from zsxai.benchmarks.tasks.base import Failure, Place
from zsxai.errors import ZsxaiError
from zsxai.versions import versions

TRIES = 3
"""How often a unit is begun whose worker dies, and how many workers in a row may die before they are ready."""
MEMORY = 2 * 2**30
"""Bytes that a worker is thought to need, where their number is not given."""


class Job(NamedTuple):
    """What a worker is given.

    Attributes:
        unit: The unit.
        places: Those of its cells that are missing.
    """

    unit: Unit
    places: tuple[Place, ...]


class Work(Protocol):
    """What carries jobs out; :class:`~zsxai.benchmarks.run.worker.Worker`."""

    def run(self, unit: Unit, places: Sequence[Place]) -> list[Measured]:
        """Measure places of a unit, in their order."""
        ...


Make = Callable[[], Work]
"""Makes a worker where it works; can be pickled."""
Done = tuple[Job, list[Measured]]


@dataclass(frozen=True)
class Ready:
    """A worker is there and waits.

    Attributes:
        computes_with: Versions of the libraries there, and a hash of our own source.
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
        reason: How.
    """

    reason: str


Reply = Ready | Died | list[Measured]


class Crew(Protocol):
    """Workers elsewhere. One that was hired replies once that it is ready, and then once to each job."""

    def hire(self) -> int:
        """Begin to start a worker, and say what it is called from now on."""
        ...

    def give(self, member: int, job: Job) -> None:
        """Hand a job to a worker that has none."""
        ...

    def reply(self) -> tuple[int, Reply]:
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


def here(make: Make, jobs: Iterable[Job]) -> Iterator[Done]:
    """Carry jobs out in this process."""
    worker = make()
    for job in jobs:
        yield job, worker.run(job.unit, job.places)


def lead(crew: Crew, size: int, jobs: Iterable[Job]) -> Iterator[Done]:
    """Hand jobs to a crew as its workers get free; a worker that dies costs the job that it had, which is begun anew.

    Args:
        crew: Closed in the end, and if anything is raised.
        size: Workers at a time.
        jobs: Taken one by one, each when a worker is free for it.

    Yields:
        Jobs with what came of them, in the order in which they are done. A job whose worker died :data:`TRIES` times
        has failed.

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
            member, reply = crew.reply()
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
                        yield job, [_lost(reply.reason)] * len(job.places)
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


def _lost(reason: str) -> Measured:
    return Measured([], [Failure("", f"the worker died {TRIES} times: {reason}")], 0.0)


class Processes:
    """A crew on this machine: one process per worker, which ends with the process that hired it.

    Args:
        make: Makes the worker.
        threads: Of the libraries that each process computes with.
    """

    def __init__(self, make: Make, threads: int) -> None:
        self._make = pickle.dumps(make)
        self._threads = threads
        self._context = get_context("spawn")
        self._hired = 0
        self._members: dict[int, tuple[Connection, Any]] = {}

    def hire(self) -> int:
        """Start a process."""
        pipe, its_end = self._context.Pipe()
        process = self._context.Process(target=serve, args=(its_end, self._make), daemon=True)
        with _main_left_out(), _interrupts_blocked(), _thread_variables(self._threads):
            process.start()
        its_end.close()
        self._hired += 1
        self._members[self._hired] = (pipe, process)
        return self._hired

    def give(self, member: int, job: Job) -> None:
        """Send a job."""
        with contextlib.suppress(OSError):  # It has just died; its reply will say so.
            self._members[member][0].send(job)

    def reply(self) -> tuple[int, Reply]:
        """Wait for a message, or for the end of a pipe."""
        pipes = {pipe: member for member, (pipe, _) in self._members.items()}
        pipe = wait(list(pipes))[0]
        member = pipes[pipe]  # type: ignore[index]
        try:
            said: Reply = self._members[member][0].recv()
        except (EOFError, OSError):
            process = self._members[member][1]
            process.join()
            said = Died(_ending(process.exitcode))
        if isinstance(said, Died):
            self.dismiss(member)
        return member, said

    def dismiss(self, member: int) -> None:
        """Close its pipe, at which it ends."""
        self._members.pop(member)[0].close()

    def close(self) -> None:
        """Kill what is left: workers keep nothing that could be lost."""
        for pipe, process in self._members.values():
            process.kill()
            process.join()
            pipe.close()
        self._members.clear()


def serve(pipe: Connection, make: bytes) -> None:
    """What a process of :class:`Processes` does: carry jobs out until the pipe is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        worker: Work = pickle.loads(make)()  # noqa: S301 (from the process that started this one)
    except Exception as error:
        pipe.send(Died(f"{type(error).__name__}: {error}"))
        return
    pipe.send(Ready.of_this_process())
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            job: Job = pipe.recv()
            pipe.send(worker.run(job.unit, job.places))


def _end_with_parent() -> None:
    """A driver that was killed cannot tell its workers; they would go on for the length of a unit."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"it ended with {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


@contextlib.contextmanager
def _main_left_out() -> Iterator[None]:
    """Workers need nothing of the caller's script, and would run it anew where it has no ``__main__`` guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal; what starts here inherits that it does not, and is ended by us."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Starting it, which the first process does otherwise, unblocks what is blocked.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@contextlib.contextmanager
def _thread_variables(threads: int) -> Iterator[None]:
    """Libraries read these as they are loaded."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(dict.fromkeys(VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def default_workers(threads: int) -> int:
    """As many as this process may use cores and the memory carries, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    fitting = cores // threads
    with contextlib.suppress(ValueError, OSError, AttributeError):
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        fitting = min(fitting, free // MEMORY)
    return max(1, fitting)
