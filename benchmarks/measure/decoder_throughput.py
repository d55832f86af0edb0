"""Does a decoder's training keep up with its networks? ``python -m zsxai.benchmarks.measure.decoder_throughput``.

On any device: a Hugging Face CLAP of the published size with random weights, or a model that is named, and synthesised
clips. First a training in the default configuration, but on ten batches in turn and with ``size`` and ``foreign`` in
the loss from the start, so that what it is at the end can be held against what it was:

* its loss: the mean of the first pass over the batches and of the last, which must be lower;
* the peak of memory above the loaded model, corpus and decoder: of what torch allocates on a GPU, of the process on a
  CPU.

Then a step against the networks alone (:class:`zsxai.benchmarks.measure.decoder_costs.StepFloor`), both in the
training's precision, in interleaved pairs: CPU time on one thread, or on a GPU wall time until it has computed all. A
recording counts once, however often a step masks it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated
from unittest import mock

import numpy as np
import torch
import typer

import zsxai
from zsxai.benchmarks.measure.costs import load_spectral
from zsxai.benchmarks.measure.decoder_backends import save_random
from zsxai.benchmarks.measure.decoder_costs import StepFloor
from zsxai.benchmarks.measure.decoder_training import centre_captions, make_trainer
from zsxai.benchmarks.measure.frame import AsJson, Full, Table, app, one_thread, show
from zsxai.benchmarks.measure.timing import Pairs, compare, cpu_seconds, in_new_process, peak_bytes
from zsxai.conditions import evaluating
from zsxai.lmac_zs.training.objectives import Contrastive
from zsxai.lmac_zs.training.trainer import frozen
from zsxai.model import SpectralModel
from zsxai.versions import versions

BATCHES = 10
"""Batches that a training goes through in turn; half the steps where those are fewer than twenty."""


@dataclass(frozen=True)
class Throughput:
    """What a training did, and what its steps cost.

    Attributes:
        losses: Loss of every step.
        peak: Bytes held at most, above model, corpus and decoder.
        batch: Recordings in a step.
        floor: What the networks alone are.
        pairs: Seconds of a step, and of the networks alone.
    """

    losses: tuple[float, ...]
    peak: int
    batch: int
    floor: str
    pairs: Pairs

    @property
    def ends(self) -> tuple[float, float]:
        """Mean loss of the first pass over the batches, and of the last."""
        batches = _batches(len(self.losses))
        return float(np.mean(self.losses[:batches])), float(np.mean(self.losses[-batches:]))

    @property
    def falls(self) -> bool:
        """Whether the loss ends lower than it begins; a loss that is no number does not."""
        first, last = self.ends
        return last < first

    @property
    def rates(self) -> tuple[float, float]:
        """Recordings per second of a step, and of the networks alone."""
        ours, floor = np.median(self.pairs.ours), np.median(self.pairs.floor)
        return self.batch / float(ours), self.batch / float(floor)

    def record(self) -> dict[str, object]:
        """Ready for JSON."""
        figures = {"ends": self.ends, "falls": self.falls, "rates": self.rates}
        return {**asdict(self), **figures, "ratio": self.pairs.ratio, "interval": self.pairs.interval}


def measure_throughput(
    model: SpectralModel, batch: int, steps: int, repeats: int, precision: str = "auto", *, centre: bool = False
) -> Throughput:
    """Train a decoder for a model, and measure its steps.

    Args:
        model: The model, on its device.
        batch: Recordings in a step.
        steps: Steps of the training.
        repeats: Pairs.
        precision: What the networks compute in, as a configuration says it.
        centre: Whether captions are centred, as those of a random text tower must be.
    """
    values = {"batch": batch, "steps": steps, "precision": precision, "objective": Contrastive(warm_up=0.0)}
    trainer = make_trainer(model, values)
    if centre:
        centre_captions(trainer)
    losses: list[float] = []
    draws = [trainer._draw(step, 0) for step in range(_batches(steps))]
    with mock.patch.object(trainer, "_draw", lambda step, _: draws[step % len(draws)]):
        peak = peak_on(model.device, lambda: trainer.run(lambda progress: losses.append(progress.loss)))
    with evaluating(model), frozen(model):
        floor = StepFloor(trainer)
        pairs = compare(trainer._update, floor, repeats, seconds=clock_of(model.device))
    return Throughput(tuple(losses), peak, batch, floor.description, pairs)


def _batches(steps: int) -> int:
    return max(1, min(BATCHES, steps // 2))


def clock_of(device: torch.device) -> Callable[[Callable[[], object], int], float]:
    """What measures so many calls on a device, in seconds per call: CPU time, or wall time where Python runs ahead."""
    if device.type == "cpu":
        return cpu_seconds
    wait = torch.get_device_module(device).synchronize

    def wall_seconds(call: Callable[[], object], times: int) -> float:
        wait()
        start = time.perf_counter()
        for _ in range(times):
            call()
        wait()
        return (time.perf_counter() - start) / times

    return wall_seconds


def peak_on(device: torch.device, call: Callable[[], object]) -> int:
    """Most bytes held on a device during a call, above what was held before."""
    if device.type == "cpu":
        return peak_bytes(call)
    memory = torch.get_device_module(device)
    memory.reset_peak_memory_stats(device)
    before = memory.memory_allocated(device)
    call()
    return int(memory.max_memory_allocated(device) - before)


def decoder_throughput(
    model: Annotated[
        str | None, typer.Option(help="Name of a model that gives gradients; a random Hugging Face CLAP otherwise.")
    ] = None,
    device: Annotated[str, typer.Option(help="A torch device, such as cuda.")] = "cpu",
    precision: Annotated[str, typer.Option(help="auto, float32 or bf16; auto is bf16 on a GPU that has it.")] = "auto",
    batch: Annotated[int, typer.Option(min=2, help="Recordings in a step.")] = 8,
    steps: Annotated[int, typer.Option(min=2, help="Steps of the training.")] = 200,
    repeats: Annotated[int, typer.Option(min=3, help="Pairs of a step and its networks alone.")] = 15,
    full: Full = True,
    as_json: AsJson = False,
) -> None:
    """Train a decoder and hold its steps against the networks alone."""
    chosen = torch.device(device)
    with tempfile.TemporaryDirectory() as scratch, one_thread() if chosen.type == "cpu" else nullcontext():
        # Saved by another process, whose memory would be taken for the training's.
        name = model or in_new_process(save_random, "hf", Path(scratch), full).name
        loaded = load_spectral(zsxai.load_model(name, device=device))
        found = measure_throughput(loaded, batch, steps, repeats, precision, centre=model is None)
    random = f"Hugging Face CLAP, random weights, {'full size' if full else 'small'}"
    context = {
        "model": model or random,
        "device": _name(chosen),
        "precision": precision,
        "clock": "CPU time, one thread" if chosen.type == "cpu" else "wall time",
        **versions(),
    }
    show(_table(found, context), {"context": context, **found.record()}, as_json, met=found.falls)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _table(found: Throughput, context: dict[str, str]) -> Table:
    (first, last), (ours, floor), (low, high) = found.ends, found.rates, found.pairs.interval
    rows = [
        ("loss, first pass and last", f"{first:.3f}, {last:.3f}" + ("" if found.falls else " does not fall")),
        ("steps", str(len(found.losses))),
        ("peak memory above the model", f"{found.peak / 1e6:,.0f} MB"),
        ("recordings in a step", str(found.batch)),
        ("recordings a second", f"{ours:.2f}"),
        ("the networks alone", f"{floor:.2f}"),
        ("step against them", f"{found.pairs.ratio:.2f} [{low:.2f}, {high:.2f}], n = {len(found.pairs.ours)}"),
        ("they are", found.floor),
    ]
    return Table(("", "training"), rows, context)


if __name__ == "__main__":
    app(decoder_throughput)()
