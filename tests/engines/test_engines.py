"""Workers may die: what is done comes once, what was in flight is done again, and nothing else is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zsxai.engines import crew as engines
from zsxai.engines.crew import CrewError, Died, Ready, Result, run_alone, run_on_crew
from zsxai.engines.processes import Processes

DOUBLE = '''
import os, signal
from pathlib import Path

class Double:
    """Says what it did; is killed as it works on a job, as often as it is told to."""

    computes_with = {"arithmetic": "1"}

    def __init__(self, folder, fatal=-1, deaths=0):
        self.folder, self.fatal, self.deaths = Path(folder), fatal, deaths

    def run(self, job):
        begun = self.folder / f"{job}"
        tries = int(begun.read_text()) + 1 if begun.exists() else 1
        begun.write_text(str(tries))
        if job == self.fatal and tries <= self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return job / 3

def broken(*_):
    raise RuntimeError("no such model")

def quits(*_):
    os._exit(7)
'''


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that workers can import."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "doubles.py").write_text(DOUBLE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "code")
    paths = [str(tmp_path / "code"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))  # for Ray, whose workers get no sys.path
    monkeypatch.delitem(sys.modules, "doubles", raising=False)
    import doubles  # type: ignore[import-not-found]

    yield doubles
    sys.modules.pop("doubles", None)


SAME = {"arithmetic": "1"}


def lose(job: int, reason: str) -> str:
    return f"{job}: {reason}"


def on_crew(crew: Any, size: int, jobs: Iterable[int]) -> Iterator[tuple[int, Any]]:
    return run_on_crew(crew, size, jobs, lost=lose, computes_with=SAME)


def tries(folder: Path) -> dict[int, int]:
    return {int(p.name): int(p.read_text()) for p in folder.iterdir() if p.is_file()}


def test_a_killed_worker_costs_its_job_alone(double: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    main, mask = sys.modules["__main__"], signal.pthread_sigmask(signal.SIG_BLOCK, [])
    alone = dict(run_alone(partial(double.Double, str(tmp_path)), range(6)))
    for begun in tries(tmp_path):
        (tmp_path / str(begun)).unlink()
    done = list(on_crew(Processes(partial(double.Double, str(tmp_path), fatal=1, deaths=1), 1), 2, range(6)))
    assert len(done) == 6
    assert dict(done) == alone == {n: n / 3 for n in range(6)}
    assert tries(tmp_path) == {0: 1, 1: 2, 2: 1, 3: 1, 4: 1, 5: 1}
    assert sys.modules["__main__"] is main
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "MKL_NUM_THREADS" not in os.environ


def test_a_job_that_kills_every_worker_has_failed(double: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "TRIES", 2)
    done = dict(on_crew(Processes(partial(double.Double, str(tmp_path), fatal=1, deaths=99), 1), 1, range(4)))
    assert done == {0: 0.0, 1: "1: the worker died 2 times: killed by SIGKILL", 2: 2 / 3, 3: 1.0}
    assert tries(tmp_path)[1] == 2


def test_workers_that_do_not_start(double: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "TRIES", 1)
    with pytest.raises(CrewError, match="RuntimeError: no such model"):
        list(on_crew(Processes(double.broken, 1), 1, range(3)))
    with pytest.raises(CrewError, match="ended with 7"):
        list(on_crew(Processes(double.quits, 1), 1, range(3)))


def test_workers_of_other_code_are_refused(double: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAME, "arithmetic", "2")
    with pytest.raises(CrewError, match="arithmetic 1 and the driver 2"):
        list(on_crew(Processes(partial(double.Double, str(tmp_path)), 1), 1, range(3)))
    assert tries(tmp_path) == {}


class Script:
    """A crew whose replies are written down beforehand; a member that has nothing to say is never waited for."""

    def __init__(self, replies: list[tuple[int, object]]) -> None:
        self.replies, self.log, self.hired = replies, list[tuple[str, object]](), 0

    def hire(self) -> int:
        self.hired += 1
        return self.hired

    def give(self, member: int, job: int) -> None:
        self.log.append((f"give {member}", job))

    def receive(self) -> tuple[int, Any]:
        member, said = self.replies.pop(0)
        return member, READY if said == "ready" else Died("x") if said == "died" else Result(None)

    def dismiss(self, member: int) -> None:
        self.log.append(("dismiss", member))

    def close(self) -> None:
        self.log.append(("close", None))


READY = Ready(SAME)


def test_a_worker_that_is_late_is_not_waited_for() -> None:
    crew = Script([(1, "ready"), (1, "done"), (1, "done")])
    assert [job for job, _ in on_crew(crew, 2, range(2))] == [0, 1]
    assert crew.log == [("give 1", 0), ("give 1", 1), ("dismiss", 1), ("close", None)]


def test_a_job_in_flight_goes_to_the_next_free_worker() -> None:
    crew = Script([(1, "ready"), (2, "ready"), (1, "died"), (2, "done"), (2, "done"), (2, "done")])
    assert [job for job, _ in on_crew(crew, 2, range(3))] == [1, 0, 2]
    assert [entry for entry in crew.log if entry[0].startswith("give")] == [
        *(("give 1", 0), ("give 2", 1)),
        *(("give 2", 0), ("give 2", 2)),
    ]


def test_jobs_are_taken_when_somebody_is_free() -> None:
    taken = []

    def lazily() -> Iterator[int]:
        for job in range(9):
            taken.append(job)
            yield job

    crew = Script([(1, "ready"), (1, "done"), (1, "done")])
    done = on_crew(crew, 1, lazily())
    next(done)
    assert taken == [0, 1, 2]
    done.close()  # type: ignore[attr-defined]
    assert crew.log[-1] == ("close", None)


NO_GUARD = """
import sys
from functools import partial
from zsxai.engines.crew import run_on_crew
from zsxai.engines.processes import Processes
import doubles

print("once")
crew = Processes(partial(doubles.Double, sys.argv[1]), 1)
print(len(list(run_on_crew(crew, 2, range(3), lost=print, computes_with={}))))
"""


def test_a_script_without_a_guard(double: Any, tmp_path: Path) -> None:
    (tmp_path / "code" / "script.py").write_text(NO_GUARD, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "code" / "script.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("once\n3\n", 0), done.stderr


ORPHAN = """
import time
from functools import partial
from zsxai.engines.processes import Processes
import doubles
crew = Processes(partial(doubles.Double, "."), 1)
crew.hire()
crew.receive()
print(crew._members[1][1].pid, flush=True)
time.sleep(600)
"""


def test_workers_end_with_their_driver(double: Any, tmp_path: Path) -> None:
    driver = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    worker = int(driver.stdout.readline())
    os.kill(worker, 0)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    for _ in range(300):
        if not alive(worker):
            return
        time.sleep(0.1)
    pytest.fail("the worker outlived its driver by 30 s")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_a_ray_cluster_does_the_same(double: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    from zsxai.engines.ray_engine import Cluster

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)  # Ray puts the folder that it starts in before all others that are imported from
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    crew = Cluster(
        partial(double.Double, str(tmp_path), fatal=1, deaths=1), threads=1, workers=2, address=None, device=None
    )
    assert crew.size == 2
    done = dict(on_crew(crew, crew.size, range(6)))
    assert not ray.is_initialized(), "the local cluster is shut down"
    assert done == {n: n / 3 for n in range(6)}
    assert tries(tmp_path) == {0: 1, 1: 2, 2: 1, 3: 1, 4: 1, 5: 1}
    assert not list(home.iterdir()), "nothing is left in the home folder"
