"""``explain_folder``: many recordings into a table, a page and a folder each; what is done is not done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from zsxai.api import ExplainOptions
from zsxai.batch.row import Row
from zsxai.batch.store import RunFolder
from zsxai.batch.worker import Asked, Job, Outcome, Work, Worker, lose
from zsxai.checks import take_list, whole_number
from zsxai.clip import BATCH_SIZE
from zsxai.data.checks import keep_apart
from zsxai.data.recordings import find_recordings
from zsxai.devices import find_device, is_auto
from zsxai.engines.choice import check_engine, run_jobs
from zsxai.engines.crew import MakeWorker, count_cores
from zsxai.errors import InputError
from zsxai.files import as_path
from zsxai.many import check_names
from zsxai.names import printable
from zsxai.progress import track
from zsxai.registry import EXPLAINERS, MODELS
from zsxai.value import Value
from zsxai.verdict.reference import Reference, load_reference


class FolderRun(Value):
    """What :func:`explain_folder` found.

    Attributes:
        rows: One for every recording and prompt, in the order of the recordings.
        failures: Why others were not explained, by name; the next run tries them again.
        before: Number of recordings that an earlier run had done.
        folder: Where all was written; None where nothing was.
    """

    rows: tuple[Row, ...]
    failures: dict[str, str]
    before: int = 0
    folder: Path | None = None


def explain_folder(
    source: str | Path,
    prompts: str | Sequence[str] = (),
    out: str | Path | None = None,
    *,
    light: bool = False,
    overwrite: bool = False,
    jobs: int = 1,
    engine: str = "local",
    address: str | None = None,
    model_options: Mapping[str, Any] | None = None,
    **options: Unpack[ExplainOptions],
) -> FolderRun:
    """Explain many recordings; with a folder to write into, the next run goes on where this one stopped.

    Args:
        source: A folder, a pattern, a CSV file of paths or one recording:
            :func:`zsxai.data.recordings.find_recordings`.
        prompts: What to listen for in all of them; none where the CSV file says it.
        out: Folder for ``table.csv``, a page ``index.html`` and a saved explanation of each recording
            (``out/<name>/``; of several prompts ``out/<name>/<prompt>/``).
        light: Write the table and the page with its small pictures only: a saved explanation takes megabytes.
        overwrite: Start anew where ``out`` holds a run; else what it holds is kept, and a run with other settings is
            refused.
        jobs: Processes that share the work, on this machine, where several GPUs are dealt out to them, or of a Ray
            cluster.
        engine: ``local`` or ``ray``.
        address: Address of a Ray cluster, which has to see the same files; a local one is started where None.
        model_options: Options of a model given by name.
        **options: As :func:`zsxai.explain` takes; ``batch_size`` is also the number of recordings that share a forward.

    Returns:
        Rows and failures.

    Raises:
        InputError: If there are no recordings, an option is wrong, or ``out`` holds anything else.
    """
    check_names(options)
    asked = [prompts] if isinstance(prompts, str) else take_list(prompts, "prompts")
    listed = find_recordings(source, asked)
    whole_number(jobs, "jobs", 1)
    check_engine(engine, jobs, address)
    device = _device_of(options.get("device"), engine)
    progress = options.pop("progress", None)
    work = Work(options.pop("model", "tiny"), dict(model_options or {}), _load_reference(options), None, light)
    alone = engine == "local" and jobs == 1
    if not alone:
        _check_named(work)
    # Loaded here too: what is wrong with it is no fault of a recording, and the folder is told what it is.
    worker = Worker(work if alone else replace(work, options={**work.options, "device": "cpu"}))
    worker.check({prompt for one in listed for prompt in one.prompts})
    if engine == "ray":  # whose workers stand elsewhere
        listed = [one._replace(path=one.path.absolute()) for one in listed]
    store, todo = None, [Asked(one, "") for one in listed]
    if out is not None:
        keep_apart(as_path(out), [source])
        store = RunFolder(
            as_path(out).absolute() if engine == "ray" else as_path(out),
            {**worker.describe(), "prompts": asked, "light": light},
            overwrite=overwrite,
        )
        work = replace(work, store=store)
        folders = store.name_folders([one.name for one in listed])
        todo = [Asked(one, folders[one.name]) for one in listed if store.find(one, saved=not light) is None]
    if alone:
        worker.work = work
    make: MakeWorker[Job, list[Outcome]] = partial(_itself, worker) if alone else partial(Worker, work)
    run = partial(
        run_jobs,
        make,
        lost=lose,
        computes_with=worker.computes_with,
        engine=engine,
        workers=jobs,
        threads=max(1, count_cores() // jobs),
        address=address,
        device=device,
    )
    found: dict[str, Outcome] = {}
    size = min(options.get("batch_size") or BATCH_SIZE, -(-len(todo) // jobs) or 1)
    try:
        for outcome in track(_explain(run, todo, size), len(todo), "explaining", progress, lines=True):
            found[outcome.name] = outcome
    except KeyboardInterrupt as interrupt:
        if store is not None:
            done = len(listed) - len(todo) + sum(not outcome.reason for outcome in found.values())
            where = printable(store.folder)
            interrupt.add_note(
                f"{done} of {len(listed)} recordings are in {where}; the same command goes on from there"
            )
        raise
    finally:
        failures = {one.name: found[one.name].reason for one in listed if one.name in found and found[one.name].reason}
        if store is not None:
            store.write_lists([one.name for one in listed], failures)
    before = {} if store is None else {kept.name: [shown.row for shown in kept.shown] for kept in store.read_all()}
    rows = [row for one in listed for row in (found[one.name].rows if one.name in found else before[one.name])]
    return FolderRun(
        rows=tuple(rows),
        failures=failures,
        before=len(listed) - len(todo),
        folder=None if store is None else store.folder,
    )


def _itself(worker: Worker) -> Worker:
    return worker


def _explain(
    run: Callable[..., Iterator[tuple[Job, list[Outcome]]]], todo: Sequence[Asked], size: int
) -> Iterator[Outcome]:
    """Outcomes as they come; of a job whose worker died, each recording is given to a worker of its own once more."""
    again: list[Asked] = []
    jobs = [tuple(todo[start : start + size]) for start in range(0, len(todo), size)]
    for job, outcomes in run(iter(jobs), len(jobs)):
        if len(job) > 1 and outcomes[0].died:
            again += job
        else:
            yield from outcomes
    if again:
        for _, outcomes in run(((asked,) for asked in again), len(again)):
            yield from outcomes


def _load_reference(options: ExplainOptions) -> ExplainOptions:
    """Options with figures in place of the file that holds them: other machines may not have it."""
    reference = options.get("reference")
    if reference is None or isinstance(reference, Reference):
        return options
    return {**options, "reference": load_reference(as_path(reference))}


def _device_of(device: object, engine: str) -> str:
    """Where workers compute. What ``auto`` means, this machine says; of a cluster, it may be all that has no GPU."""
    return str(device) if engine == "ray" and not is_auto(device) else find_device(device)


def _check_named(work: Work) -> None:
    """See that other processes can load what is asked for."""
    for kind, registry, value in (
        ("model", MODELS, work.model),
        ("explainer", EXPLAINERS, work.options.get("explainer")),
    ):
        if value is None:
            continue
        if not isinstance(value, str):
            raise InputError(f"other processes load the {kind} by its name: give a name, or take one job")
        if registry.is_registered(value.partition(":")[0]):
            raise InputError(f"the {kind} {value!r} is registered in this process only: take one job, or install it")
