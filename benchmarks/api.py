"""What a suite finds, in one call: :func:`run_suite`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zsxai.benchmarks.analyse.result import Result
from zsxai.benchmarks.run.runner import carry_out, check_engine, choose, prepare
from zsxai.benchmarks.run.suite import Suite


def run_suite(
    suite: str | Path | Mapping[str, Any] | Suite,
    out: str | Path,
    *,
    data: Mapping[str, str | Path] | None = None,
    models: Sequence[str] | None = None,
    without: Sequence[str] = (),
    limit: int | None = None,
    engine: str = "local",
    workers: int | None = None,
    device: str | None = None,
    address: str | None = None,
    progress: bool | None = None,
) -> Result:
    """Run what of a suite a folder does not hold yet.

    Results are kept as units are done: whatever ends a run loses the units in flight, and the same call goes on. What
    an explainer raises is recorded, the run goes on (:attr:`Result.failures`), and the next run tries again.

    Args:
        suite: Name of a shipped one, a TOML file, a mapping, or a suite.
        out: Folder of the results; made where there is none. It may hold a run of a suite of the same name.
        data: Folders by data set.
        models: In place of the suite's: names of models, of pools, or of TOML files of models.
        without: Data sets that you do not have: what needs them is left out, and the folder's record says so.
        limit: Items per data set and setting; all where None.
        engine: ``local``, or ``ray`` (extra ``[scale]``).
        workers: Processes. Where None: one on a GPU; else as many as cores, memory (2 GiB each) and work allow; one, in
            this process, where a plugin is registered here only.
        device: Torch device; the CPU where None.
        address: Address of a Ray cluster; a local one is started where None.
        progress: True or False, or None for a bar on a terminal.

    Raises:
        InputError: If the suite, a plugin, the data or the folder is not in order; nothing was written then.
        MissingExtraError: If a package is not installed.
        KeyboardInterrupt: Ctrl-C, with a note on how much is stored.
    """
    chosen = choose(suite, models, without)
    check_engine(chosen, engine, workers, address)
    prepared = prepare(chosen, out, data=data, limit=limit, device=device)
    carry_out(prepared, engine=engine, workers=workers, address=address, progress=progress)
    return Result(prepared.suite, vars(prepared.settings), prepared.cells, prepared.store)
