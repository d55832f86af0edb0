"""What explanations cost beside the bare forwards and backwards they need: ``python -m zsxai.benchmarks.measure.speed``.

Every cost is CPU time on one thread, measured in interleaved pairs with its floor; a ratio is the median over the
pairs, with a bootstrap interval. Times of a machine that does other work besides are of no use; such ratios are.

* ``relevance:<explainer>``: the explainer on a fresh clip, against its forwards and backwards in plain torch
  (:mod:`zsxai.benchmarks.measure.floors`);
* ``one-forward:gradcam``: GradCAM against one bare forward, from waveform to embedding;
* ``explain:<explainer>``: ``zsxai.explain`` against the explainer's forwards and backwards and four forwards more;
* ``memory:``: peak memory of integrated gradients over 200 steps against 50, in batches of 8 and in one batch;
* ``process:``: ``zsxai explain`` as a whole process against importing torch and numpy, and one forward.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from zsxai.benchmarks.measure.costs import Row

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def speed(
    model: Annotated[str, typer.Option(help="Name of a model that gives gradients.")] = "tiny",
    repeats: Annotated[int, typer.Option(min=3, help="Pairs per row; a fifth where a pair is two processes.")] = 25,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of the clip.")] = 5.0,
    only: Annotated[list[str] | None, typer.Option(help="Only cases whose name contains this; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure explanations against the bare forwards and backwards they need."""
    # Read by BLAS when it is imported, and by the processes that are started.
    os.environ.update(ONE_THREAD)
    from rich.console import Console

    from zsxai.benchmarks.measure.costs import Bench

    bench = Bench(model, seconds, repeats)
    cases = bench.cases()
    chosen = [name for name in cases if not only or any(part in name for part in only)]
    if not chosen:
        raise typer.BadParameter(f"no case has that in its name: {', '.join(cases)}", param_hint="--only")
    progress = Console(stderr=True)
    rows = []
    for name in chosen:
        with progress.status(name):
            rows.append(cases[name]())
        progress.print(f"{name}: {rows[-1].pairs.ratio:.2f}", highlight=False)
    if as_json:
        typer.echo(json.dumps({"context": bench.context, "rows": [row.record() for row in rows]}, indent=2))
    else:
        Console().print(table(rows, bench.context))


def table(rows: Sequence[Row], context: Mapping[str, str]) -> Table:
    """The rows, printed."""
    from rich.table import Table

    out = Table(caption=", ".join(f"{key} {value}" for key, value in context.items()))
    for column in ("case", "against"):
        out.add_column(column)
    for column in ("cost", "floor", "ratio", "95 %", "n", "limit", ""):
        out.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        cost, floor = row.costs
        low, high = row.pairs.interval
        out.add_row(
            row.case,
            row.floor,
            f"{cost:.1f} {row.unit}",
            f"{floor:.1f} {row.unit}",
            f"{row.pairs.ratio:.2f}",
            f"{low:.2f} to {high:.2f}",
            str(len(row.pairs.ours)),
            "" if row.limit is None else f"{row.limit:.2f}",
            row.verdict,
        )
    return out


if __name__ == "__main__":
    typer.run(speed)
