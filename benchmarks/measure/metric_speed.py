"""Sparseness and complexity beside Quantus's: ``python -m zsxai.benchmarks.measure.metric_speed``.

The same masks go to both, one call per mask. Cost is CPU time on one thread, measured in interleaved pairs; a ratio is
Quantus's cost over ours, its median over the pairs with a bootstrap interval. Values are compared with Quantus's in
double precision, in which it adds up; ours get the masks as they are, in single precision.

Nearly all that Quantus costs is its check of the map, which puts every value into a Python set; the more distinct
values, the longer that takes. Hence two kinds of masks: ``dense``, all cells distinct, and ``sparse``, nine tenths of
them zero in patches. ``bare`` is the ratio of Quantus's formulas without that check: on dense masks they cost what ours
do. Sparseness is one sort, in both; so its ratio alone is the smallest, and the verdict depends on both metrics of a
mask.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zsxai.benchmarks.measure.frame import AsJson, Repeats, Table, app, one_thread, show
from zsxai.benchmarks.measure.timing import compare
from zsxai.errors import InputError
from zsxai.metrics.masks import complexity, sparseness
from zsxai.versions import versions

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
        difference: Greatest absolute difference of the values.
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
        """Whether the ratio is at least 50, as far as the interval shows."""
        return "met" if self.low >= WANTED else "under" if self.high < WANTED else "undecided"

    @property
    def met(self) -> bool:
        """Whether the values agree, and both metrics together are not under 50 times as fast."""
        return self.difference <= TOLERANCE and not (self.metric == "both" and self.verdict == "under")

    def cells(self) -> list[str]:
        """Ready for a table."""
        times = [f"{self.ours:.2f}", f"{self.theirs:.1f}", f"{self.ratio:.0f}", f"{self.low:.0f} to {self.high:.0f}"]
        return [self.metric, self.mask, *times, str(self.n), self.verdict, f"{self.bare:.1f}", f"{self.difference:.0e}"]


def measure(shapes: Sequence[tuple[int, int]] = SHAPES, repeats: int = 15, least: float = 0.1) -> Iterator[Row]:
    """Measure both metrics on masks of each shape.

    Args:
        shapes: Shapes of the masks.
        repeats: Pairs per row.
        least: CPU seconds that one measurement lasts at least.

    Raises:
        InputError: If Quantus is not installed.
    """
    try:
        quantus: Any = import_module("quantus")
    except ModuleNotFoundError as error:
        raise InputError("quantus is not installed: pip install quantus to compare with it") from error
    quiet = {"disable_warnings": True, "display_progressbar": False}
    theirs = {"sparseness": quantus.Sparseness(**quiet), "complexity": quantus.Complexity(**quiet)}
    ours = {"sparseness": sparseness, "complexity": complexity}
    for shape in shapes:
        in_band = np.ones(shape[0], dtype=bool)
        for kind, mask in _draw_masks(shape):
            for name, chosen in {**{n: [n] for n in ours}, "both": list(ours)}.items():
                call = partial(_call_each, [partial(ours[n], [mask], in_band) for n in chosen])
                checked, double, bare = (
                    partial(_call_each, [partial(how, theirs[n], values) for n in chosen])
                    for how, values in (
                        (_call_whole, mask),
                        (_call_whole, mask.astype(np.float64)),
                        (_call_formula, mask),
                    )
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


def _call_each(calls: Sequence[Any]) -> list[float]:
    return [float(call()[0]) for call in calls]


def _call_whole(metric: Any, mask: NDArray[Any]) -> Any:
    batch = mask[None, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return metric(model=None, x_batch=batch, y_batch=[0], a_batch=batch, channel_first=True)


def _call_formula(metric: Any, mask: NDArray[Any]) -> Any:
    # It works in place.
    return metric.evaluate_batch(None, mask[None].copy())


def _draw_masks(shape: tuple[int, int]) -> Iterator[tuple[str, NDArray[Any]]]:
    generator = np.random.default_rng(0)
    dense = generator.random(shape) ** 3
    yield "dense", dense.astype(np.float32)
    patches = generator.random([-(-size // 16) for size in shape]) < 0.1
    patches[0, 0] = True
    yield "sparse", (dense * np.kron(patches, np.ones((16, 16)))[: shape[0], : shape[1]]).astype(np.float32)


@one_thread()
def metric_speed(repeats: Repeats = 15, as_json: AsJson = False) -> None:
    """Measure sparseness and complexity against Quantus's; fail where values differ or both together are under 50 x."""
    rows = list(measure(repeats=repeats))
    heads = ("metric", "mask", "ours ms", "Quantus ms", "ratio", "95 %", "n", "", "bare", "difference")
    table = Table(heads, [row.cells() for row in rows], versions())
    record = {"versions": versions(), "rows": [asdict(row) for row in rows]}
    show(table, record, as_json, met=all(row.met for row in rows))


if __name__ == "__main__":
    app(metric_speed)()
