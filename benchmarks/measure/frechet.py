"""Frechet audio distance of two data sets on any model's embeddings, with its bias by sample size.

    python -m zsxai.benchmarks.measure.frechet --data esc50=DIR --folds 3 --folds 4

``--data READER=DIR`` and ``--folds 1,2`` are given once for both sets or once for each. The distance of finite sets is
too high, by more the fewer clips and the wider the embedding: beside the distance stands that of two halves of the
first set, which would be 0 without bias. A distance that is not far above it says nothing. Whole recordings are drawn:
windows of one recording are alike, so they never lie in two halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from zsxai.benchmarks.measure.frame import AsJson, Table, app, read_data, show
from zsxai.conditions import evaluating
from zsxai.data import Dataset, load_dataset
from zsxai.errors import InputError
from zsxai.metrics import frechet_bias, frechet_distance
from zsxai.metrics.frechet import draw_parts, largest_half
from zsxai.model import ZeroShotModel
from zsxai.plugins import load_model
from zsxai.progress import track
from zsxai.recording import Recording
from zsxai.versions import versions


def load_pair(data: Sequence[str], folds: Sequence[str]) -> list[Dataset]:
    """The two sets of ``--data`` and ``--folds``.

    Raises:
        InputError: If either is given more than twice, the folds are no numbers, or there is no such data set.
    """
    if len(data) > 2 or len(folds) > 2:
        raise InputError("--data and --folds are given once for both sets or once for each: two sets are compared")
    read = [read_data(data[i % len(data)], folds[i % len(folds)] if folds else None) for i in (0, 1)]
    return [load_dataset(reader, root, **options) for reader, root, options in read]


def embeddings(model: ZeroShotModel, dataset: Dataset, progress: bool | None = None) -> tuple[NDArray[Any], list[str]]:
    """Embedding of every window of every clip, ``(n, D)`` float64, and the recording that each was cut from."""
    rows, sources = [], []
    with evaluating(model), torch.no_grad():
        for clip in track(dataset.clips, len(dataset.clips), "listening", progress):
            recording = Recording(model, clip.read().at(model.sample_rate))
            of_clip = [window.embedding.cpu().double().numpy() for window in recording.clips]
            rows += of_clip
            sources += [clip.source] * len(of_clip)
    return np.stack(rows), sources


def frechet(
    data: Annotated[list[str], typer.Option(metavar="READER=DIR", help="Once for both sets, or once for each.")],
    folds: Annotated[list[str] | None, typer.Option(help="Such as 1,2; once for both sets, or once for each.")] = None,
    model: Annotated[str, typer.Option(help="Whose embeddings.")] = "tiny",
    draws: Annotated[int, typer.Option(min=1, help="Pairs of halves per size.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Distance of two data sets, at equal sizes, beside that of two halves of the first."""
    sets = load_pair(data, folds or ())
    loaded = load_model(model)
    (a, of_a), (b, of_b) = (embeddings(loaded, one) for one in sets)
    size = min(largest_half(of_a), len(b))
    sizes = sorted({max(2, size // 4), max(2, size // 2), size})
    within = frechet_bias(a, sizes, draws, seed, of_a)
    rng = np.random.default_rng(seed)
    between = [
        frechet_distance(a[draw_parts(of_a, [size], rng)[0]], b[draw_parts(of_b, [size], rng)[0]]) for _ in range(draws)
    ]
    distances = [("between the two", size, np.array(between))]
    distances += [("between parts of the first", count, values) for count, values in zip(sizes, within, strict=True)]
    context = {
        "model": f"{loaded.card.name} ({str(loaded.card.weights_sha256)[:12]})",
        "dimensions": a.shape[1],
        "recordings": f"{len(set(of_a))} and {len(set(of_b))}",
        "draws": draws,
        "seed": seed,
        **versions(),
    }
    rows = [
        {"distance": what, "windows": count, "mean": values.mean(), "least": values.min(), "most": values.max()}
        for what, count, values in distances
    ]
    cells = [[f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    show(Table(tuple(rows[0]), cells, context), {"context": context, "rows": rows}, as_json)


if __name__ == "__main__":
    app(frechet)()
