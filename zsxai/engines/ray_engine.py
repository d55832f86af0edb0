"""A crew in a Ray cluster: the caller's, a given one, or one of this machine that lives as long as the run."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Generic

from zsxai.engines.crew import Died, J, MakeWorker, R, Ready, Result, count_workers
from zsxai.errors import InputError

OBJECTS = 100 * 2**20
"""Bytes of a local cluster's object store; results are small and travel one job at a time."""


class Member:
    """A worker in a process of the cluster."""

    def __init__(self, make: MakeWorker[Any, Any]) -> None:
        self._worker = make()

    def ready(self) -> Ready:
        """Say what this process computes with."""
        return Ready(self._worker.computes_with)

    def run(self, job: Any) -> Result[Any]:
        """Carry a job out."""
        return Result(self._worker.run(job))


class Cluster(Generic[J, R]):
    """Ray actors as a :class:`~zsxai.engines.crew.Crew`.

    Args:
        make: Makes the worker.
        threads: CPUs per worker.
        workers: How many; as many as the cluster or this machine has room for where None.
        address: Address of a cluster; where None, the one that the caller is connected to, or a local one.
        device: Torch device; on ``cuda`` each worker gets a GPU of its own.

    Raises:
        InputError: If the cluster cannot be reached or has no room for a worker.
    """

    def __init__(
        self, make: MakeWorker[J, R], *, threads: int, workers: int | None, address: str | None, device: str | None
    ) -> None:
        import ray

        if device is not None and device.startswith("cuda:"):
            raise InputError("Ray chooses the GPU of each worker: say cuda, without a number")
        self._ray: Any = ray  # Many of its functions have no types.
        self._make = make
        self._needs = {"num_cpus": threads, "num_gpus": 1 if device == "cuda" else 0}
        self._ours = not ray.is_initialized()
        self._hired = 0
        self._members: dict[int, Any] = {}
        self._calls: dict[Any, int] = {}
        if self._ours:
            with _keep_sigterm_handler():
                self._connect(address, (workers or count_workers(threads)) * threads)
        elif address is not None:
            raise InputError("this process is connected to a Ray cluster already: leave the address out")
        try:
            self.size = self._find_room(workers)
        except BaseException:
            self.close()
            raise

    def _connect(self, address: str | None, cpus: int) -> None:
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            if address is not None:
                self._ray.init(address=address, **quiet)
                return
            with _private_token():
                self._ray.init(
                    address="local", num_cpus=cpus, include_dashboard=False, object_store_memory=OBJECTS, **quiet
                )
        except Exception as error:
            where = f"the Ray cluster at {address}" if address else "a local Ray cluster"
            raise InputError(f"{where} does not answer: {' '.join(str(error).split())}") from error

    def _find_room(self, workers: int | None) -> int:
        resources = self._ray.cluster_resources()
        cpus, gpus = self._needs["num_cpus"], self._needs["num_gpus"]
        room = int(resources.get("CPU", 0)) // cpus
        if gpus:
            room = min(room, int(resources.get("GPU", 0)))
        wanted = 1 if workers is None else workers
        if room < wanted:
            raise InputError(
                f"the Ray cluster has room for {room} workers with {cpus} CPUs{' and a GPU' if gpus else ''} each, "
                f"not for {wanted}"
            )
        return workers or room

    def hire(self) -> int:
        """Start an actor."""
        # We restart workers ourselves: an actor that Ray restarts would have lost its job without a word.
        options = {**self._needs, "max_restarts": 0, "max_task_retries": 0}
        actor = self._ray.remote(Member).options(**options).remote(self._make)
        self._hired += 1
        self._members[self._hired] = actor
        self._calls[actor.ready.remote()] = self._hired
        return self._hired

    def give(self, member: int, job: J) -> None:
        """Send a job."""
        self._calls[self._members[member].run.remote(job)] = member

    def receive(self) -> tuple[int, Ready | Died | Result[R]]:
        """Wait for an actor."""
        (call,), _ = self._ray.wait(list(self._calls), num_returns=1)
        member = self._calls.pop(call)
        try:
            return member, self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            self.dismiss(member)
            return member, Died(" ".join(str(error).split()))

    def dismiss(self, member: int) -> None:
        """End an actor."""
        self._ray.kill(self._members.pop(member))

    def close(self) -> None:
        """End the actors, and the cluster where it is ours."""
        for member in list(self._members):
            self.dismiss(member)
        self._calls.clear()
        if self._ours:
            self._ray.shutdown()


@contextlib.contextmanager
def _keep_sigterm_handler() -> Iterator[None]:
    """Ray makes SIGTERM end this process at once; the caller may have set a handler of its own."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@lru_cache(maxsize=1)
def _draw_secret() -> str:
    """Draw one per process: Ray reads it once."""
    return secrets.token_hex(32)


@contextlib.contextmanager
def _private_token() -> Iterator[None]:
    """Only this process may talk to its local cluster; left to itself, Ray puts a token into the home folder."""
    if {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        yield
        return
    os.environ["RAY_AUTH_TOKEN"] = _draw_secret()
    try:
        yield
    finally:
        del os.environ["RAY_AUTH_TOKEN"]
