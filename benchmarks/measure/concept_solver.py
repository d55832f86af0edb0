"""The solver of concepts beside scikit-learn's Lasso and SpLiCE: ``python -m zsxai.benchmarks.measure.concept_solver``.

Two dictionaries of 2,000 words: ``random`` unit rows in 384 dimensions, and ``words``, the vocabulary ``clustered`` as
``tiny`` embeds it. Rows are mixes of five words of the dictionary and noise of a third of their norm, 2,000 of them.
For every number of words the penalty is the one that gives about so many, on average, and all solve at that penalty.

Ours solves all rows at once. Lasso gets the products of the words precomputed, as ours does, and a few rows, since it
solves one after the other; its tolerance is the loosest at which every row's duality gap is 1e-6 or less, which ours is
far below. Cost is CPU time per row on one thread, in interleaved pairs; a ratio is Lasso's over ours, its median with a
bootstrap interval.

With ``--splice DIR``, a folder that holds the package ``splice`` of github.com/AI4LIFE-GROUP/SpLiCE, its two solvers
get the same rows, and the table says how far their weights are from ours.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor
from torch.nn.functional import normalize

from zsxai.benchmarks.measure.frame import AsJson, Repeats, Table, app, one_thread, show
from zsxai.benchmarks.measure.timing import compare, peak_bytes
from zsxai.concepts.dictionary import build_dictionary
from zsxai.concepts.solver import Solver
from zsxai.errors import InputError
from zsxai.plugins import load_model
from zsxai.versions import versions

COUNTS = (10, 50, 200)
ROWS, FEW, GAP = 2000, 20, 1e-6
_TOLERANCES = tuple(10.0**-n for n in range(3, 13))


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        dictionary: ``random`` or ``words``.
        words: Words a row has in ours, mean.
        penalty: Lambda.
        ours: Milliseconds a row, median.
        lasso: Lasso's.
        ratio: Lasso's over ours.
        low: Lower end of its 95 % interval.
        high: Upper end.
        gap: Largest duality gap of ours.
        kkt: Largest optimality residual of ours.
        lasso_gap: Largest duality gap of Lasso as timed.
        objective: Most that our objective lies above that of Lasso at its tightest tolerance.
        weights: Largest difference of a weight from that Lasso's.
        peak: Megabytes that solving all rows takes at most.
        splice_lasso: Largest difference of a weight from SpLiCE's own Lasso; None where it was not run.
        splice_admm: The same for its ADMM.
    """

    dictionary: str
    words: float
    penalty: float
    ours: float
    lasso: float
    ratio: float
    low: float
    high: float
    gap: float
    kkt: float
    lasso_gap: float
    objective: float
    weights: float
    peak: float
    splice_lasso: float | None = None
    splice_admm: float | None = None

    @property
    def cells(self) -> list[str]:
        """Ready for a table."""
        times = [f"{self.ours:.2f}", f"{self.lasso:.1f}", f"{self.ratio:.1f} [{self.low:.1f}, {self.high:.1f}]"]
        exact = [f"{value:.0e}" for value in (self.gap, self.kkt, self.lasso_gap, self.objective, self.weights)]
        theirs = ["-" if value is None else f"{value:.0e}" for value in (self.splice_lasso, self.splice_admm)]
        head = [self.dictionary, f"{self.words:.0f}", f"{self.penalty:.3f}"]
        return [*head, *times, *exact, f"{self.peak:.0f}", *theirs]


def _draw(count: int, size: int, generator: torch.Generator) -> Tensor:
    return normalize(torch.randn(count, size, generator=generator, dtype=torch.float64), dim=1)


def _dictionaries(generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    yield "random", _draw(2000, 384, generator)
    yield "words", build_dictionary(load_model("tiny"), "clustered", progress=False).atoms


def _rows(atoms: Tensor, generator: torch.Generator) -> Tensor:
    chosen = torch.randint(len(atoms), (ROWS, 5), generator=generator)
    mixes = normalize((atoms[chosen] * torch.rand(ROWS, 5, 1, generator=generator, dtype=torch.float64)).sum(1), dim=1)
    return normalize(mixes + _draw(ROWS, atoms.shape[1], generator) / 3, dim=1)


def _lasso(penalty: float, atoms: Tensor, gram: Tensor, tolerance: float) -> Any:
    lasso = import_module("sklearn.linear_model").Lasso
    return lasso(
        alpha=penalty / (2 * atoms.shape[1]),
        positive=True,
        fit_intercept=False,
        precompute=gram.numpy(),
        tol=tolerance,
        max_iter=100_000,
    )


def _fit(lasso: Any, atoms: Tensor, rows: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.from_numpy(lasso.fit(np.asfortranarray(atoms.numpy().T), rows.numpy().T).coef_)


def _splice(folder: Path, atoms: Tensor, rows: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights by SpLiCE's two solvers; its ADMM is made on the CPU, on which its own default fails."""
    sys.path.insert(0, str(folder))
    try:
        model, admm = import_module("splice.model"), import_module("splice.admm")
    except ModuleNotFoundError as error:
        raise InputError(f"no package splice in {folder}: {error}") from error
    finally:
        sys.path.remove(str(folder))
    torch.manual_seed(0)  # theirs starts from the global generator
    theirs = model.SPLICE(torch.zeros(atoms.shape[1]), atoms.float(), solver="skl", l1_penalty=penalty)
    steps = admm.ADMM(rho=5, l1_penalty=penalty, tol=1e-6, max_iter=2000, device="cpu")
    return theirs.decompose(rows.float()).double(), steps.fit(atoms.float(), rows.float()).double()


def measure(repeats: int, splice: Path | None) -> Iterator[Row]:
    """Measure every dictionary at every number of words."""
    generator = torch.Generator().manual_seed(0)
    for name, atoms in _dictionaries(generator):
        solver, rows = Solver(atoms), _rows(atoms, generator)
        few = rows[:FEW]
        for count in COUNTS:
            penalty = float(solver.decompose_to_count(few, count).penalty.median())
            ours = solver.decompose(rows, penalty)
            for tolerance in _TOLERANCES:
                lasso = _lasso(penalty, atoms, solver.gram, tolerance)
                timed = solver.measure(few, penalty, _fit(lasso, atoms, few))
                if timed.gap.max() <= GAP:
                    break
            best = _fit(_lasso(penalty, atoms, solver.gram, 1e-13), atoms, few)
            exact = solver.measure(few, penalty, best)
            pairs = compare(
                partial(_fit, lasso, atoms, few), partial(solver.decompose, rows, penalty), repeats, least=0.1
            )
            scale = ROWS / FEW
            low, high = pairs.interval
            row = Row(
                dictionary=name,
                words=float(ours.counts.double().mean()),
                penalty=penalty,
                ours=float(np.median(pairs.floor)) / ROWS * 1e3,
                lasso=float(np.median(pairs.ours)) / FEW * 1e3,
                ratio=pairs.ratio * scale,
                low=low * scale,
                high=high * scale,
                gap=float(ours.gap.max()),
                kkt=float(ours.kkt.max()),
                lasso_gap=float(timed.gap.max()),
                objective=float((ours.objective[:FEW] - exact.objective).clamp_min(0).max()),
                weights=float((ours.weights[:FEW] - best).abs().max()),
                peak=peak_bytes(partial(solver.decompose, rows, penalty)) / 2**20,
            )
            apart: dict[str, Any] = {}
            if splice is not None:
                pair = _splice(splice, atoms, few, penalty)
                apart = {
                    key: float((ours.weights[:FEW] - theirs).abs().max())
                    for key, theirs in zip(("splice_lasso", "splice_admm"), pair, strict=True)
                }
            yield Row(**{**asdict(row), **apart})


@one_thread()
def concept_solver(
    repeats: Repeats = 5,
    splice: Annotated[Path | None, typer.Option(help="Folder that holds SpLiCE's package splice.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the solver of concepts against Lasso with products precomputed; fail where the minimum is another."""
    rows = list(measure(repeats, splice))
    heads = (
        *("dictionary", "words", "lambda", "ours ms", "Lasso ms", "ratio", "gap", "KKT", "Lasso gap", "over Lasso"),
        *("weights", "peak MB", "SpLiCE Lasso", "SpLiCE ADMM"),
    )
    show(
        Table(heads, [row.cells for row in rows], versions()),
        {"versions": versions(), "rows": [asdict(row) for row in rows]},
        as_json,
        met=all(row.objective <= GAP and row.kkt <= GAP for row in rows),
    )


if __name__ == "__main__":
    app(concept_solver)()
