"""Does a decoder train on every backend at full size? ``python -m zsxai.benchmarks.measure.decoder_backends``.

Random weights of the published sizes, saved as users' checkpoints are, are loaded by their adapter, and a decoder is
made for the maps it reads. Then, on synthesised clips, every one of them mixed with another so that no term of the
loss stays out:

* training steps: the loss, the norm of its gradient before it is clipped, CPU time on one thread, and the peak of
  memory above the loaded model;
* ``open mask``: how much a mask of ones changes the embedding, the least error that masked sounds can have;
* overfitting: steps on one batch, the same draw in all, at a constant rate, on those terms of the loss alone whose
  gradient comes through the frozen encoder; if they do not fall, it does not arrive.

A random text tower says nearly the same to every prompt (``prompts alike``), so that all would count as one: the
captions trained on are centred. Every backend has a process of its own.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated
from unittest import mock

import torch
import typer
from torch import Tensor

import zsxai
from zsxai.benchmarks.measure.checkpoints import BACKENDS, Checkpoint
from zsxai.benchmarks.measure.costs import load_spectral
from zsxai.benchmarks.measure.decoder_training import centre_captions, make_trainer, watch
from zsxai.benchmarks.measure.frame import AsJson, Full, Only, Table, app, measure_each, one_thread, show
from zsxai.benchmarks.measure.timing import cpu_seconds, in_new_process, peak_bytes
from zsxai.conditions import evaluating
from zsxai.lmac_zs.card import domains_of
from zsxai.lmac_zs.cells import Sounds
from zsxai.lmac_zs.decoder import count_parameters
from zsxai.lmac_zs.training.objectives import Contrastive
from zsxai.lmac_zs.training.trainer import Trainer
from zsxai.model import SpectralModel
from zsxai.versions import versions

DEFAULT = ("hf", "laion", "msclap-2022", "msclap-2023")
"""Backends that are measured unless others are named: one of every front end and every encoder."""


@dataclass(frozen=True)
class Training:
    """What a backend's decoder is like, and what training it costs.

    Attributes:
        maps: Name and shape ``(C, f, t)`` of every map that it reads, early to late.
        unread: Names of the maps that it does not.
        mask: Rows and columns of a mask, rows that the model does not hear left out.
        tokens: Dimensions of the token states that it attends to; None where it reads the pooled vector alone.
        alike: Median cosine of two captions, before they are centred.
        parameters: Parameters of the decoder.
        batch: Recordings in a step.
        encodes: Masked clips that are encoded in a step, with a graph.
        forward: CPU seconds of one bare forward of the batch, from waveform to embedding.
        step: CPU seconds of a training step.
        peak: Bytes held at most in the first steps, above the model, the corpus and the decoder.
        loss: Loss of the first step.
        gradient: Its norm before it is clipped.
        open_mask: Greatest absolute difference that a mask of ones makes to an embedding.
        losses: Losses of the steps on one batch, terms through the encoder alone.
        through: Norm of the gradient of the first of them.
    """

    maps: dict[str, tuple[int, ...]]
    unread: tuple[str, ...]
    mask: tuple[int, ...]
    tokens: int | None
    alike: float
    parameters: int
    batch: int
    encodes: int
    forward: float
    step: float
    peak: int
    loss: float
    gradient: float
    open_mask: float
    losses: tuple[float, ...]
    through: float | None

    @property
    def broken(self) -> str | None:
        """What is wrong, in a few words; None where nothing is."""
        if not all(map(math.isfinite, (self.loss, *self.losses))):
            return "loss not finite"
        if not 0 < self.gradient < math.inf or (self.through is not None and not 0 < self.through < math.inf):
            return "no gradient"
        if len(self.losses) > 1 and not self.losses[-1] < self.losses[0]:
            return "loss does not fall"
        return None

    def record(self) -> dict[str, object]:
        """Ready for JSON."""
        return {**asdict(self), "broken": self.broken}


@one_thread()
def decoder_backends(
    only: Only = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps that are measured.")] = 1,
    overfit: Annotated[int, typer.Option(min=0, help="Steps on one batch.")] = 8,
    batch: Annotated[int, typer.Option(min=2, help="Recordings in a step.")] = 2,
    full: Full = True,
    as_json: AsJson = False,
) -> None:
    """Train a decoder for a few steps on every backend."""

    def measure(name: str) -> Training:
        with tempfile.TemporaryDirectory() as scratch:
            # Saved by another process, whose memory would be taken for the training's.
            checkpoint = in_new_process(save_random, name, Path(scratch), full)
            training: Training = in_new_process(_measure_checkpoint, checkpoint, batch, steps, overfit)
        return training

    cases = {name: partial(measure, name) for name in BACKENDS}
    trainings = measure_each(cases, only or DEFAULT, lambda training: training.broken or "trains")
    context = {"batch": str(batch), "steps": str(steps), "threads": "1", **versions()}
    record = {"context": context, "backends": {name: training.record() for name, training in trainings.items()}}
    met = not any(training.broken for training in trainings.values())
    show(_table(trainings, context), record, as_json, met=met)


def save_random(name: str, folder: Path, full: bool) -> Checkpoint:
    """Save a random checkpoint; runs in a process of its own."""
    return BACKENDS[name](folder, "full" if full else "tiny")


def _measure_checkpoint(checkpoint: Checkpoint, batch: int, steps: int, overfit: int) -> Training:
    """Load a checkpoint and measure; runs in a process of its own."""
    model = load_spectral(zsxai.load_model(checkpoint.name, **checkpoint.options))
    return measure_training(model, batch, steps, overfit)


def measure_training(model: SpectralModel, batch: int, steps: int, overfit: int) -> Training:
    """Make a decoder for a model, train it a little and say what came of it.

    Args:
        model: The model.
        batch: Recordings in a step.
        steps: Steps that are measured.
        overfit: Steps on one batch.
    """
    trainer = make_trainer(model, {"batch": batch, "steps": steps, "mix": 1.0})
    alike = centre_captions(trainer)
    with evaluating(model):
        waveforms = trainer._draw(0, 0).waveforms.to(model.device)
        with torch.inference_mode():
            model.embed_audio(waveforms)
            forward = cpu_seconds(lambda: model.embed_audio(waveforms))
            feature_maps = model.encode(model.features(waveforms)).feature_maps
        seconds: list[float] = []
        losses: list[float] = []
        with watch(trainer) as (norms, encoded):
            peak = peak_bytes(lambda: seconds.append(cpu_seconds(lambda: losses.append(_make_step(trainer)), steps)))
        open_mask, mask = _compare_open_mask(trainer, waveforms)
    shapes = {m.name: tuple(m.values.shape[1:]) for m in feature_maps}
    spec = trainer.spec
    on_one_batch, through = _overfit(model, batch, overfit) if overfit else ((), None)
    return Training(
        maps={name: shapes[name] for name in spec.maps},
        unread=tuple(name for name in shapes if name not in spec.maps),
        mask=mask,
        tokens=spec.token_dim if spec.conditioning == "tokens" else None,
        alike=alike,
        parameters=count_parameters(trainer.decoder),
        batch=batch,
        encodes=sum(count for count, graph in encoded if graph) // steps,
        forward=forward,
        step=seconds[0],
        peak=peak,
        loss=losses[0],
        gradient=norms[0],
        open_mask=open_mask,
        losses=on_one_batch,
        through=through,
    )


def _make_step(trainer: Trainer) -> float:
    """Make a step; returns its loss."""
    return sum(value for name, value in trainer._update().items() if name != "mask")


def _compare_open_mask(trainer: Trainer, waveforms: Tensor) -> tuple[float, tuple[int, ...]]:
    """What a mask of ones changes, and the shape of a mask."""
    model, config = trainer.model, trainer.config
    with torch.no_grad():
        sounds = Sounds.of(model, waveforms, domains_of(config.domain)[0], config.scale)
        masked = sounds.embed(torch.ones_like(sounds.power), torch.arange(len(waveforms)))
        change = float((masked - model.embed_audio(waveforms)).abs().max())
    return change, tuple(sounds.power.shape[1:])


def _overfit(model: SpectralModel, batch: int, steps: int) -> tuple[tuple[float, ...], float]:
    """Losses of steps on one draw, nothing of the schedule in them, and the norm of the first one's gradient."""
    values = {
        "batch": batch,
        "steps": steps,
        "mix": 1.0,
        "warm_up": 0.0,
        "schedule": "constant",
        "objective": Contrastive(size=0.0, foreign=0.0, evidence=0.0, rise=2.0),
    }
    trainer = make_trainer(model, values)
    centre_captions(trainer)
    draw = trainer._draw(0, 0)
    with evaluating(model), mock.patch.object(trainer, "_draw", return_value=draw), watch(trainer) as (norms, _):
        losses = tuple(_make_step(trainer) for _ in range(steps))
    return losses, norms[0]


def _table(trainings: Mapping[str, Training], context: Mapping[str, str]) -> Table:
    """A column for every backend."""

    def shaped(name: str, shape: Sequence[int]) -> str:
        return f"{name} {'x'.join(map(str, shape))}"

    rows: dict[str, Callable[[Training], str]] = {
        "maps read": lambda t: ", ".join(shaped(name, shape) for name, shape in t.maps.items()),
        "maps not read": lambda t: ", ".join(t.unread) or "none",
        "mask, rows heard x frames": lambda t: shaped("", t.mask).strip(),
        "token states": lambda t: "none" if t.tokens is None else str(t.tokens),
        "prompts alike, median cosine": lambda t: f"{t.alike:.3f}",
        "decoder, parameters": lambda t: f"{t.parameters:,}",
        "loss, first step": lambda t: f"{t.loss:.3f}",
        "norm of its gradient": lambda t: f"{t.gradient:.3g}",
        "masked clips encoded a step": lambda t: str(t.encodes),
        "bare forward of the batch, CPU s": lambda t: f"{t.forward:.2f}",
        "step, CPU s": lambda t: f"{t.step:.2f}",
        "step, in bare forwards of a clip": lambda t: f"{t.step / t.forward * t.batch:.1f}",
        "peak memory of a step, MB": lambda t: f"{t.peak / 1e6:,.0f}",
        "the same, a masked clip": lambda t: f"{t.peak / 1e6 / max(1, t.encodes):,.0f}",
        "open mask, change of embedding": lambda t: f"{t.open_mask:.0e}",
        "steps on one batch": lambda t: str(len(t.losses)),
        "norm of the gradient through the encoder": lambda t: "" if t.through is None else f"{t.through:.3g}",
        "loss through the encoder, first step": lambda t: f"{t.losses[0]:.4f}" if t.losses else "",
        "loss through the encoder, last step": lambda t: f"{t.losses[-1]:.4f}" if t.losses else "",
        "": lambda t: t.broken or "trains",
    }
    cells = [[what, *map(cell, trainings.values())] for what, cell in rows.items()]
    return Table(("backend", *trainings), cells, context)


if __name__ == "__main__":
    app(decoder_backends)()
