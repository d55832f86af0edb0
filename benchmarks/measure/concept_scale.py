"""Which lambda is arXiv 2504.14076's? ``python -m zsxai.benchmarks.measure.concept_scale``.

The paper states neither how lambda is scaled nor whether embeddings are centred. It states how many words it leaves a
recording: 90 to 100 at .05, about 60 at .10, 35 to 45 at .15. This command counts words at these three, before a model
with a vocabulary, under every reading:

``unit``: lambda on the sum of the weights of unit rows, as SpLiCE's code and this library have it.
``alpha``: scikit-learn's ``alpha`` on rows that were not made unit, as msclap gives them
(:func:`~zsxai.concepts.solver.penalty_of_alpha`). Models here give unit rows, so this needs the mean norms of the
model's own outputs, ``--audio-norm`` and ``--text-norm``; where they are not given, the square root of the dimension
stands for both, which is near after a layer norm of gain 1.

Both without centring and with the means of a file (``--mean``; else the model's own, where it brings them). ``off`` is
the mean distance of the logarithms from those of 95, 60 and 40 words: 0.1 is about ten per cent. The least fits best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from zsxai.benchmarks.measure.frame import AsJson, Table, app, read_data, show
from zsxai.benchmarks.tasks.base import in_hash_order
from zsxai.concepts.centring import NONE, Centring, find_centring
from zsxai.concepts.dictionary import build_dictionary
from zsxai.concepts.recordings import embed_recording
from zsxai.concepts.solver import penalty_of_alpha
from zsxai.concepts.vocabulary import load_vocabulary
from zsxai.conditions import evaluating
from zsxai.data import load_dataset
from zsxai.errors import InputError
from zsxai.model import ZeroShotModel
from zsxai.plugins import load_model
from zsxai.progress import track
from zsxai.recording import Recording
from zsxai.versions import versions

PUBLISHED = {0.05: 95.0, 0.10: 60.0, 0.15: 40.0}
"""Words at three values of lambda (section IV); the middle of what is stated."""


@dataclass(frozen=True)
class Reading:
    """One line of the table.

    Attributes:
        scale: ``unit`` or ``alpha``.
        centring: ``none`` or ``mean``.
        penalties: On unit rows, at the three values of lambda.
        words: Mean number of words there.
        off: Mean distance of the logarithms of the words from those published.
    """

    scale: str
    centring: str
    penalties: tuple[float, ...]
    words: tuple[float, ...]
    off: float


def compare_readings(
    model: ZeroShotModel, vocabulary: str, rows: Tensor, centrings: Sequence[Centring], norms: tuple[float, float]
) -> list[Reading]:
    """Count words under every reading.

    Args:
        model: A loaded model.
        vocabulary: As :func:`~zsxai.concepts.vocabulary.load_vocabulary` takes it.
        rows: ``(N, D)`` embeddings of recordings.
        centrings: Those to try.
        norms: Norms of the model's own outputs: recordings, texts.
    """
    found = []
    for centring in centrings:
        words = build_dictionary(model, vocabulary, centring)
        codes = words.code_audio(rows)
        for scale in ("unit", "alpha"):
            penalties = [lam if scale == "unit" else penalty_of_alpha(lam, rows.shape[1], *norms) for lam in PUBLISHED]
            counts = [float(words.decompose(codes, penalty).counts.double().mean()) for penalty in penalties]
            apart = [abs(math.log(max(n, 0.5) / m)) for n, m in zip(counts, PUBLISHED.values(), strict=True)]
            off = sum(apart) / len(apart)
            found.append(Reading(scale, centring.kind, tuple(penalties), tuple(counts), off))
    return sorted(found, key=lambda reading: reading.off)


def _embed(model: ZeroShotModel, data: str, folds: str | None, limit: int) -> Tensor:
    reader, root, options = read_data(data, folds)
    clips = in_hash_order(load_dataset(reader, root, **options).clips)[:limit]
    if not clips:
        raise InputError(f"--data {data} has no recording")
    return torch.stack(
        [
            embed_recording(Recording(model, clip.read().at(model.sample_rate)))
            for clip in track(clips, len(clips), "embedding recordings", None)
        ]
    )


def concept_scale(
    model: Annotated[str, typer.Option("--model", metavar="M", help="A model, such as msclap-2023.")],
    vocabulary: Annotated[str, typer.Option("--vocabulary", metavar="V", help="A name or a file.")],
    data: Annotated[str, typer.Option("--data", metavar="READER=DIR", help="Recordings, such as esc50=DIR.")],
    folds: Annotated[str | None, typer.Option("--folds", help="Folds to take, such as 1,2.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Recordings at most.")] = 200,
    mean: Annotated[Path | None, typer.Option("--mean", help="A file of means that zsxai centring made.")] = None,
    audio_norm: Annotated[float | None, typer.Option("--audio-norm", min=1e-6, help="Mean norm of recordings.")] = None,
    text_norm: Annotated[float | None, typer.Option("--text-norm", min=1e-6, help="Mean norm of words.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count words at the paper's lambdas under every reading of it; the first line fits best."""
    loaded, known = load_model(model), load_vocabulary(vocabulary)
    centrings: list[Centring] = [NONE]
    notes: dict[str, object] = {"words": len(known), "vocabulary": known.name}
    try:
        centrings.append(find_centring("mean" if mean is None else mean, loaded))
    except InputError:
        if mean is not None:
            raise
        notes["mean"] = "not tried: give --mean FILE"
    with evaluating(loaded), torch.no_grad():
        rows = _embed(loaded, data, folds, limit)
        root = math.sqrt(rows.shape[1])
        norms = (audio_norm or root, text_norm or root)
        found = compare_readings(loaded, vocabulary, rows, centrings, norms)
    assumed = "assumed" if audio_norm is None or text_norm is None else "given"
    notes |= {"recordings": len(rows), "norms of alpha": f"{norms[0]:.4g} and {norms[1]:.4g}, {assumed}"}
    table = [
        [
            r.scale,
            r.centring,
            *(f"{words:.1f} ({p:.3g})" for words, p in zip(r.words, r.penalties, strict=True)),
            f"{r.off:.2f}",
        ]
        for r in found
    ]
    table.append(["published", "?", "90 to 100", "about 60", "35 to 45", "0"])
    heads = ("scale", "centring", *(f"words at {lam:.2f} (penalty)" for lam in PUBLISHED), "off")
    record = {"versions": versions(), **notes, "readings": [asdict(reading) for reading in found]}
    show(Table(heads, table, {**notes, **versions()}), record, as_json)


if __name__ == "__main__":
    app(concept_scale)()
