"""A run: from a suite to a folder with its results, going on where another run of the suite stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zsxai.benchmarks.run.folder import check_folder, make_folder, write_record
from zsxai.benchmarks.run.plan import PlannedCell, Settings, Unit, plan
from zsxai.benchmarks.run.store import Store
from zsxai.benchmarks.run.suite import POOLS, ModelSpec, Suite, load_models, load_suite
from zsxai.benchmarks.run.worker import Job, Measured, Worker, group_by_unit, lose, what_computes
from zsxai.benchmarks.tasks import runner_of
from zsxai.data.checks import keep_apart
from zsxai.devices import find_device
from zsxai.engines import choice
from zsxai.engines.crew import count_workers
from zsxai.engines.gpus import gpus_for
from zsxai.errors import InputError
from zsxai.extras import need
from zsxai.progress import track
from zsxai.registry import DATASETS, EXPLAINERS, METRICS, MODELS, TASKS


@dataclass(frozen=True)
class Prepared:
    """A run that is planned and has its folder.

    Attributes:
        suite: What is run.
        settings: What the run adds to it.
        folder: Folder of the results.
        cells: All of the plan.
        store: Where they are kept.
        missing: Those that the store does not hold whole.
    """

    suite: Suite
    settings: Settings
    folder: Path
    cells: list[PlannedCell]
    store: Store
    missing: list[PlannedCell]


def choose(
    suite: str | Path | Mapping[str, Any] | Suite, models: Sequence[str] | None = None, without: Sequence[str] = ()
) -> Suite:
    """Load a suite, leave out what needs some data sets, and take other models where they are given.

    A name is that of a model or of a pool of the suite, which keep what the suite says of them; else that of a file of
    models; else that of a model.
    """
    for what, names in (("models", models), ("without", without)):
        if isinstance(names, str):
            raise InputError(f"{what} is a list of names, such as [{names!r}]")
    chosen = load_suite(suite)
    for key in without:
        chosen = chosen.without(key)
    if models is None:
        return chosen
    named = [model.model_dump() for name in models for model in _find_models(chosen, name)]
    return load_suite({**chosen.model_dump(), "models": named})


def _find_models(suite: Suite, name: str) -> Sequence[ModelSpec]:
    if known := [model for model in suite.models if name in (model.title, model.pool)]:
        return known
    return load_models(name) if name in POOLS or name.endswith(".toml") else [ModelSpec(name=name)]


def check_engine(suite: Suite, engine: str, workers: int | None, address: str | None) -> None:
    """Check that there is such an engine, that it is installed, and that it can run the suite.

    Raises:
        InputError: If not.
    """
    need("bench", "pandas", "scipy", "threadpoolctl")
    choice.check_engine(engine, workers, address)
    if (engine == "ray" or (workers or 1) > 1) and (plugin := _find_local_plugin(suite)):
        raise InputError(
            f"{plugin} is registered in this process only, which others do not see: take the engine local with one "
            "worker, or install it with an entry point"
        )


def prepare(
    suite: Suite,
    out: str | Path,
    *,
    data: Mapping[str, str | Path] | None = None,
    limit: int | None = None,
    device: str | None = "auto",
    command: str = "",
) -> Prepared:
    """Check everything, plan, and open the folder; arguments as of :func:`~zsxai.benchmarks.api.run_suite`.

    Besides, ``command`` is the command line as it was typed, for the report.
    """
    if limit is not None and limit < 1:
        raise InputError(f"a limit is at least 1, not {limit}")
    find_device(device)  # says what is wrong with it before anything is written
    settings = Settings(roots=_resolve_roots(suite, data or {}), limit=limit, device=device, command=command)
    folder = Path(out)
    keep_apart(folder, settings.roots.values())
    check_folder(folder, suite)
    cells = plan(suite, settings)
    make_folder(folder)
    store = Store(folder, write=True)
    try:  # The record comes after the store: a run that cannot go on leaves the last one's as it was.
        finished = store.finished(cell.key for cell in cells)
        write_record(folder, suite, settings, cells)
    except BaseException:
        store.close()
        raise
    return Prepared(suite, settings, folder, cells, store, [cell for cell in cells if cell.key not in finished])


def carry_out(
    prepared: Prepared,
    *,
    engine: str = "local",
    workers: int | None = None,
    address: str | None = None,
    progress: bool | None = None,
) -> None:
    """Measure and keep what is missing; arguments as of :func:`~zsxai.benchmarks.api.run_suite`."""
    units = group_by_unit(prepared.missing)
    if not units:
        return
    kept = 0
    try:
        for _ in track(
            _measure_and_keep(prepared, units, engine, workers, address),
            len(prepared.missing),
            f"{prepared.suite.name}, cells measured",
            progress,
            lines=True,
        ):
            kept += 1
    except KeyboardInterrupt as interrupt:
        total = len(prepared.cells)
        stored = total - len(prepared.missing) + kept
        interrupt.add_note(f"{stored} of {total} cells are in {prepared.folder}; the same command goes on from there")
        raise


def _measure_and_keep(
    prepared: Prepared, units: Mapping[Unit, list[PlannedCell]], engine: str, workers: int | None, address: str | None
) -> Iterator[PlannedCell]:
    """Yield cells as they are kept."""
    store, skipped = prepared.store, list[PlannedCell]()

    def list_jobs() -> Iterator[Job]:
        for unit, cells in units.items():
            # Another run may have been at work on this store meanwhile.
            finished = store.finished(cell.key for cell in cells)
            skipped.extend(cell for cell in cells if cell.key in finished)
            if places := tuple(cell.place for cell in cells if cell.key not in finished):
                yield Job(unit, places)

    for job, measured in _measure(prepared, len(units), list_jobs(), engine, workers, address):
        by_place = {cell.place: cell for cell in units[job.unit]}
        cells = [by_place[place] for place in job.places]
        store.put(list(zip(cells, measured, strict=True)))
        yield from cells
    yield from skipped


def _measure(
    prepared: Prepared, units: int, jobs: Iterator[Job], engine: str, workers: int | None, address: str | None
) -> Iterator[tuple[Job, list[Measured]]]:
    suite, device = prepared.suite, find_device(prepared.settings.device)
    if engine == "local" and workers is None:
        most = count_workers(suite.threads) if device == "cpu" else max(1, len(gpus_for(device)))
        workers = 1 if _find_local_plugin(suite) is not None else most
    return choice.run_jobs(
        partial(Worker, suite, prepared.settings),
        jobs,
        units,
        lost=lose,
        computes_with=what_computes(),
        engine=engine,
        workers=workers,
        threads=suite.threads,
        address=address,
        device=device,
    )


def _resolve_roots(suite: Suite, data: Mapping[str, str | Path]) -> dict[str, str]:
    """Folders by data set, absolute: workers may stand elsewhere."""
    for name in data:
        if name not in suite.data:
            known = ", ".join(suite.data)
            raise InputError(f"the suite {suite.name!r} has no data set {name!r}: it has {known}")
    roots = {name: data.get(name, spec.root) for name, spec in suite.data.items()}
    return {name: str(Path(root).expanduser().absolute()) for name, root in roots.items() if root is not None}


def _find_local_plugin(suite: Suite) -> str | None:
    """A plugin that only this process knows, if the suite needs one."""
    needed = [
        (MODELS, [model.name.partition(":")[0] for model in suite.models]),
        (EXPLAINERS, [explainer.name.partition(":")[0] for explainer in suite.all_explainers]),
        (DATASETS, [spec.reader for spec in suite.data.values()]),
        (TASKS, [task.kind for task in suite.tasks]),
        (METRICS, [name for task in suite.tasks for name in runner_of(task.kind).chosen_metrics(task)]),
    ]
    for registry, names in needed:
        for name in names:
            if registry.is_registered(name):
                return f"the {registry.kind} {name!r}"
    return None
