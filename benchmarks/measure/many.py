"""Many recordings against one at a time: ``python -m zsxai.benchmarks.measure.many --data esc50=DIR``.

CPU time on one thread, in interleaved pairs; a ratio is the median over the pairs, with a bootstrap interval.

* ``together:EXPLAINER``: :func:`zsxai.explain_many` over 16 recordings, against as many calls of :func:`zsxai.explain`;
* ``together:EXPLAINER, bare``: the same with ``verdict=False``;
* ``command``: ``zsxai explain TABLE PROMPT`` over 8 recordings as one process, against a process for each;
* ``memory``: the most that one process holds above what it held before, for a run over ``--clips`` recordings with the
  table and the page, against a tenth of them;
* ``killed``: the same run over a tenth of them, whose process is killed (SIGKILL) again and again until one ends: the
  greatest difference of a figure of the table from that of a run that was left alone.
"""

from __future__ import annotations

import csv
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import zsxai
from zsxai.benchmarks.measure.costs import PROMPT, Row, show_rows
from zsxai.benchmarks.measure.frame import AsJson, Only, Repeats, app, choose, measure_each, one_thread, read_data
from zsxai.benchmarks.measure.timing import (
    Pairs,
    child_cpu_seconds,
    compare,
    in_new_process,
    interleave,
    peak_bytes,
)
from zsxai.data import load_dataset
from zsxai.versions import versions

EXPLAINERS = ("gradcam", "lmac-zs", "occlusion")
TOGETHER, EACH = 16, 8
"""Recordings of a pair in one process, and in processes of their own."""
GOAL = 0.5
EVERY = 6.0
"""Seconds after which a process is killed, and a second more each time."""


@one_thread()
def many(
    data: Annotated[str, typer.Option(help="A reader and its folder, READER=DIR.")],
    folds: Annotated[str, typer.Option(help="Folds of the recordings.")] = "1,2,3",
    clips: Annotated[int, typer.Option(min=40, help="Recordings of the large run.")] = 1000,
    repeats: Repeats = 15,
    only: Only = None,
    as_json: AsJson = False,
) -> None:
    """Measure what many recordings cost together."""
    reader, root, options = read_data(data, folds)
    paths = [clip.path for clip in load_dataset(reader, root, **options).clips if clip.path is not None][:clips]
    some, each = paths[:: max(1, len(paths) // TOGETHER)][:TOGETHER], paths[:: max(1, len(paths) // EACH)][:EACH]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cases: dict[str, Callable[[], Pairs]] = {}
        for name in EXPLAINERS:
            for title, verdict in ((name, True), (f"{name}, bare", False)):
                given: dict[str, Any] = {"explainer": name, "verdict": verdict, "progress": False}
                cases[f"together:{title}"] = partial(
                    compare, partial(_together, some, given), partial(_alone, some, given), repeats
                )
        cases["command"] = partial(_commands, each, folder, max(3, repeats // 5))
        cases["memory"] = partial(_memory, paths, folder)
        measured = measure_each(cases, _within(cases, only), lambda pairs: f"{pairs.ratio:.2f}")
        said = _killed(paths[: clips // 10], folder) if not only or "killed" in only else "not measured"
    rows = [
        Row(case, *_FLOORS[case.partition(":")[0]], "MB" if case == "memory" else "ms", pairs)
        for case, pairs in measured.items()
    ]
    facts = {"data": f"{reader}, folds {folds}, {len(paths)} recordings", "killed": said}
    show_rows(rows, {"model": "tiny", **facts, **versions()}, as_json)


_FLOORS = {
    "together": (f"{TOGETHER} calls", GOAL),
    "command": (f"{EACH} processes", GOAL),
    "memory": ("a tenth of them", None),
}


def _within(cases: dict[str, Any], only: Sequence[str] | None) -> list[str] | None:
    named = [name for name in only or () if name != "killed"]
    return choose(cases, named) if named else ["memory"][:0] if only else None


def _together(paths: Sequence[Path], given: dict[str, Any]) -> None:
    for _ in zsxai.explain_many(paths, PROMPT, **given):
        pass


def _alone(paths: Sequence[Path], given: dict[str, Any]) -> None:
    for path in paths:
        zsxai.explain(path, PROMPT, **given)


def _commands(paths: Sequence[Path], folder: Path, repeats: int) -> Pairs:
    explain = [sys.executable, "-m", "zsxai", "explain"]
    table = _write_table(folder / "each.csv", paths)

    def one() -> float:
        return child_cpu_seconds([*explain, str(table), PROMPT])

    one()  # the bank is embedded once
    return interleave(one, lambda: sum(child_cpu_seconds([*explain, str(p), PROMPT]) for p in paths), repeats)


def _memory(paths: Sequence[Path], folder: Path) -> Pairs:
    few, all_of_them = paths[: len(paths) // 10], paths
    peaks = [
        in_new_process(_peak, _write_table(folder / f"{len(some)}.csv", some), folder / f"memory-{len(some)}")
        for some in (all_of_them, few)
    ]
    return Pairs((peaks[0],), (peaks[1],))


def _peak(table: Path, out: Path) -> int:
    list(zsxai.explain_many([], PROMPT))  # what is loaded is no part of it
    return peak_bytes(
        partial(zsxai.explain_folder, table, PROMPT, out, light=True, explainer="gradcam", progress=False)
    )


def _killed(paths: Sequence[Path], folder: Path) -> str:
    table = _write_table(folder / "killed.csv", paths)
    words = [sys.executable, "-m", "zsxai", "explain", str(table), PROMPT, "--light", "--explainer", "gradcam", "--out"]
    subprocess.run([*words, str(folder / "whole")], check=True, capture_output=True)  # noqa: S603
    for times in itertools.count():
        process = subprocess.Popen(  # noqa: S603
            [*words, str(folder / "killed")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + EVERY + times
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
    whole, again = (_read_table(folder / name / "table.csv") for name in ("whole", "killed"))
    words_differ = sum(
        a != b for one, other in zip(whole, again, strict=True) for a, b in zip(one[0], other[0], strict=True)
    )
    most = max(
        float(np.abs(np.array(one[1]) - np.array(other[1])).max()) for one, other in zip(whole, again, strict=True)
    )
    return f"{times} times, {len(whole)} rows, {words_differ} words differ, figures by {most:.1e} at most"


def _write_table(file: Path, paths: Sequence[Path]) -> Path:
    file.write_text("\n".join(["path", *map(str, paths)]) + "\n", encoding="utf-8")
    return file


def _read_table(file: Path) -> list[tuple[list[str], list[float]]]:
    """Every row's words, and its figures."""
    figures = ("score", "score_in", "score_out", "score_heard", "mask_mean", "kept_energy")
    with file.open(newline="", encoding="utf-8") as opened:
        return [
            ([row["file"], row["prompt"], row["verdict"], row["regions"]], [float(row[name]) for name in figures])
            for row in csv.DictReader(opened)
        ]


if __name__ == "__main__":
    app(many)()
