"""What another type of numbers and another layout of weights change: ``python -m zsxai.benchmarks.measure.devices``.

* ``bfloat16``: recordings drawn from ESC-50, each explained for the class that it holds by the model's networks in
  float32 and in bfloat16: how far scores and masks lie apart, and how often the verdict's level, the best of 50
  labels and the order of all are the same. For ``tiny``, and for a small CLAP of Hugging Face with random weights.
* ``channels_last``: weights of convolutions laid out by channels, against as they are: the ratio of CPU times of a
  forward, and of a forward with the gradient at its input, and how far embeddings lie apart.
* ``time``: CPU time of a forward in bfloat16 against float32. It depends on the processor more than on anything else.

On one thread; a ratio is the median over interleaved pairs, with a bootstrap interval.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from scipy.stats import spearmanr

import zsxai
from zsxai.benchmarks.measure.frame import AsJson, Repeats, Table, app, one_thread, show
from zsxai.benchmarks.measure.libraries.hf import random_checkpoint
from zsxai.benchmarks.measure.timing import Pairs, compare
from zsxai.conditions import evaluating, plain_torch
from zsxai.data.clip import LabelledClip
from zsxai.data.esc50 import ESC50
from zsxai.model import SpectralModel
from zsxai.progress import track
from zsxai.versions import versions


@one_thread()
def devices(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="A folder of ESC-50.")],
    folds: Annotated[str, typer.Option(help="Folds that are drawn from.")] = "1,2,3",
    clips: Annotated[int, typer.Option(min=2, help="Recordings.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    repeats: Repeats = 9,
    as_json: AsJson = False,
) -> None:
    """Measure bfloat16 against float32, and the layout channels_last against torch's own."""
    read = ESC50(data, folds=[int(fold) for fold in folds.split(",")])
    chosen = np.random.default_rng(seed).choice(len(read.clips), clips, replace=False)
    drawn = [read.clips[int(index)] for index in sorted(chosen)]
    rows: list[list[str]] = []
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        named = {"tiny": "tiny", "hf, random weights": f"hf:{random_checkpoint(Path(folder) / 'clap')}"}
        for what, name in named.items():
            exact, coarse, plain, laid = (_load(name, t) for t in ("float32", "bfloat16", "float32", "float32"))
            _lay_out(plain, torch.contiguous_format)
            _lay_out(laid, torch.channels_last)
            explainer = None if name == "tiny" else "gradcam"
            record[what] = found = _compare_numbers(exact, coarse, drawn, read.labels, explainer)
            rows += [[what, figure, f"{value:.3g}"] for figure, value in found.items()]
            for case, other, floor in (("bfloat16", coarse, exact), ("channels_last", laid, plain)):
                for kind, backward in (("forward", False), ("forward and gradient", True)):
                    pairs = _compare_times(other, floor, repeats, backward=backward)
                    low, high = pairs.interval
                    rows.append([what, f"CPU time, {case}, {kind}", f"{pairs.ratio:.2f} x [{low:.2f}, {high:.2f}]"])
                    found[f"time of {case}, {kind}"] = [pairs.ratio, low, high]
            apart = float((_embed(laid) - _embed(plain)).abs().max())
            rows.append([what, "embeddings apart, channels_last", f"{apart:.1g}"])
            found["embeddings apart, channels_last"] = apart
    context = {"folds": folds, "clips": clips, "seed": seed, "pairs": repeats, **versions()}
    show(Table(("model", "figure", "value"), rows, context), {**record, **context}, as_json)


def _load(name: str, dtype: str) -> SpectralModel:
    loaded = zsxai.load_model(name, device="cpu", dtype=dtype)
    if not isinstance(loaded, SpectralModel):
        raise TypeError(f"{name} is no spectral model")
    return loaded


def _compare_numbers(
    exact: SpectralModel,
    coarse: SpectralModel,
    clips: Sequence[LabelledClip],
    labels: Sequence[str],
    explainer: str | None,
) -> dict[str, Any]:
    scores, masks, levels, best, order = [], [], [], [], []
    for clip in track(clips, len(clips), "explaining", None):
        pair = [zsxai.explain(clip.read(), clip.label, model=model, explainer=explainer) for model in (exact, coarse)]
        one, other = pair
        scores.append([abs(one.score - other.score), abs(one.score_out - other.score_out)])
        masks.append(float(np.abs(one.mask - other.mask)[one.grid.in_band].mean()))
        levels.append(one.verdict is not None and one.verdict.level == getattr(other.verdict, "level", None))
        ranked = [zsxai.classify(clip.read(), labels, model=model) for model in (exact, coarse)]
        best.append(ranked[0][0].label == ranked[1][0].label)
        places = [{row.label: place for place, row in enumerate(found)} for found in ranked]
        order.append(spearmanr(*([place[label] for label in labels] for place in places)).statistic)
    apart = np.array(scores)
    return {
        "score apart, median": float(np.median(apart[:, 0])),
        "score apart, most": float(apart[:, 0].max()),
        "score without the mask apart, most": float(apart[:, 1].max()),
        "mask apart (mean of cells), median": float(np.median(masks)),
        "mask apart (mean of cells), most": max(masks),
        "same level of the verdict": float(np.mean(levels)),
        "same best label of 50": float(np.mean(best)),
        "rank correlation of 50 labels, least": float(min(order)),
    }


def _lay_out(model: SpectralModel, layout: torch.memory_format) -> None:
    for root in model.modules():
        for weights in root.parameters():
            if weights.ndim == 4:
                # Not by contiguous(): of one channel it does nothing, and what follows takes its layout from there.
                weights.data = torch.empty_like(weights, memory_format=layout).copy_(weights)


def _noise(model: SpectralModel) -> torch.Tensor:
    samples = model.audio_spec.window_samples or model.sample_rate
    return torch.randn(8, samples, generator=torch.Generator().manual_seed(0)) / 10


def _embed(model: SpectralModel) -> torch.Tensor:
    with evaluating(model), torch.no_grad():
        return model.embed_audio(_noise(model))


@plain_torch()
def _compare_times(ours: SpectralModel, floor: SpectralModel, repeats: int, *, backward: bool) -> Pairs:
    def call_of(model: SpectralModel) -> Any:
        with torch.no_grad():
            mel = model.features(_noise(model)).mel

        def call() -> None:
            with evaluating(model), torch.set_grad_enabled(backward):
                leaf = mel.detach().requires_grad_(backward)
                embedding = model.encode(model.features_from_mel(leaf)).embedding
                if backward:
                    torch.autograd.grad(embedding[:, 0].sum(), leaf)

        return call

    return compare(call_of(ours), call_of(floor), repeats)


if __name__ == "__main__":
    app(devices)()
