"""A run keeps what it has, goes on where it stopped, and refuses what is not in order before it writes anything."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import zsxai
from tests.toys import ConvToy
from zsxai import benchmarks
from zsxai.benchmarks.run.folder import write_record
from zsxai.benchmarks.run.plan import Settings, Unit
from zsxai.benchmarks.run.runner import carry_out, choose, prepare
from zsxai.benchmarks.run.store import Store
from zsxai.benchmarks.run.worker import Job, Worker, lose
from zsxai.benchmarks.tasks.base import Place
from zsxai.errors import InputError
from zsxai.registry import MODELS

SUITE: dict[str, Any] = {
    "name": "toy",
    "data": {"sounds": {"reader": "synthetic", "options": {"clips_per_class": 1}}},
    "models": ["bench-toy"],
    "explainers": ["saliency"],
    "tasks": [{"kind": "faithfulness", "data": ["sounds"], "budgets": [], "heard": False}],
    "headline": {"task": "faithfulness", "metric": "faithfulness"},
    "batch": 2,
}
EXPLAINED = 5
"""Saliency and the four blind controls."""


@pytest.fixture(autouse=True)
def toy() -> Iterator[None]:
    zsxai.register_model("bench-toy", ConvToy())
    yield
    MODELS.unregister("bench-toy")


def kept(folder: Path) -> list[object]:
    with closing(sqlite3.connect(folder / "results.sqlite")) as store:
        tables = ("cells", "rows", "failures")
        return [line for t in tables for line in store.execute(f"SELECT * FROM {t} ORDER BY 1, 2")]  # noqa: S608


class Units(list[int]):
    """First items of the units that were measured."""


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> Units:
    seen = Units()
    real = Worker.run

    def run(self: Worker, job: Job) -> Any:
        seen.append(job.unit.start)
        return real(self, job)

    monkeypatch.setattr(Worker, "run", run)
    return seen


def test_a_unit_that_kills_every_worker_has_failed() -> None:
    job = Job(Unit(0, "m", "d", 0, 0, 0, 1), (Place("a", "stft", "log"), Place("b", "stft", "log")))
    assert [[f.error for f in cell.failures] for cell in lose(job, "killed")] == [["killed"], ["killed"]]


def test_a_run_is_done_once(tmp_path: Path, units: Units) -> None:
    out = tmp_path / "deep" / "out"
    result = benchmarks.run_suite(SUITE, out, limit=4)
    assert units == [0, 2]
    assert sorted(p.name for p in out.iterdir()) == ["results.sqlite", "suite.json"]
    assert not result.missing
    assert len(result.stored) == 2 * EXPLAINED
    before = kept(out)
    assert benchmarks.run_suite(SUITE, out, limit=4).suite == result.suite
    assert units == [0, 2]
    assert kept(out) == before


def test_a_larger_limit_measures_what_is_new(tmp_path: Path, units: Units) -> None:
    benchmarks.run_suite(SUITE, tmp_path / "out", limit=2)
    benchmarks.run_suite(SUITE, tmp_path / "out", limit=4)
    assert units == [0, 2]
    benchmarks.run_suite(SUITE, tmp_path / "whole", limit=4)
    assert kept(tmp_path / "out") == kept(tmp_path / "whole")


def test_an_interrupted_run_goes_on(tmp_path: Path, units: Units, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Store.put
    puts = []

    def put(self: Store, measured: Any) -> None:
        puts.append(len(measured))
        if len(puts) == 2:
            raise KeyboardInterrupt
        real(self, measured)

    monkeypatch.setattr(Store, "put", put)
    with pytest.raises(KeyboardInterrupt) as caught:
        benchmarks.run_suite(SUITE, tmp_path / "out", limit=6)
    (note,) = caught.value.__notes__
    assert note.startswith(f"{EXPLAINED} of {3 * EXPLAINED} cells are in {tmp_path / 'out'}")
    assert units == [0, 2]
    benchmarks.run_suite(SUITE, tmp_path / "out", limit=6)
    assert units == [0, 2, 2, 4]
    benchmarks.run_suite(SUITE, tmp_path / "whole", limit=6)
    assert kept(tmp_path / "out") == kept(tmp_path / "whole")


def test_only_missing_cells_of_a_unit_are_measured(tmp_path: Path) -> None:
    benchmarks.run_suite(SUITE, tmp_path / "out", limit=2)
    more = {**SUITE, "explainers": ["saliency", "input-x-gradient"]}
    prepared = prepare(choose(more), tmp_path / "out", limit=2)
    assert [cell.place.explainer for cell in prepared.missing] == ["input-x-gradient"]
    carry_out(prepared)
    benchmarks.run_suite(more, tmp_path / "whole", limit=2)
    assert kept(tmp_path / "out") == kept(tmp_path / "whole")


def test_what_another_run_has_done_meanwhile_is_not_done_again(tmp_path: Path, units: Units) -> None:
    prepared = prepare(choose(SUITE), tmp_path / "out", limit=6)
    benchmarks.run_suite(SUITE, tmp_path / "out", limit=4)
    assert units == [0, 2]
    assert len(prepared.missing) == 3 * EXPLAINED
    carry_out(prepared, progress=True)
    assert units == [0, 2, 4]


def test_what_fails_is_recorded_and_tried_again(tmp_path: Path, units: Units, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Worker._run

    def fails(self: Worker, unit: Any, places: Any) -> Any:
        if unit.start == 2 and len(units) == 2:
            raise RuntimeError("not\nthis unit")
        return real(self, unit, places)

    monkeypatch.setattr(Worker, "_run", fails)
    result = benchmarks.run_suite(SUITE, tmp_path / "out", limit=6)
    assert units == [0, 2, 4]
    errors = [failure.error for cell in result.stored.values() for failure in cell.failures]
    assert errors == ["RuntimeError: not this unit"] * EXPLAINED
    result = benchmarks.run_suite(SUITE, tmp_path / "out", limit=6)
    assert units == [0, 2, 4, 2]
    assert not any(cell.failures for cell in result.stored.values())
    benchmarks.run_suite(SUITE, tmp_path / "whole", limit=6)
    assert kept(tmp_path / "out") == kept(tmp_path / "whole")


def refused(out: Path, suite: Any = SUITE, **options: Any) -> str:
    """The line that a run is refused with; it has written nothing."""
    before = sorted(out.rglob("*")) if out.exists() else None
    with pytest.raises(InputError) as caught:
        benchmarks.run_suite(suite, out, **options)
    assert (sorted(out.rglob("*")) if out.exists() else None) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "limit is at least 1" in refused(out, limit=0)
    assert "workers are at least 1" in refused(out, workers=0)
    assert "local or ray" in refused(out, engine="slurm")
    assert "goes with the engine ray" in refused(out, address="auto")
    assert "no data set 'esc50'" in refused(out, data={"esc50": "x"})
    assert "unknown model" in refused(out, models=["nonesuch"])
    real = {**SUITE, "data": {"sounds": {"reader": "esc50"}}}
    assert (
        refused(out, real)
        == "the data set 'sounds' of the suite needs a folder: --data sounds=DIR, or --without sounds"
    )
    assert "no such folder" in refused(out, real, data={"sounds": tmp_path / "absent"})
    assert "no suite" in refused(out, "nonesuch")


def test_folders_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert "is no folder" in refused(tmp_path / "file")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x", encoding="utf-8")
    assert "holds thesis.tex" in refused(tmp_path / "mine")
    benchmarks.run_suite(SUITE, tmp_path / "out", limit=2)
    assert "suite 'toy', not of 'other'" in refused(tmp_path / "out", {**SUITE, "name": "other"})
    (tmp_path / "lone").mkdir()
    (tmp_path / "lone" / "suite.json").write_text("{", encoding="utf-8")
    assert "cannot be read as a run's record: choose another" in refused(tmp_path / "lone")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / ".suite.json.123").write_text("{", encoding="utf-8")
    benchmarks.run_suite(SUITE, tmp_path / "begun", limit=2)


@pytest.mark.parametrize("damage", ["{", "[]", None])
def test_a_record_that_is_lost_is_written_anew(tmp_path: Path, units: Units, damage: str | None) -> None:
    out = tmp_path / "out"
    benchmarks.run_suite(SUITE, out, limit=2)
    record = (out / "suite.json").read_bytes()
    (out / "report.html").write_text("the page", encoding="utf-8")
    (out / "suite.json").unlink() if damage is None else (out / "suite.json").write_text(damage, encoding="utf-8")
    with pytest.raises(InputError, match=r"run the suite again, which keeps|holds no suite\.json"):
        benchmarks.Result.load(out)
    benchmarks.run_suite(SUITE, out, limit=2)
    assert units == [0], "what was stored is kept"
    assert (out / "suite.json").read_bytes() == record


def test_a_store_that_cannot_be_read_leaves_the_record(tmp_path: Path) -> None:
    out = tmp_path / "out"
    benchmarks.run_suite(SUITE, out, limit=2)
    record = (out / "suite.json").read_bytes()
    (out / "results.sqlite").write_bytes(b"no store" * 200)
    assert "results.sqlite cannot be used" in refused(out, limit=4)
    assert (out / "suite.json").read_bytes() == record


def test_a_record_of_another_format_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    benchmarks.run_suite(SUITE, out, limit=2)
    text = (out / "suite.json").read_text(encoding="utf-8")
    (out / "suite.json").write_text(text.replace('"format": 1', '"format": 99'), encoding="utf-8")
    assert "has format 99" in refused(out, limit=2)
    with pytest.raises(InputError, match="has format 99"):
        benchmarks.Result.load(out)


def test_a_draft_that_cannot_be_written_is_not_left(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "suite.json" / "in-the-way").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot write"):
        write_record(out, choose(SUITE), Settings(roots={}), [])
    assert [p.name for p in out.iterdir()] == ["suite.json"]


def test_devices(tmp_path: Path) -> None:
    assert "no device 'toaster' here" in refused(tmp_path / "out", device="toaster")
    assert "no device 'cuda:99' here" in refused(tmp_path / "out", device="cuda:99")


def test_plugins_of_this_process_stay_in_it(tmp_path: Path) -> None:
    for options in ({"workers": 2}, {"engine": "ray"}):
        assert "'bench-toy' is registered in this process only" in refused(tmp_path / "out", **options)


def test_models_in_place_of_the_suites(tmp_path: Path) -> None:
    zsxai.register_model("other-toy", ConvToy(fill="zero"))
    try:
        result = benchmarks.run_suite(SUITE, tmp_path / "out", models=["other-toy"], limit=2)
    finally:
        MODELS.unregister("other-toy")
    assert {cell.model for cell in result.cells} == {"other-toy"}


def test_the_package_is_light_and_its_names_are_there() -> None:
    import subprocess
    import sys

    code = "import sys, zsxai.benchmarks as b; dir(b); print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    import zsxai.benchmarks.run.runner

    for name in benchmarks.__all__:
        assert callable(getattr(zsxai.benchmarks, name))
    with pytest.raises(AttributeError, match="nothing"):
        zsxai.benchmarks.nothing  # noqa: B018
