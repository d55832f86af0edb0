"""One linear layer on embeddings, dense against concepts: ``python -m zsxai.benchmarks.measure.concept_linear``.

For every model of a pool the layer H (:mod:`zsxai.concepts.linear`) is trained on the part of the data that this model
has not heard, and judged on another fold, whose recordings are in no training. Four classifications of every clip by
the class prompts: ``dense``, from the embedding z; ``Hz``, from the embedding through the layer; and from the words of
the vocabulary ``clustered`` that Hz is a mix of, at most ``k`` of them. Hz lies where texts lie, so it is decomposed
without centring.

Three trainings: ``cross-entropy`` over the class prompts from the identity, where nothing is drawn, so that a seed
changes nothing and it is fitted once; the same from a random matrix; and the paper's ``cosine`` from a random matrix
(arXiv 2504.14076, section III), as it has it. There the seed draws the matrix, and nothing else: data, order and steps
are the same.

A clip counts by its mean over the seeds. Intervals are 95 %, by bootstrap over recordings, clips of all models pooled;
a recording is drawn with what all models made of it. Seeds stand apart besides: the mean of every one, lowest and
highest.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from zsxai.benchmarks.analyse.bootstrap import Interval, Resampling
from zsxai.benchmarks.analyse.formatting import format_interval, format_number
from zsxai.benchmarks.measure.frame import AsJson, Table, app, measure_each, one_thread, read_data, show
from zsxai.benchmarks.run.suite import ModelSpec, load_models
from zsxai.benchmarks.tasks.base import in_hash_order
from zsxai.checks import whole_number
from zsxai.concepts.dictionary import build_dictionary
from zsxai.concepts.linear import EPOCHS, RATE, LinearLayer, Loss, Start, fit_linear
from zsxai.concepts.recordings import embed_recording
from zsxai.concepts.use import class_scores
from zsxai.conditions import evaluating
from zsxai.data import load_dataset
from zsxai.data.clip import LabelledClip
from zsxai.errors import InputError
from zsxai.model import ZeroShotModel
from zsxai.plugins import load_model
from zsxai.prompt import embed_prompts
from zsxai.recording import Recording
from zsxai.versions import versions

TEMPLATE = "the sound of {}"
PLAIN, LAYER = ("-", "dense"), "Hz"


class Training(NamedTuple):
    """How the layer is trained.

    Attributes:
        loss: As :func:`fit_linear` takes it.
        start: As :func:`fit_linear` takes it; only a random one depends on the seed.
    """

    loss: Loss
    start: Start

    @property
    def name(self) -> str:
        """In tables."""
        return f"{self.loss}, {self.start}"


TRAININGS = (
    Training("cross-entropy", "identity"),
    Training("cross-entropy", "random"),
    Training("cosine", "random"),
)


@dataclass(frozen=True, eq=False)
class Heard:
    """Clips before a model.

    Attributes:
        embeddings: ``(N, D)``.
        labels: ``(N,)`` numbers of their classes.
        sources: Recordings.
    """

    embeddings: Tensor
    labels: Tensor
    sources: list[str]


@dataclass(frozen=True, eq=False)
class Judged:
    """What one model got right.

    Attributes:
        sources: Recordings of the ``N`` clips it is judged on.
        right: ``(S, N)`` by training and by what is classified, one row per seed.
        trained_on: Clips that the layer was trained on.
        words: Mean number of words in use, likewise by training and ``k``.
    """

    sources: list[str]
    right: Mapping[tuple[str, str], NDArray[Any]]
    trained_on: int
    words: Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        training: Name of the training.
        of: What is classified.
        accuracy: Over clips of all models.
        seeds: Accuracy of every seed.
        over_dense: Paired difference to ``dense``; None for that itself.
        over_layer: Paired difference of concepts to ``Hz``; None for others.
        words: Words in use, mean; None where there are none.
    """

    training: str
    of: str
    accuracy: Interval
    seeds: tuple[float, ...]
    over_dense: Interval | None
    over_layer: Interval | None
    words: float | None

    @property
    def cells(self) -> list[str]:
        """Ready for a table."""
        low, high = format_number(min(self.seeds), 3), format_number(max(self.seeds), 3)
        apart = f"{low} to {high} ({len(self.seeds)})" if len(self.seeds) > 1 else "-"
        differences = [
            "-" if found is None else format_interval(found, 3) for found in (self.over_dense, self.over_layer)
        ]
        words = "-" if self.words is None else f"{self.words:.1f}"
        return [self.training, self.of, words, format_interval(self.accuracy, 3), apart, *differences]

    def record(self) -> dict[str, object]:
        """Ready for JSON."""
        return {name: v._asdict() if isinstance(v, Interval) else v for name, v in vars(self).items()}


@one_thread()
def concept_linear(
    data: Annotated[str, typer.Option(metavar="READER=DIR", help="Such as esc50=DIR")],
    test_fold: Annotated[int, typer.Option(help="Fold that the layer is judged on.")] = 4,
    halves: Annotated[
        bool,
        typer.Option("--halves", help="For trials: train and judge on halves of every model's own part."),
    ] = False,
    pool: Annotated[str, typer.Option(help="Models with the part of the data that each has not heard.")] = "twins",
    seeds: Annotated[int, typer.Option(min=1, help="Random starts.")] = 5,
    counts: Annotated[str, typer.Option(help="Numbers of words, comma-separated.")] = "10,30",
    epochs: Annotated[int, typer.Option(min=1, help="Steps of a training.")] = EPOCHS,
    limit: Annotated[int | None, typer.Option(min=1, help="Clips of a fold at most; all where left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train one linear layer on every model's unheard part; judge dense and concepts on another fold."""
    reader, root, _ = read_data(data, None)
    tested = None if halves else load_dataset(reader, root, folds=[test_fold])
    asked = _read_counts(counts)
    judges: dict[str, Callable[[], Judged]] = {}
    for spec in load_models(pool):
        own = load_dataset(reader, root, **spec.data.get(reader, {}))
        trained, judged = _halve(own.clips) if tested is None else (own.clips, tested.clips)
        if {clip.source for clip in trained} & {clip.source for clip in judged}:
            continue  # the layer would be judged on what it was trained on
        judge = Judge(spec, own.labels, asked, seeds, epochs)
        parts = (in_hash_order(clips)[:limit] for clips in (trained, judged))
        judges[spec.title] = partial(judge.measure, *parts)
    if not judges:
        raise InputError(f"every model of {pool} has a part that shares recordings with fold {test_fold}: take another")
    measured = measure_each(judges, None, lambda judged: f"{judged.trained_on} and {len(judged.sources)} clips")
    rows = list(summarise(list(measured.values())))
    sources = [source for each in measured.values() for source in each.sources]
    context = {
        "data": f"{reader} " + ("halves of the models' own parts" if halves else f"fold {test_fold}"),
        "layers": ", ".join(f"{n} on {each.trained_on} clips, for {len(each.sources)}" for n, each in measured.items()),
        "recordings": len(set(sources)),
        "template": TEMPLATE,
        "epochs": epochs,
        "rate": RATE,
    }
    heads = ("training", "of", "words", "accuracy", "seeds apart", "less dense", "less Hz")
    record = {**context, "rows": [row.record() for row in rows], "versions": versions()}
    show(Table(heads, [row.cells for row in rows], context | versions()), record, as_json)


def _halve(clips: Sequence[LabelledClip]) -> tuple[list[LabelledClip], list[LabelledClip]]:
    """Clips in two halves that share no recording."""
    sources = sorted({clip.source for clip in clips}, key=lambda source: (zlib.crc32(source.encode()), source))
    first = {*sources[: len(sources) // 2]}
    return [clip for clip in clips if clip.source in first], [clip for clip in clips if clip.source not in first]


def _read_counts(counts: str) -> list[int]:
    try:
        return [whole_number(int(count), "k", 1) for count in counts.split(",")]
    except ValueError as error:
        raise InputError(f"--counts takes whole numbers, such as 10,30, not {counts!r}") from error


class Judge:
    """Trains and judges layers of one model.

    Args:
        spec: The model.
        labels: Classes.
        counts: Numbers of words.
        seeds: Random starts.
        epochs: Steps of a training.
    """

    def __init__(self, spec: ModelSpec, labels: Sequence[str], counts: Sequence[int], seeds: int, epochs: int) -> None:
        self.spec = spec
        self.labels = list(labels)
        self.counts = counts
        self.seeds = seeds
        self.epochs = epochs

    def measure(self, own: Sequence[LabelledClip], tested: Sequence[LabelledClip]) -> Judged:
        """Train on the one, judge on the other.

        Args:
            own: Clips that the model has not heard.
            tested: Clips of other recordings.
        """
        model = load_model(self.spec.name, **self.spec.options)
        with evaluating(model), torch.no_grad():
            text = embed_prompts(model, self.labels, TEMPLATE).embedding.cpu().double()
            words = build_dictionary(model, "clustered", "none", progress=False)
            train, test = self._hear(model, own), self._hear(model, tested)
        right = {PLAIN: _right(test.embeddings @ text.T, test.labels)[None]}
        used: dict[tuple[str, str], float] = {}
        for training in TRAININGS:
            number = self.seeds if training.start == "random" else 1
            mapped = [self._fit(model, train, text, training, seed)(test.embeddings) for seed in range(number)]
            right[training.name, LAYER] = np.stack([_right(rows @ text.T, test.labels) for rows in mapped])
            for k in self.counts:
                found = [words.decompose(words.code_text(rows), k=k).weights for rows in mapped]
                at = training.name, f"words of Hz, k = {k}"
                right[at] = np.stack([_right(class_scores(words, w, text), test.labels) for w in found])
                used[at] = float(np.mean([(w > 0).sum(dim=1).double().mean() for w in found]))
        return Judged(test.sources, right, len(own), used)

    def _hear(self, model: ZeroShotModel, clips: Sequence[LabelledClip]) -> Heard:
        rows = [embed_recording(Recording(model, clip.read().at(model.sample_rate))) for clip in clips]
        labels = torch.tensor([self.labels.index(clip.label) for clip in clips])
        return Heard(torch.stack(rows), labels, [clip.source for clip in clips])

    def _fit(self, model: ZeroShotModel, train: Heard, text: Tensor, training: Training, seed: int) -> LinearLayer:
        return fit_linear(
            model,
            train.embeddings,
            train.labels,
            text,
            data=f"clips that {self.spec.title} has not heard",
            loss=training.loss,
            start=training.start,
            seed=seed,
            epochs=self.epochs,
        )


def summarise(judged: Sequence[Judged]) -> Iterator[Row]:
    """Pool what all models got right."""
    drawn = Resampling([source for each in judged for source in each.sources])
    right = {at: np.concatenate([each.right[at] for each in judged], axis=1) for at in judged[0].right}
    for at, by_seed in right.items():
        training, of = at
        found = by_seed.mean(axis=0)
        less = [found - right[base].mean(axis=0) for base in (PLAIN, (training, LAYER)) if base in right]
        whole, over_dense, *over_layer = drawn.intervals(np.stack([found, *less], axis=1))
        yield Row(
            training=training,
            of=of,
            accuracy=whole,
            seeds=tuple(by_seed.mean(axis=1).tolist()),
            over_dense=None if at == PLAIN else over_dense,
            over_layer=None if of == LAYER or not over_layer else over_layer[0],
            words=float(np.mean([each.words[at] for each in judged])) if at in judged[0].words else None,
        )


def _right(cosines: Tensor, labels: Tensor) -> NDArray[Any]:
    """Whether the nearest class is the clip's own, ``(N,)``; never without words, where all are alike."""
    named = (cosines.argmax(dim=1) == labels) & (cosines != 0).any(dim=1)
    return named.double().numpy()


if __name__ == "__main__":
    app(concept_linear)()
