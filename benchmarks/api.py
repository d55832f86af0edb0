"""What a suite finds, in one call: :func:`run_suite`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zsxai.benchmarks.analyse.result import Result
from zsxai.benchmarks.run.runner import carry_out, check_engine, choose, prepare
from zsxai.benchmarks.run.suite import Suite
from zsxai.devices import is_auto
from zsxai.names import printable
from zsxai.places import shorten_place


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
    device: str | None = "auto",
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
        workers: Processes. Where None: one for each GPU; else as many as cores, memory (2 GiB each) and work allow;
            one, in this process, where a plugin is registered here only.
        device: Torch device; ``auto`` takes a GPU where there is one.
        address: Address of a Ray cluster; a local one is started where None.
        progress: True or False, or None for a bar on a terminal.

    Raises:
        InputError: If the suite, a plugin, the data or the folder is not in order; nothing was written then.
        MissingExtraError: If a package is not installed.
        KeyboardInterrupt: Ctrl-C, with a note on how much is stored.
    """
    chosen = choose(suite, models, without)
    check_engine(chosen, engine, workers, address)
    said: dict[str, Any] = {
        "data": dict(data or {}),
        "models": list(models or ()),
        "without": list(without),
        "limit": limit,
    }
    said |= {"engine": engine if engine != "local" else None, "workers": workers, "address": address}
    said |= {"device": None if is_auto(device) else device}
    call = _write_call(suite if isinstance(suite, (str, Path)) else chosen.name, out, said)
    prepared = prepare(chosen, out, data=data, limit=limit, device=device, command=call)
    carry_out(prepared, engine=engine, workers=workers, address=address, progress=progress)
    return Result(prepared.suite, vars(prepared.settings), prepared.cells, prepared.store)


def _write_call(suite: str | Path, out: str | Path, said: Mapping[str, Any]) -> str:
    """The call with all that was said, for the report; pages are shown to others, so without places."""

    def write(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{write(key)}: {write(each)}" for key, each in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(write, value)) + "]"
        return repr(shorten_place(str(value)) if isinstance(value, (str, Path)) else value)

    words = [write(suite), write(out), *(f"{name}={write(value)}" for name, value in said.items() if value)]
    return printable(f"zsxai.benchmarks.run_suite({', '.join(words)})")
