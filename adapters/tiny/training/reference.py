"""Reference figures of ``tiny`` and its twins: ``python -m zsxai.adapters.tiny.training.reference --data DIR``.

``tiny`` has heard the recordings that it could be judged on, so its figures are those of its twins, each on the fold
that it has not heard. A twin's are those of the other two.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from zsxai.adapters.tiny import TWINS, load, load_twin
from zsxai.adapters.tiny.model import REFERENCE, TinyClap
from zsxai.data.esc50 import ESC50
from zsxai.verdict.measure import Pairs, fit_reference, pair_up

IN_TWO_FOLDS = (131943, 134049)
"""Recordings with clips in both of the folds 2 and 3."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-50")
    root = parser.parse_args(arguments).data
    heard: dict[str, Pairs] = {}
    for name in TWINS:
        data = read_unheard(root, name)
        heard[name] = pair_up(load_twin(name), data.clips, data.labels)
    # The twins share their text side, and differ from the bundled model by the fold that each has not heard.
    _write(load(), REFERENCE, heard, TWINS)
    for name in TWINS:
        folder = Path(__file__).parent / "twins" / name
        _write(load_twin(name), folder / REFERENCE.name, heard, [other for other in TWINS if other != name])
    return 0


def read_unheard(root: Path, twin: str) -> ESC50:
    """The clips of ESC-50 that a twin has not heard.

    Args:
        root: A folder of ESC-50.
        twin: Its name, which is the number of the fold.
    """
    return ESC50(root, folds=[int(twin)], without=IN_TWO_FOLDS if twin != "1" else ())


def _write(model: TinyClap, path: Path, heard: dict[str, Pairs], twins: Sequence[str]) -> None:
    data = f"ESC-50, fold{'s' if len(twins) > 1 else ''} {', '.join(twins)}, each heard by the twin without it"
    pairs = Pairs.join([heard[name] for name in twins])
    command = "python -m zsxai.adapters.tiny.training.reference --data DIR"
    found = fit_reference(pairs, model, data, command=command)
    found.save(path)
    figures = ", ".join(f"{name} {value:.3f}" for name, value in found.figures)
    Console(soft_wrap=True, highlight=False).print(f"{model.card.name}: {figures}")


if __name__ == "__main__":
    raise SystemExit(main())
