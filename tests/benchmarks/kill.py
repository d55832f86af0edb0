"""Kill a run of a suite again and again, let it end, and compare what it kept with an uninterrupted run.

    python tests/benchmarks/kill.py --suite smoke --times 20
    python tests/benchmarks/kill.py --suite smoke --times 20 --engine ray --workers 2

The engine ``local`` has its driver killed (SIGKILL) at a random moment and is started again on the same folder; with
``ray`` (and with ``--victim worker``) a worker process is killed while the driver lives. Ends with 1 where a byte of
the tables differs. Finds processes in ``/proc``, so Linux only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

COMMAND = [sys.executable, "-c", "import sys; from zsxai.cli import main; sys.exit(main())", "bench"]


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def cells(out: Path) -> int:
    """How many cells are kept so far."""
    if not (out / "results.sqlite").is_file():
        return 0
    with closing(sqlite3.connect(out / "results.sqlite", timeout=60)) as store, suppress(sqlite3.OperationalError):
        return int(store.execute("SELECT count(*) FROM cells").fetchone()[0])
    return 0  # killed before the tables were made


def kept(out: Path) -> str:
    """Hash of all that is stored, timings apart."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(out / "results.sqlite")) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for table in ("cells", "rows", "failures"):
            for row in store.execute(f"SELECT * FROM {table} ORDER BY 1, 2"):  # noqa: S608
                digest.update(repr(row).encode())
    return digest.hexdigest()


def tables_of(out: Path) -> dict[str, bytes]:
    """All that a run gives, timings apart: what is stored, and tables as ``zsxai bench export`` writes them."""
    found = {"store": kept(out).encode()}
    with tempfile.TemporaryDirectory() as folder:
        for name, options in {"rows.csv": ["--rows"], "table.csv": []}.items():
            to = Path(folder) / name
            command = [*COMMAND, "export", str(out), "--to", str(to), *options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            found[name] = to.read_bytes()
    return found


whole_kept: dict[str, bytes] = {}
"""Of the uninterrupted run."""


def compared(out: Path) -> None:
    """Ends with 1 where a run that was killed has given something else than the one that was not."""
    for name, content in tables_of(out).items():
        if content != whole_kept[name]:
            raise SystemExit(f"{name}: DIFFERS from that of the uninterrupted run")
        say(f"{name}: the same {len(content)} bytes")


def workers_of(driver: int) -> list[int]:
    """Processes below a driver that carry units out: Ray's actors, or those of our own engine."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(entry.name)] = (entry / "cmdline").read_text(errors="replace").replace("\0", " ")
    found = []
    for pid, command in commands.items():
        above = pid
        while above in parents and above != driver:
            above = parents[above]
        ours = command.startswith("ray::Member") or "multiprocessing.spawn" in command
        if above == driver and ours:
            found.append(pid)
    return sorted(found)


def start(arguments: argparse.Namespace, out: Path) -> subprocess.Popen[bytes]:
    command = [*COMMAND, "run", arguments.suite, "--out", str(out), "--engine", arguments.engine]
    command += [] if arguments.workers is None else ["--workers", str(arguments.workers)]
    command += [] if arguments.limit is None else ["--limit", str(arguments.limit)]
    for pair in arguments.data:
        command += ["--data", pair]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, error = process.communicate()
    if process.returncode:
        raise SystemExit(f"a run ended with {process.returncode}: {error.decode()}")


def kill_drivers(arguments: argparse.Namespace, out: Path, begin: float, whole: float, chance: random.Random) -> None:
    """Each run is killed as it starts, or once it has done some part of what is left, so that none gets to the end."""
    total = cells(out.with_name("whole"))
    killed = 0
    while killed < arguments.times:
        before = cells(out)
        target = before + int(chance.uniform(-1.0, 1.5) * (total - before) / (arguments.times - killed + 1))
        process = start(arguments, out)
        since = time.monotonic()
        if target <= before:  # in its first steps, at the latest when something new is kept
            moment = since + chance.uniform(0, begin)
            while time.monotonic() < moment and cells(out) == before and process.poll() is None:
                time.sleep(0.02)
        else:
            while cells(out) < target and process.poll() is None:
                time.sleep(0.02)
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, (whole - begin) / total))
        if process.poll() is not None:
            finish(process)
            say("  a run came to its end before it was killed, and does not count")
            continue
        process.kill()
        process.communicate()
        killed += 1
        say(f"kill {killed}: after {time.monotonic() - since:.2f} s, {cells(out)} of {total} cells kept")
    finish(start(arguments, out))


def kill_workers(arguments: argparse.Namespace, out: Path, begin: float, whole: float, chance: random.Random) -> None:
    """A worker that dies may not end the run; where one has died too often for a unit, the next run does that unit."""
    killed = 0
    while killed < arguments.times:
        if killed:
            say("  a run ended before all were killed: the next one begins with nothing")
            compared(out)
            for path in out.iterdir():
                path.unlink()
        process = start(arguments, out)
        while process.poll() is None and killed < arguments.times:
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, (whole - begin) / 4))
            victims = workers_of(process.pid)
            if victims and process.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(victims), signal.SIGKILL)
                    killed += 1
                    say(f"worker {killed}: killed one of {len(victims)}, {cells(out)} cells kept")
        process.communicate()
        if process.returncode:
            say(f"  the run ended with {process.returncode}, the next one tries again what failed")
            finish(start(arguments, out))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="smoke")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--victim", choices=["driver", "worker"], default=None)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--data", action="append", default=[])
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    say(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as folder:
        whole_out, killed_out = Path(folder) / "whole", Path(folder) / "killed"
        since = time.monotonic()
        process = start(arguments, whole_out)
        while process.poll() is None and not cells(whole_out):
            time.sleep(0.05)
        begin = time.monotonic() - since
        finish(process)
        whole = time.monotonic() - since
        say(f"uninterrupted: {cells(whole_out)} cells, the first after {begin:.1f} s, all after {whole:.1f} s")
        victim = arguments.victim or ("worker" if arguments.engine == "ray" else "driver")
        whole_kept.update(tables_of(whole_out))
        (kill_drivers if victim == "driver" else kill_workers)(arguments, killed_out, begin, whole, chance)
        compared(killed_out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
