"""Frechet audio distance of two data sets on any model's embeddings, with its bias by sample size.

    python -m zsxai.benchmarks.measure.frechet esc50:DIR#3 esc50:DIR#4 --model tiny

A data set is ``READER:DIR``, with ``#1,2`` behind it for some of its folds. The distance of finite sets is too high, by
more the fewer clips and the wider the embedding: beside the distance stands that of two halves of the first set,
which would be 0 without bias. A distance that is not far above it says nothing. Whole recordings are drawn: windows of
one recording are alike, so they never lie in two halves.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from zsxai.data import Dataset, load_dataset
from zsxai.errors import InputError
from zsxai.metrics import frechet_bias, frechet_distance
from zsxai.metrics.frechet import draw_parts, largest_half
from zsxai.model import ZeroShotModel, evaluating
from zsxai.plugins import load_model
from zsxai.progress import track
from zsxai.recording import Recording


def dataset_of(text: str) -> Dataset:
    """A data set from ``READER:DIR#FOLDS``.

    Raises:
        InputError: If there is none, or the folds are no numbers.
    """
    place, _, folds = text.partition("#")
    reader, _, root = place.partition(":")
    try:
        options: dict[str, Any] = {"folds": [int(f) for f in folds.split(",")]} if folds else {}
    except ValueError as error:
        raise InputError(f"folds are whole numbers, such as {place}#1,2, not {folds!r}") from error
    return load_dataset(reader, root or None, **options)


def embeddings(model: ZeroShotModel, dataset: Dataset, progress: bool | None = None) -> tuple[NDArray[Any], list[str]]:
    """Embedding of every window of every clip, ``(n, D)`` float64, and the recording that each was cut from."""
    rows, sources = [], []
    with evaluating(model), torch.no_grad():
        for clip in track(dataset.clips, len(dataset.clips), "listening", progress):
            recording = Recording(model, clip.read().at(model.sample_rate))
            found = [window.embedding.cpu().double().numpy() for window in recording.clips]
            rows += found
            sources += [clip.source] * len(found)
    return np.stack(rows), sources


def frechet(
    first: Annotated[str, typer.Argument(metavar="READER:DIR[#FOLDS]", help="The reference")],
    second: Annotated[str, typer.Argument(metavar="READER:DIR[#FOLDS]", help="The other")],
    model: Annotated[str, typer.Option(help="Whose embeddings")] = "tiny",
    draws: Annotated[int, typer.Option(min=1, help="Pairs of halves per size")] = 10,
    seed: Annotated[int, typer.Option(help="Of the draws")] = 0,
) -> None:
    """Distance of two data sets, at equal sizes, beside that of two halves of the first."""
    loaded = load_model(model)
    (a, of_a), (b, of_b) = (embeddings(loaded, dataset_of(text)) for text in (first, second))
    size = min(largest_half(of_a), len(b))
    sizes = sorted({max(2, size // 4), max(2, size // 2), size})
    within = frechet_bias(a, sizes, draws, seed, of_a)
    rng = np.random.default_rng(seed)
    between = [
        frechet_distance(a[draw_parts(of_a, [size], rng)[0]], b[draw_parts(of_b, [size], rng)[0]]) for _ in range(draws)
    ]
    name = f"{loaded.card.name} ({str(loaded.card.weights_sha256)[:12]})"
    recordings = f"{len(set(of_a))} and {len(set(of_b))} recordings"
    typer.echo(f"{name}, {a.shape[1]} dimensions, {recordings}, {draws} draws, seed {seed}; mean [least, most]")
    typer.echo(f"between the two, {size} windows each: {_spread(np.array(between))}")
    for count, found in zip(sizes, within, strict=True):
        typer.echo(f"between parts of the first, {count} windows each: {_spread(found)}")


def _spread(values: NDArray[Any]) -> str:
    return f"{values.mean():.4f} [{values.min():.4f}, {values.max():.4f}]"


if __name__ == "__main__":
    typer.run(frechet)
