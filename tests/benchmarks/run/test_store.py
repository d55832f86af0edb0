"""A cell is whole or absent, whatever happens; figures come back as they went in."""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from zsxai.benchmarks.run.plan import PlannedCell, Unit
from zsxai.benchmarks.run.store import FILE, FORMAT, Store
from zsxai.benchmarks.run.worker import Measured
from zsxai.benchmarks.tasks.base import Failure, Row
from zsxai.errors import InputError


def cell(number: int, explainer: str = "gradcam") -> PlannedCell:
    unit = Unit(0, "tiny", "d", 0, 0, number, number + 1)
    at = ("faithfulness", "tiny", "d", "clean", 0, explainer, "stft", "log")
    return PlannedCell(f"{number}-{explainer}", *at, unit=unit, description={"b": 1, "a": "é"})  # type: ignore[arg-type]


def row(item: str = "clip", **figures: object) -> Row:
    return Row(item, ("r1", "r2"), "dog", "the sound of dog", "own", "sqrt", figures, {"correct": True})  # type: ignore[arg-type]


def measured(*rows: Row, failures: tuple[Failure, ...] = (), seconds: float = 1.5) -> Measured:
    return Measured(list(rows), list(failures), seconds, {"harness": 3})


def rows_of(folder: Path) -> list[object]:
    with closing(sqlite3.connect(folder / FILE)) as store:
        tables = ("cells", "rows", "failures")
        return [line for t in tables for line in store.execute(f"SELECT * FROM {t} ORDER BY 1, 2")]  # noqa: S608


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    figures = {
        "tenth": 0.1,
        "ugly": float(np.nextafter(1 / 3, 1)),
        "tiny": 5e-324,
        "float32": np.float32(0.1),
        "whole": np.int64(3),
        "nan": math.nan,
        "up": math.inf,
        "down": -math.inf,
        "curve": np.array([1.0, math.nan, 0.1]),
        "none": [],
    }
    with Store(tmp_path, write=True) as store:
        store.put([(cell(0), measured(row(**figures), row("other", x=-0.0), failures=(Failure("third", "E: é"),)))])
    (found,) = Store(tmp_path).read(["0-gradcam"])
    first, second = found.rows
    assert first.figures["tenth"] == 0.1
    assert first.figures["ugly"] == figures["ugly"]
    assert first.figures["tiny"] == 5e-324
    assert first.figures["float32"] == float(np.float32(0.1))
    assert first.figures["whole"] == 3.0
    assert math.isnan(first.figures["nan"])  # type: ignore[arg-type]
    assert (first.figures["up"], first.figures["down"]) == (math.inf, -math.inf)
    np.testing.assert_array_equal(first.figures["curve"], [1.0, math.nan, 0.1])
    assert first.figures["none"] == []
    assert list(first.figures) == list(figures)
    assert math.copysign(1, second.figures["x"]) == -1  # type: ignore[arg-type]
    assert (first.sources, first.strata, first.item, second.item) == (("r1", "r2"), {"correct": True}, "clip", "other")
    assert found.failures == (Failure("third", "E: é"),)
    assert found.description == {"a": "é", "b": 1}
    assert (found.seconds, found.forwards) == (1.5, {"harness": 3})


def test_cells_come_in_the_order_of_the_keys(tmp_path: Path) -> None:
    store = Store(tmp_path, write=True)
    store.put([(cell(n), measured(row(str(n)))) for n in range(3)])
    keys = ["2-gradcam", "absent", "0-gradcam"]
    assert [found.key for found in store.read(keys)] == ["2-gradcam", "0-gradcam"]
    assert store.count_rows(keys) == 2
    assert store.finished(f"{n}-gradcam" for n in range(2000)) == {"0-gradcam", "1-gradcam", "2-gradcam"}


def test_a_cell_with_failures_is_replaced_and_a_whole_one_stays(tmp_path: Path) -> None:
    store = Store(tmp_path, write=True)
    store.put([(cell(0), measured(row("a"), row("b"), failures=(Failure("c", "first"),)))])
    assert store.finished(["0-gradcam"]) == set()
    assert store.failures(["0-gradcam"]) == [("0-gradcam", Failure("c", "first"))]
    store.put([(cell(0), measured(row("a"), failures=(Failure("b", "second"),)))])
    (found,) = store.read(["0-gradcam"])
    assert ([r.item for r in found.rows], [f.error for f in found.failures]) == (["a"], ["second"])
    store.put([(cell(0), measured(row("whole")))])
    store.put([(cell(0), measured(failures=(Failure("", "another run's worker died"),)))])
    (found,) = store.read(["0-gradcam"])
    assert ([r.item for r in found.rows], found.failures) == (["whole"], ())


def test_a_unit_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path, write=True)
    with pytest.raises(ValueError, match="could not convert"):
        store.put([(cell(0), measured(row(x=1.0))), (cell(1), measured(row(x="no number")))])
    assert rows_of(tmp_path) == []
    store.put([(cell(0), measured(row(x=1.0)))])
    assert store.finished(["0-gradcam"]) == {"0-gradcam"}


def test_stores_are_the_same_but_for_timings(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, order, seconds in ((one, (0, 1), 1.0), (two, (1, 0), 9.0)):
        folder.mkdir()
        store = Store(folder, write=True)
        for n in order:
            store.put([(cell(n), measured(row(str(n), x=1 / 3, y=math.nan), seconds=seconds))])
    assert rows_of(one) == rows_of(two)


def test_files_that_are_no_store(tmp_path: Path) -> None:
    def message(*, write: bool = True) -> str:
        with pytest.raises(InputError) as caught:
            Store(tmp_path, write=write)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    path = tmp_path / FILE
    assert "name the --out" in message(write=False)
    assert not path.exists()
    path.write_bytes(b"")
    assert "holds no results yet" in message(write=False)
    path.write_text("no database, but long enough to have a header" * 10, encoding="utf-8")
    assert "not a database" in message()
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE songs (title)")
    assert "another program's" in message()
    path.unlink()
    Store(tmp_path, write=True).close()
    with closing(sqlite3.connect(path)) as store:
        store.execute(f"PRAGMA user_version = {FORMAT + 1}")
    assert f"format {FORMAT + 1}" in message()
    path.unlink()
    path.mkdir()
    assert "cannot open" in message()


def test_a_store_with_broken_pages_is_one_line(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put([(cell(n), measured(row("x" * 300, x=n), failures=(Failure("y", "E"),))) for n in range(60)])
    path, keys = tmp_path / FILE, [f"{n}-gradcam" for n in range(60)]
    found = bytearray(path.read_bytes())
    size = int.from_bytes(found[16:18], "big")
    found[size:] = b"\xff" * (len(found) - size)  # all but the page with the tables' names
    path.write_bytes(found)
    store = Store(tmp_path)
    for reads in (store.read, store.finished, store.failures, store.count_rows):
        with pytest.raises(InputError, match=r"results\.sqlite cannot be read \(") as caught:
            reads(keys)
        assert "\n" not in str(caught.value)


def test_a_store_with_broken_text_is_one_line(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put([(cell(0), measured(row(x=1.0)))])
    with closing(sqlite3.connect(tmp_path / FILE)) as broken, broken:
        broken.execute("UPDATE rows SET figures = '{'")
    with pytest.raises(InputError, match=r"results\.sqlite cannot be read"):
        Store(tmp_path).read(["0-gradcam"])


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    Store(tmp_path, write=True).put([(cell(0), measured(row()))])
    tmp_path.chmod(0o500)
    try:
        assert len(Store(tmp_path).read(["0-gradcam"])) == 1
    finally:
        tmp_path.chmod(0o700)


WRITER = """
import sys
from pathlib import Path
from zsxai.benchmarks.run.plan import PlannedCell, Unit
from zsxai.benchmarks.run.store import Store
from zsxai.benchmarks.tasks.base import Row
from zsxai.benchmarks.run.worker import Measured

folder, first, last, rows = Path(sys.argv[1]), *map(int, sys.argv[2:])
store = Store(folder, write=True)
print("ready", flush=True)
for number in range(first, last):
    unit = Unit(0, "tiny", "d", 0, 0, number, number + 1)
    put = []
    for explainer in ("a", "b", "c"):
        at = ("faithfulness", "tiny", "d", "clean", 0, explainer, "stft", "log")
        cell = PlannedCell(f"{number}-{explainer}", *at, unit=unit, description={"n": number})
        lines = [Row(f"{i}", ("r",), "l", "p", "own", "c", {"x": i / 3, "n": number / 7}) for i in range(rows)]
        put.append((cell, Measured(lines, [], 0.0)))
    store.put(put)
    print(number, flush=True)
"""


def writer(folder: Path, first: int, last: int, rows: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(last), str(rows)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def whole_units(folder: Path, rows: int) -> set[str]:
    """Units that are there, after looking that nothing is there by halves."""
    with closing(sqlite3.connect(folder / FILE)) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store.execute("PRAGMA foreign_key_check").fetchall() == []
        there = dict(store.execute("SELECT key, (SELECT count(*) FROM rows WHERE rows.key = cells.key) FROM cells"))
        timed = {key for (key,) in store.execute("SELECT key FROM timings")}
    assert set(there.values()) <= {rows}
    assert timed == set(there)
    units = {key.partition("-")[0] for key in there}
    assert set(there) == {f"{unit}-{explainer}" for unit in units for explainer in "abc"}
    return units


def test_kill_in_the_middle_of_a_transaction(tmp_path: Path) -> None:
    seed = int(os.environ.get("ZSXAI_SEED", "0"))
    chance, rows = random.Random(seed), 1000
    hot = 0
    for attempt in range(4):
        process = writer(tmp_path, 1000 * attempt, 1000 * attempt + 1000, rows)
        assert process.stdout is not None
        for number in range(attempt):
            assert int(process.stdout.readline()) == 1000 * attempt + number
        time.sleep(chance.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, f"seed {seed}: the writer ended by itself"
        hot += (tmp_path / f"{FILE}-journal").exists()
        Store(tmp_path, write=True).close()
        whole_units(tmp_path, rows)
    assert hot, f"seed {seed}: no kill fell into a transaction, so this test has shown nothing"
    assert whole_units(tmp_path, rows)


def test_two_writers_at_once(tmp_path: Path) -> None:
    both = [writer(tmp_path, 0, 40, 20), writer(tmp_path, 20, 60, 20)]
    for process, numbers in zip(both, (range(40), range(20, 60)), strict=True):
        assert list(map(int, process.communicate()[0].split())) == list(numbers)
        assert process.returncode == 0
    assert whole_units(tmp_path, 20) == {str(n) for n in range(60)}
