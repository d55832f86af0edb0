"""What a training reports after every step, and its logs: CSV files that resume, and TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zsxai.files import write_text
from zsxai.lmac_zs.training.diagnostics import Diagnostics
from zsxai.written import as_csv

LOSSES, FIGURES = "losses.csv", "diagnostics.csv"


@dataclass(frozen=True)
class Progress:
    """The report of one step.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Sum of the terms.
        terms: Weighted parts of the loss, and ``mask``, the mean of all masks.
        diagnostics: Where they were measured at this step.
    """

    step: int
    steps: int
    loss: float
    terms: dict[str, float]
    diagnostics: Diagnostics | None = None

    def record(self) -> dict[str, float]:
        """One line of a log."""
        values = {"step": self.step, "loss": self.loss, **self.terms}
        if self.diagnostics is not None:
            values |= {f"validation/{name}": value for name, value in self.diagnostics.record().items()}
        return values


Report = Callable[[Progress], None]


class Logs:
    """Losses of every step and diagnostics, as CSV files, and both for TensorBoard where it is installed.

    Args:
        folder: Where they lie.
        step: Steps done; lines of later ones, left by a training that was killed, are cut off.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        for name in (LOSSES, FIGURES):
            _cut(folder / name, step)
        self._board = _board(folder / "tensorboard", step)

    def __call__(self, progress: Progress) -> None:
        """Add a step."""
        _add(self.folder / LOSSES, {"step": progress.step, "loss": progress.loss, **progress.terms})
        if progress.diagnostics is not None:
            _add(self.folder / FIGURES, {"step": progress.step, **progress.diagnostics.record()})
        if self._board is not None:
            for name, value in progress.record().items():
                if name != "step":
                    self._board.add_scalar(name if "/" in name else f"train/{name}", value, progress.step)

    def close(self) -> None:
        """Write what TensorBoard still buffers."""
        if self._board is not None:
            self._board.close()


def _add(file: Path, row: dict[str, Any]) -> None:
    new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as stream:
        stream.write(as_csv([*([row] if new else []), row.values()]))


def _cut(file: Path, step: int) -> None:
    """Leave the lines of the first steps; a last line that was not finished goes too."""
    if not file.exists():
        return
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    kept = [line for line in whole[1:] if int(next(csv.reader(io.StringIO(line)))[0]) <= step]
    if kept:
        write_text(file, "".join([*whole[:1], *kept]))
    else:
        file.unlink()


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
