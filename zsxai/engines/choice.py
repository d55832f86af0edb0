"""Which engine carries jobs out, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from zsxai.engines.crew import J, MakeWorker, R, run_alone, run_on_crew
from zsxai.engines.gpus import gpus_for
from zsxai.engines.processes import Processes
from zsxai.errors import InputError
from zsxai.extras import need

ENGINES = ("local", "ray")


def check_engine(engine: str, workers: int | None, address: str | None) -> None:
    """Check that there is such an engine and that it is installed.

    Raises:
        InputError: If not.
    """
    if engine not in ENGINES:
        raise InputError(f"an engine is {' or '.join(ENGINES)}, not {engine!r}")
    if workers is not None and workers < 1:
        raise InputError(f"workers are at least 1, not {workers}")
    if engine == "ray":
        need("scale", "ray")
    elif address is not None:
        raise InputError("an address is that of a Ray cluster: it goes with the engine ray")


def run_jobs(
    make: MakeWorker[J, R],
    jobs: Iterable[J],
    most: int,
    *,
    lost: Callable[[J, str], R],
    computes_with: Mapping[str, str],
    engine: str = "local",
    workers: int | None = None,
    threads: int = 1,
    address: str | None = None,
    device: str | None = None,
) -> Iterator[tuple[J, R]]:
    """Carry jobs out.

    Args:
        make: Makes a worker.
        jobs: The jobs, taken one by one.
        most: So many there are at most: no more workers are started.
        lost: See :func:`~zsxai.engines.crew.run_on_crew`.
        computes_with: See :func:`~zsxai.engines.crew.run_on_crew`.
        engine: ``local`` (this process, or processes of this machine where there are several workers) or ``ray``.
        workers: How many; of ``ray`` as many as there is room for where None, else one.
        threads: Threads of each worker.
        address: Address of a Ray cluster.
        device: Torch device; on ``cuda`` each worker of a Ray cluster gets a GPU of its own, and where this machine has
            several, they are dealt out to its processes.

    Yields:
        Jobs with their results, in the order in which they are done.
    """
    if engine == "ray":
        from zsxai.engines.ray_engine import Cluster

        cluster: Cluster[J, R] = Cluster(make, threads=threads, workers=workers, address=address, device=device)
        return run_on_crew(cluster, min(cluster.size, most), jobs, lost=lost, computes_with=computes_with)
    size = min(workers or 1, most)
    if size <= 1:
        return run_alone(make, jobs)
    return run_on_crew(Processes(make, threads, gpus_for(device)), size, jobs, lost=lost, computes_with=computes_with)
