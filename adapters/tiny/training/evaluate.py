"""Measure ``tiny`` on ESC-50: ``python -m zsxai.adapters.tiny.training.evaluate --data DIR --fold 4``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soxr
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from zsxai.adapters.tiny import load
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
    parser.add_argument("--fold", type=int, nargs="+", default=[4], help="folds to measure on")
    parser.add_argument("--weights", help="folder of weights; the bundled ones by default")
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
        model = load(options.weights)
        data = ESC50(options.data, options.fold)
        labels = list(UNHEARD) if options.zero_shot else data.labels
        clips = [c for c in data if c.label in labels]
        if not clips:
            raise InputError(f"no clips of folds {options.fold} at {options.data}")
    except InputError as error:
        console.print(f"[red]{error}[/red]", highlight=False, soft_wrap=True)
        return 2
    with torch.inference_mode():
        embeddings = embed(model, clips)
        found = figures(model, clips, embeddings, load_captions(), labels, options.seed)
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "data": "ESC-50, CC0 and CC-BY clips" if (options.data / "metadata.csv").is_file() else "ESC-50",
        "folds": options.fold,
        "clips": len(clips),
        "recordings": len({c.source for c in clips}),
        "classes": len(labels),
        "seed": options.seed,
        "weights": model.card.weights_sha256,
        "template": TEMPLATE,
        "torch": torch.__version__,
        "figures": {name: asdict(f) for name, f in found.items()},
    }
    console.print(_table(record, found))
    if options.json:
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if options.log:
        with options.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    return 0


def _table(record: dict[str, object], found: dict[str, Figure]) -> Table:
    title = (
        f"tiny on {record['data']}, fold {record['folds']}: {record['clips']} clips of {record['recordings']} "
        f"recordings, {record['classes']} classes, seed {record['seed']}, weights {str(record['weights'])[:12]}"
    )
    table = Table("figure", "value", "95 % interval", "chance", "n", title=title)
    for name, f in found.items():
        table.add_row(name, f"{f.value:.3f}", f"{f.low:.3f} .. {f.high:.3f}", f"{f.chance:.3f}", str(f.n))
    return table


if __name__ == "__main__":
    raise SystemExit(main())
