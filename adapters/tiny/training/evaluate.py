"""Measure ``tiny`` on ESC-50: ``python -m zsxai.adapters.tiny.training.evaluate --data DIR``.

Its twins, each on the fold that it has not heard, pooled; or, with ``--fold``, the bundled weights on one fold.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from zsxai.adapters.tiny import TWINS, load, load_twin
from zsxai.adapters.tiny.model import TinyClap
from zsxai.adapters.tiny.spec import SAMPLE_RATE
from zsxai.adapters.tiny.training.captions import UNHEARD, Captions, load_captions
from zsxai.adapters.tiny.training.data import read_clip
from zsxai.adapters.tiny.training.scoring import (
    Figure,
    macro,
    mean_average_precision,
    micro,
    replicate_weights,
    with_interval,
)
from zsxai.data.clip import LabelledClip
from zsxai.data.esc50 import ESC50
from zsxai.errors import InputError
from zsxai.progress import track
from zsxai.versions import commit

TEMPLATE = "the sound of {}"
BATCH = 16


def white_noise(waveforms: Tensor, seed: int, decibels: float = 10.0) -> Tensor:
    """Add white noise at an SNR over the whole clip, ``(B, T)`` to ``(B, T)``."""
    noise = torch.randn(waveforms.shape, generator=torch.Generator().manual_seed(seed))
    level = waveforms.square().mean(dim=1, keepdim=True) / noise.square().mean(dim=1, keepdim=True)
    noisy: Tensor = waveforms + noise * (level * 10.0 ** (-decibels / 10.0)).sqrt()
    return noisy


def from_8_khz(waveforms: Tensor, seed: int) -> Tensor:
    """As a source of 8 kHz gives it, ``(B, T)`` to ``(B, T)``."""
    del seed
    out = torch.zeros_like(waveforms)
    for i, clip in enumerate(waveforms.numpy()):
        back = soxr.resample(soxr.resample(clip, SAMPLE_RATE, 8000), 8000, SAMPLE_RATE)[: waveforms.shape[1]]
        out[i, : len(back)] = torch.from_numpy(np.ascontiguousarray(back))
    return out


CONDITIONS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "clean": lambda w, _: w,
    "white noise, 10 dB SNR": white_noise,
    "8 kHz source": from_8_khz,
    "-20 dB": lambda w, _: w * 0.1,
    "first half": lambda w, _: w[:, : w.shape[1] // 2],
}
"""What is done to the clips before the model hears them."""


def embed(model: TinyClap, clips: Sequence[LabelledClip], progress: bool | None = None) -> list[Tensor]:
    """Embed clips under every condition; a list of ``(n, D)`` in the order of :data:`CONDITIONS`."""
    out: list[list[Tensor]] = [[] for _ in CONDITIONS]
    starts = range(0, len(clips), BATCH)
    for at in track(starts, len(starts), "listening", progress):
        waveforms = torch.stack([read_clip(str(c.path)) for c in clips[at : at + BATCH]])
        for into, change in zip(out, CONDITIONS.values(), strict=True):
            into.append(model.embed_audio(change(waveforms, at)))
    return [torch.cat(rows) for rows in out]


def accuracy_differences(
    clips: Sequence[LabelledClip],
    embeddings: Sequence[Tensor],
    others: Sequence[Tensor],
    texts: Tensor,
    labels: Sequence[str],
    seed: int,
) -> dict[str, Figure]:
    """Accuracy under every condition less that of other embeddings of the same clips, paired.

    Args:
        clips: Clips, all of ``labels``.
        embeddings: Embeddings of the clips under every condition.
        others: As many, of another model.
        texts: ``(labels, D)`` embeddings of the prompts.
        labels: Classes to choose among.
        seed: Seed of the bootstrap.
    """
    truth = torch.tensor([list(labels).index(c.label) for c in clips])
    weights = replicate_weights([c.source for c in clips], seed)
    out = {}
    for name, mine, other in zip(CONDITIONS, embeddings, others, strict=True):
        right, wrong = (((rows @ texts.T).argmax(dim=1) == truth).double().numpy() for rows in (mine, other))
        out[f"accuracy, {name}"] = with_interval(micro(right - wrong), weights, 0.0, len(clips))
    return out


def _embed_class(model: TinyClap, prompts: Sequence[str]) -> Tensor:
    return torch.nn.functional.normalize(model.embed_text(prompts).mean(dim=0), dim=0)


def figures(
    model: TinyClap,
    clips: Sequence[LabelledClip],
    embeddings: Sequence[Tensor],
    captions: Captions,
    labels: Sequence[str],
    seed: int,
) -> dict[str, Figure]:
    """Every figure of the table, by name.

    Args:
        model: The model.
        clips: Clips, all of ``labels``.
        embeddings: Embeddings of the clips under every condition.
        captions: Wording.
        labels: Classes to choose among.
        seed: Seed of the bootstrap.
    """
    truth = np.array([list(labels).index(c.label) for c in clips])
    weights = replicate_weights([c.source for c in clips], seed)
    chance = 1 / len(labels)
    prompts = model.embed_text([TEMPLATE.format(label) for label in labels])
    out: dict[str, Figure] = {}

    def add(name: str, texts: Tensor, audio: Tensor, *, both: bool) -> None:
        right = (audio @ texts.T).argmax(dim=1).numpy() == truth
        out[f"accuracy, {name}"] = with_interval(micro(right), weights, chance, len(clips))
        if both:
            out[f"macro accuracy, {name}"] = with_interval(macro(right, truth), weights, chance, len(clips))

    for name, audio in zip(CONDITIONS, embeddings, strict=True):
        add(name, prompts, audio, both=name == "clean")
    held_out = [(p, label) for label in labels for p in captions.held_out[label]]
    rephrased = torch.stack([_embed_class(model, captions.held_out[label]) for label in labels])
    add("held-out paraphrases only", rephrased, embeddings[0], both=False)
    scores = (embeddings[0] @ model.embed_text([p for p, _ in held_out]).T).numpy()
    relevant = np.array([[c.label == label for _, label in held_out] for c in clips])
    out["mAP, held-out paraphrases"] = with_interval(
        mean_average_precision(scores, relevant), weights, float(relevant.mean()), len(held_out)
    )
    scores = (embeddings[0] @ prompts.T).numpy()
    relevant = truth[:, None] == np.arange(len(labels))[None]
    out["mAP, class prompts"] = with_interval(
        mean_average_precision(scores, relevant), weights, float(relevant.mean()), len(labels)
    )
    return out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-50")
    parser.add_argument("--fold", type=int, nargs="+", help="folds to measure one model on; without it, the twins")
    parser.add_argument("--weights", help="folder of weights, or of the twins'; those of the checkout by default")
    parser.add_argument("--against", type=Path, help="folder of other twins, to compare with clip by clip")
    parser.add_argument("--seed", type=int, default=0, help="of the noise and the bootstrap")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--log", type=Path, help="append date, commit and figures to this file, a JSON line each")
    parser.add_argument("--zero-shot", action="store_true", help="only the ten classes that --zero-shot training omits")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        if options.against and options.fold:
            raise InputError("--against compares twins: leave --fold out")
        asked = _models(options.weights, options.fold)
        trained_on = [] if options.fold else [int(name) for name in TWINS]
        heard = [_clips(options.data, folds, trained_on, options.zero_shot) for _, folds in asked]
        others = _models(options.against, None) if options.against else []
    except InputError as error:
        console.print(f"[red]{error}[/red]", highlight=False, soft_wrap=True)
        return 2
    labels = list(UNHEARD) if options.zero_shot else sorted({c.label for clips in heard for c in clips})
    clips = [c for part in heard for c in part]
    model = asked[0][0]  # twins share their text side
    with torch.inference_mode():
        embeddings = _pooled([embed(m, part) for (m, _), part in zip(asked, heard, strict=True)])
        found = figures(model, clips, embeddings, load_captions(), labels, options.seed)
        less: dict[str, Figure] = {}
        if others:
            theirs = _pooled([embed(m, part) for (m, _), part in zip(others, heard, strict=True)])
            prompts = model.embed_text([TEMPLATE.format(label) for label in labels])
            less = accuracy_differences(clips, embeddings, theirs, prompts, labels, options.seed)
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "data": "ESC-50, CC0 and CC-BY clips" if (options.data / "metadata.csv").is_file() else "ESC-50",
        "folds": [fold for _, folds in asked for fold in folds],
        "twins": not options.fold,
        "clips": len(clips),
        "recordings": len({c.source for c in clips}),
        "classes": len(labels),
        "seed": options.seed,
        "weights": [m.card.weights_sha256 for m, _ in asked],
        "template": TEMPLATE,
        "torch": torch.__version__,
        "figures": {name: asdict(f) for name, f in found.items()},
        "less": {name: asdict(f) for name, f in less.items()},
    }
    console.print(_table(record, found))
    if less:
        console.print(_table(record, less, f", less {options.against}"))
    if options.json:
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if options.log:
        with options.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    return 0


def _models(weights: str | Path | None, folds: Sequence[int] | None) -> list[tuple[TinyClap, list[int]]]:
    """Models, each with the folds that it is measured on."""
    if folds:
        return [(load(None if weights is None else str(weights)), list(folds))]
    if weights is None:
        return [(load_twin(name), [int(name)]) for name in TWINS]
    cpu = torch.device("cpu")
    return [(TinyClap.from_folder(Path(weights) / name, cpu, twin=int(name)), [int(name)]) for name in TWINS]


def _clips(root: Path, folds: Sequence[int], trained_on: Sequence[int], zero_shot: bool) -> list[LabelledClip]:
    """Clips of some folds, less those of recordings that have another clip in a fold that was trained on."""
    others = [fold for fold in trained_on if fold not in folds]
    known = {c.source for c in ESC50(root, others)} if others else set()
    clips = [c for c in ESC50(root, folds) if c.source not in known and (not zero_shot or c.label in UNHEARD)]
    if not clips:
        raise InputError(f"no clips of folds {list(folds)} at {root}")
    return clips


def _pooled(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Embeddings of several sets of clips, joined under every condition."""
    return [torch.cat(rows) for rows in zip(*parts, strict=True)]


def _table(record: dict[str, Any], found: dict[str, Figure], less: str = "") -> Table:
    who = "the twins of tiny, each on its left-out fold" if record["twins"] else f"tiny, fold {record['folds']}"
    title = (
        f"{who}: {record['data']}, {record['clips']} clips of {record['recordings']} recordings, {record['classes']} "
        f"classes, seed {record['seed']}, weights {', '.join(w[:12] for w in record['weights'])}{less}"
    )
    table = Table("figure", "value", "95 % interval", "chance", "n", title=title)
    for name, f in found.items():
        table.add_row(name, f"{f.value:.3f}", f"{f.low:.3f} .. {f.high:.3f}", f"{f.chance:.3f}", str(f.n))
    return table


if __name__ == "__main__":
    raise SystemExit(main())
