"""Train ``tiny`` from scratch: ``python -m zsxai.adapters.tiny.training.train --data DIR --out DIR``.

First the text tower is distilled from its teacher, then the audio encoder learns to meet its captions. Everything is
seeded, kept in ``--out`` and resumable; ``--out/weights`` is what :func:`zsxai.adapters.tiny.load` takes.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor

from zsxai.adapters.tiny.audio import AudioEncoder
from zsxai.adapters.tiny.store import CLIPS, TEXT, packed_text, read_verified, write_weights
from zsxai.adapters.tiny.text import LIMIT, TextTower, centred
from zsxai.adapters.tiny.tokenizer import WordPiece
from zsxai.adapters.tiny.training.captions import UNHEARD, Captions, load_captions
from zsxai.adapters.tiny.training.checkpoint import load_checkpoint, save_checkpoint
from zsxai.adapters.tiny.training.data import LogMels, load_log_mels
from zsxai.adapters.tiny.training.distill import distil, teacher_captions
from zsxai.adapters.tiny.training.fit import Progress as Step
from zsxai.adapters.tiny.training.fit import Recipe, Texts, fit
from zsxai.errors import InputError


class Bars:
    """Progress bars of the stages.

    Args:
        progress: The live display.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}

    def show(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Move the bar of a stage."""
        if stage not in self.tasks:
            self.tasks[stage] = self.progress.add_task(stage, total=total, note="")
        self.progress.update(self.tasks[stage], completed=done, total=total, note=note)


def vocabulary_file() -> Path:
    """The vocabulary of the bundled weights."""
    return Path(__file__).parents[1] / "weights" / "vocab.txt"


def text_side(
    out: Path, cache: Path, captions: Captions, bars: Bars, *, texts: int, epochs: int, seed: int, resume: bool
) -> bytes:
    """Distil the text tower, or take the finished one of ``out`` when resuming; the file that ships."""
    at = out / "text.done"
    if resume and at.is_file():
        state = load_checkpoint(at)
        tower = TextTower()
        tower.load_state_dict(state["model"])
        return packed_text(tower, state["centre"])
    vocabulary = vocabulary_file().read_text(encoding="utf-8").rstrip("\n").split("\n")
    tower, centre = distil(
        captions,
        WordPiece(vocabulary, LIMIT),
        vocabulary,
        out,
        cache,
        texts=texts,
        epochs=epochs,
        seed=seed,
        resume=resume,
        tick=lambda done, total, loss: bars.show("text tower", done, total, f"loss {loss:.3f}"),
    )
    save_checkpoint(at, {"model": tower.state_dict(), "centre": centre})
    return packed_text(tower, centre)


def caption_texts(captions: Captions, labels: Sequence[str], cache: Path) -> Texts:
    """Embed the captions of some classes, and of the other sounds, by the teacher.

    The audio learns from the teacher, as the text tower does; so the two can be trained in either order.
    """
    rows = teacher_captions(captions, WordPiece.from_file(vocabulary_file(), LIMIT), cache)
    rows = centred(rows, rows.mean(dim=0))
    by_class: dict[str, Tensor] = {}
    start = 0
    for label in captions.phrases:
        n = len(captions.captions(label))
        by_class[label] = rows[start : start + n]
        start += n
    return Texts(tuple(by_class[label] for label in labels), rows[start:], named=len(captions.templates))


def train(
    data: LogMels,
    texts: Texts,
    out: Path,
    bars: Bars,
    *,
    recipe: Recipe,
    labels: Sequence[str],
    seed: int,
    resume: bool,
) -> AudioEncoder:
    """Train the audio encoder."""
    kept = torch.tensor([data.names[i] in labels for i in data.labels.tolist()]).nonzero().flatten()
    index = torch.tensor([labels.index(n) if n in labels else -1 for n in data.names])
    clips, targets = data.values[kept], index[data.labels[kept]]

    def report(step: Step, _: AudioEncoder) -> None:
        bars.show("audio", step.step, step.steps, f"loss {step.loss:.3f}")

    return fit(clips, targets, texts, out, recipe=recipe, seed=seed, resume=resume, report=report)


def write_clip_list(data: Path, names: set[str], at: Path) -> None:
    """Copy author, licence and source of the clips trained on out of the data set's table, where it has them."""
    table = data / "metadata.csv"
    if not table.is_file():
        return
    columns = ("filename", "fold", "category", "licence", "author", "source")
    with table.open(newline="", encoding="utf-8") as source, at.open("w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in csv.DictReader(source) if row["filename"] in names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-50")
    parser.add_argument("--out", type=Path, required=True, help="folder of caches, checkpoints and weights")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3], help="folds to train on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=Recipe.epochs, help="of the audio encoder")
    parser.add_argument("--texts", type=int, default=48000, help="generated texts of the distillation")
    parser.add_argument("--text-epochs", type=int, default=4, help="of the text tower")
    parser.add_argument("--text-from", type=Path, help="take the text tower of this weights folder")
    parser.add_argument("--zero-shot", action="store_true", help="leave ten classes out, to measure unheard ones")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --out")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    console = Console()
    out: Path = options.out
    captions = load_captions()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, TextColumn("{task.fields[note]}"), console=console) as progress:
            bars = Bars(progress)
            data = load_log_mels(
                options.data, out / "cache", options.folds, lambda done, total: bars.show("log-mels", done, total)
            )
            if unknown := set(data.names) ^ set(captions.phrases):
                raise InputError(f"the classes of {options.data} are not ESC-50's: {', '.join(sorted(unknown)[:4])}")
            if options.text_from:
                text = read_verified(options.text_from)[TEXT]
            else:
                text = text_side(
                    out / "text",
                    out / "cache",
                    captions,
                    bars,
                    texts=options.texts,
                    epochs=options.text_epochs,
                    seed=options.seed,
                    resume=options.resume,
                )
            labels = [n for n in data.names if not (options.zero_shot and n in UNHEARD)]
            recipe = Recipe(epochs=options.epochs)
            audio = train(
                data,
                caption_texts(captions, labels, out / "cache"),
                out / "audio",
                bars,
                recipe=recipe,
                labels=labels,
                seed=options.seed,
                resume=options.resume,
            )
    except InputError as error:
        console.print(f"[red]{error}[/red]", highlight=False, soft_wrap=True)
        return 2
    weights = out / "weights"
    notes = {
        "folds": options.folds,
        "seed": options.seed,
        "without": list(UNHEARD) if options.zero_shot else [],
        "recipe": asdict(recipe),
    }
    write_weights(weights, audio, text, vocabulary_file().read_bytes(), notes)
    names = {c.name for c in data.clips if c.label in labels}
    write_clip_list(options.data, names, weights / CLIPS)
    console.print(f"weights written to {weights}", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
