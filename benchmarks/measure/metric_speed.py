"""Sparseness and complexity beside Quantus's: ``python -m zsxai.benchmarks.measure.metric_speed``.

The same masks go to both, one call per mask. Cost is CPU time on one thread, measured in interleaved pairs; a ratio is
Quantus's cost over ours, its median over the pairs with a bootstrap interval. Values are compared with Quantus's in
double precision, in which it adds up; ours get the masks as they are, in single precision.

Nearly all that Quantus costs is its check of the map, which puts every value into a Python set; the fewer values are
alike, the longer that takes. Hence two kinds of masks: ``dense``, all cells unlike, and ``sparse``, nine tenths of them
zero in patches. ``bare`` is the ratio of Quantus's formulas without that check: on dense masks they cost what ours do.
Sparseness is one sort, in both; so its ratio alone is the smallest, and the verdict hangs on both metrics of a mask.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from typing import Annotated, Any

import typer

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
SHAPES = ((513, 501), (64, 501))
WANTED, TOLERANCE = 50.0, 1e-6


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        metric: ``sparseness``, ``complexity``, or ``both`` one after the other.
        mask: Shape and kind.
        ours: Milliseconds per mask, median.
        theirs: Quantus's.
        ratio: Quantus's over ours.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Pairs.
        bare: Ratio of Quantus's formulas alone, over ours.
        difference: Of the values, absolute, the greatest.
    """

    metric: str
    mask: str
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    n: int
    bare: float
    difference: float

    @property
    def verdict(self) -> str:
        """Whether the ratio is at least 50, as far as the interval can tell."""
        return "met" if self.low >= WANTED else "under" if self.high < WANTED else "undecided"


def measure(shapes: Sequence[tuple[int, int]] = SHAPES, repeats: int = 15, least: float = 0.1) -> Iterator[Row]:
    """Measure both metrics on masks of each shape.

    Args:
        shapes: Of the masks.
        repeats: Pairs per row.
        least: CPU seconds that one measurement lasts at least.

    Raises:
        InputError: If Quantus is not installed.
    """
    import numpy as np

    from zsxai.benchmarks.measure.timing import compare
    from zsxai.errors import InputError
    from zsxai.metrics.masks import complexity, sparseness

    try:
        quantus: Any = import_module("quantus")
    except ModuleNotFoundError as error:
        raise InputError("quantus is not installed: pip install quantus to compare with it") from error
    quiet = {"disable_warnings": True, "display_progressbar": False}
    theirs = {"sparseness": quantus.Sparseness(**quiet), "complexity": quantus.Complexity(**quiet)}
    ours = {"sparseness": sparseness, "complexity": complexity}
    for shape in shapes:
        in_band = np.ones(shape[0], dtype=bool)
        for kind, mask in _masks(shape):
            for name, chosen in {**{n: [n] for n in ours}, "both": list(ours)}.items():
                call = partial(_each, [partial(ours[n], [mask], in_band) for n in chosen])
                checked, double, bare = (
                    partial(_each, [partial(how, theirs[n], values) for n in chosen])
                    for how, values in ((_whole, mask), (_whole, mask.astype(np.float64)), (_formula, mask))
                )
                pairs = compare(checked, call, repeats, least)
                low, high = pairs.interval
                yield Row(
                    metric=name,
                    mask=f"{shape[0]}x{shape[1]} {kind}",
                    ours=float(np.median(pairs.floor)) * 1e3,
                    theirs=float(np.median(pairs.ours)) * 1e3,
                    ratio=pairs.ratio,
                    low=low,
                    high=high,
                    n=repeats,
                    bare=compare(bare, call, repeats, least).ratio,
                    difference=float(np.abs(np.subtract(call(), double())).max()),
                )


def _each(calls: Sequence[Any]) -> list[float]:
    return [float(call()[0]) for call in calls]


def _whole(metric: Any, mask: Any) -> Any:
    batch = mask[None, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return metric(model=None, x_batch=batch, y_batch=[0], a_batch=batch, channel_first=True)


def _formula(metric: Any, mask: Any) -> Any:
    # It works in place.
    return metric.evaluate_batch(None, mask[None].copy())


def _masks(shape: tuple[int, int]) -> Iterator[tuple[str, Any]]:
    import numpy as np

    generator = np.random.default_rng(0)
    dense = generator.random(shape) ** 3
    yield "dense", dense.astype(np.float32)
    patches = generator.random([-(-size // 16) for size in shape]) < 0.1
    patches[0, 0] = True
    yield "sparse", (dense * np.kron(patches, np.ones((16, 16)))[: shape[0], : shape[1]]).astype(np.float32)


def metric_speed(
    repeats: Annotated[int, typer.Option(min=3, help="Pairs per row.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure sparseness and complexity against Quantus's; fail where values differ or both together are under 50 x."""
    # Read by BLAS when it is imported.
    os.environ.update(ONE_THREAD)
    from rich.box import MARKDOWN
    from rich.console import Console
    from rich.table import Table

    from zsxai.errors import InputError
    from zsxai.versions import versions

    try:
        rows = list(measure(repeats=repeats))
    except InputError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(json.dumps({"versions": versions(), "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        heads = ("metric", "mask", "ours ms", "Quantus ms", "ratio", "95 %", "n", "", "bare", "difference")
        table = Table(*heads, box=MARKDOWN)
        for r in rows:
            times = (f"{r.ours:.2f}", f"{r.theirs:.1f}", f"{r.ratio:.0f}", f"{r.low:.0f} to {r.high:.0f}", str(r.n))
            table.add_row(r.metric, r.mask, *times, r.verdict, f"{r.bare:.1f}", f"{r.difference:.0e}")
        Console(width=120).print(table)
    if any(row.difference > TOLERANCE or (row.metric == "both" and row.verdict == "under") for row in rows):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(metric_speed)
