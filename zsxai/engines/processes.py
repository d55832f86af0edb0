"""A crew on this machine: one process per worker."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any, Generic

from zsxai.engines.crew import Died, J, MakeWorker, R, Ready, Result
from zsxai.engines.gpus import VARIABLE, deal

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Processes(Generic[J, R]):
    """A :class:`~zsxai.engines.crew.Crew` of processes, which end with the process that hired them.

    Args:
        make: Makes the worker.
        threads: Threads of the libraries that each process computes with.
        gpus: Dealt out to the processes, which see no other; each sees all that this process sees where there are none.
    """

    def __init__(self, make: MakeWorker[J, R], threads: int, gpus: Sequence[str] = ()) -> None:
        self._make = pickle.dumps(make)
        self._threads = threads
        self._context = get_context("spawn")
        self._hired = 0
        self._gpus = gpus
        self._members: dict[int, tuple[Connection, Any]] = {}
        self._has: dict[int, str] = {}

    def hire(self) -> int:
        """Start a process."""
        pipe, its_end = self._context.Pipe()
        process = self._context.Process(target=serve, args=(its_end, self._make), daemon=True)
        self._hired += 1
        variables = dict.fromkeys(VARIABLES, str(self._threads))
        if self._gpus:
            gpu = deal(self._gpus, (self._has[member] for member in self._members))
            variables[VARIABLE] = self._has[self._hired] = gpu
        with _without_main(), _without_interrupts(), _with_variables(variables):
            process.start()
        its_end.close()
        self._members[self._hired] = (pipe, process)
        return self._hired

    def give(self, member: int, job: J) -> None:
        """Send a job."""
        with contextlib.suppress(OSError):  # It has just died; its reply will say so.
            self._members[member][0].send(job)

    def receive(self) -> tuple[int, Ready | Died | Result[R]]:
        """Wait for a message, or for the end of a pipe."""
        pipes = {pipe: member for member, (pipe, _) in self._members.items()}
        pipe = wait(list(pipes))[0]
        member = pipes[pipe]  # type: ignore[index]
        try:
            reply: Ready | Died | Result[R] = self._members[member][0].recv()
        except (EOFError, OSError):
            process = self._members[member][1]
            process.join()
            reply = Died(_describe_end(process.exitcode))
        if isinstance(reply, Died):
            self.dismiss(member)
        return member, reply

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
    """Carry jobs out until the pipe is closed: what a process of :class:`Processes` does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        worker = pickle.loads(make)()  # noqa: S301 (from the process that started this one)
    except Exception as error:
        pipe.send(Died(f"{type(error).__name__}: {error}"))
        return
    pipe.send(Ready(worker.computes_with))
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send(Result(worker.run(pipe.recv())))


def _end_with_parent() -> None:
    """End when the parent does: a driver that was killed cannot tell its workers, which would finish their job."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _describe_end(code: int | None) -> str:
    if code is None or code >= 0:
        return f"it ended with {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the caller's script: workers need nothing of it, and would run it anew where nothing guards it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block Ctrl-C, which reaches every process of a terminal: workers inherit the block, and are ended by us."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Starting the tracker, which the first process does otherwise, unblocks what is blocked.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _with_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment that libraries read as they are loaded."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
