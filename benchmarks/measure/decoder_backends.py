"""Whether a decoder can be trained on every backend at full size: ``python -m zsxai.benchmarks.measure.decoder_backends``.

Random weights of the published sizes, saved as users' checkpoints are, are loaded by their adapter, and a decoder is
made for the maps it reads. Then, on synthesised clips, every one of them mixed with another so that no term of the
loss stays out:

* training steps: the loss, the norm of its gradient before it is cut, CPU time on one thread, and the peak of memory
  above the loaded model;
* ``open mask``: what a mask of ones changes of the embedding, the least that masked sounds can be wrong by;
* overfitting: steps on one batch, the same draw in all, at a constant rate, on those terms of the loss alone whose
  gradient comes through the frozen encoder; if they do not fall, it does not arrive.

A random text tower says nearly the same to every prompt (``prompts alike``), so that all would count as one: the
captions trained on are centred. Every backend has a process of its own.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from unittest import mock

import typer

from zsxai.benchmarks.measure.speed import ONE_THREAD

if TYPE_CHECKING:
    from rich.table import Table

    from zsxai.benchmarks.measure.parity import Checkpoint
    from zsxai.lmac_zs.training.config import TrainingConfig
    from zsxai.lmac_zs.training.trainer import Trainer
    from zsxai.model import SpectralModel

DEFAULT = ("hf", "laion", "msclap-2022", "msclap-2023")
"""Of the checkpoints of :mod:`zsxai.benchmarks.measure.parity`, one of every front end and every encoder."""


@dataclass(frozen=True)
class Training:
    """What a backend's decoder is like, and what training it costs.

    Attributes:
        maps: Name and shape ``(C, f, t)`` of every map that it reads, early to late.
        unread: Names of the maps that it does not.
        mask: Rows and columns of a mask, rows that the model does not hear left out.
        tokens: Dimensions of the token states that it attends to; None where it reads the pooled vector alone.
        alike: Median cosine of two captions, before they are centred.
        parameters: Of the decoder.
        batch: Recordings in a step.
        encodes: Masked clips that are encoded in a step, with a graph.
        forward: CPU seconds of one bare forward of the batch, from waveform to embedding.
        step: CPU seconds of a training step.
        peak: Bytes held at most in the first steps, above the model, the corpus and the decoder.
        loss: Of the first step.
        gradient: Its norm before it is cut.
        open_mask: Greatest absolute difference that a mask of ones makes to an embedding.
        losses: Of the steps on one batch, terms through the encoder alone.
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


def decoder_backends(
    only: Annotated[
        list[str] | None,
        typer.Option(
            help=f"A backend of zsxai.benchmarks.measure.parity, or a part of names; default: {', '.join(DEFAULT)}."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps that are measured.")] = 1,
    overfit: Annotated[int, typer.Option(min=0, help="Steps on one batch.")] = 8,
    batch: Annotated[int, typer.Option(min=2, help="Recordings in a step.")] = 2,
    full: Annotated[bool, typer.Option(help="The published sizes; small ones otherwise.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Train a decoder for a few steps on every backend."""
    # Read by BLAS when it is imported, and by the processes that are started.
    os.environ.update(ONE_THREAD)
    from rich.console import Console

    from zsxai.benchmarks.measure.timing import in_new_process
    from zsxai.versions import versions

    progress = Console(stderr=True)
    found: dict[str, Training] = {}
    for name in chosen(only or DEFAULT):
        with progress.status(name), tempfile.TemporaryDirectory() as scratch:
            # Saved by another process, whose memory would be taken for the training's.
            checkpoint = in_new_process(_saved, name, Path(scratch), full)
            found[name] = in_new_process(_trained, checkpoint, batch, steps, overfit)
        progress.print(f"{name}: {found[name].broken or 'trains'}", highlight=False)
    context = {"batch": str(batch), "steps": str(steps), "threads": "1", **versions()}
    if as_json:
        records = {name: training.record() for name, training in found.items()}
        typer.echo(json.dumps({"context": context, "backends": records}, indent=2))
    else:
        wide = Console()
        wide.width = max(wide.width, 40 + 24 * len(found))
        wide.print(table(found, context))
    if any(training.broken for training in found.values()):
        raise typer.Exit(1)


def chosen(names: Sequence[str]) -> list[str]:
    """Backends by their names, or by a part of them where none is called so.

    Raises:
        typer.BadParameter: If a name is in none.
    """
    from zsxai.benchmarks.measure.parity import BACKENDS

    found: list[str] = []
    for name in names:
        called = [backend for backend in BACKENDS if backend == name or (name not in BACKENDS and name in backend)]
        if not called:
            raise typer.BadParameter(f"{name!r} is in none of the backends {'; '.join(BACKENDS)}", param_hint="--only")
        found += [backend for backend in called if backend not in found]
    return found


def _saved(name: str, folder: Path, full: bool) -> Checkpoint:
    """A random checkpoint; runs in a process of its own."""
    from zsxai.benchmarks.measure.parity import BACKENDS

    return BACKENDS[name](folder, "full" if full else "tiny")


def _trained(checkpoint: Checkpoint, batch: int, steps: int, overfit: int) -> Training:
    """Load a checkpoint and measure; runs in a process of its own."""
    import torch

    import zsxai
    from zsxai.benchmarks.measure.costs import spectral

    torch.set_num_threads(1)
    return measured(spectral(zsxai.load_model(checkpoint.name, **checkpoint.options)), batch, steps, overfit)


def measured(model: SpectralModel, batch: int, steps: int, overfit: int) -> Training:
    """Make a decoder for a model, train it a little and say what came of it.

    Args:
        model: The model.
        batch: Recordings in a step.
        steps: Steps that are measured.
        overfit: Steps on one batch.
    """
    import torch

    from zsxai.benchmarks.measure.timing import cpu_seconds, peak_bytes
    from zsxai.lmac_zs.decoder import count_parameters
    from zsxai.model import evaluating

    trainer = trainer_of(model, {"batch": batch, "steps": steps, "mix": 1.0})
    alike = _centred(trainer)
    with evaluating(model):
        waveforms = trainer._draw(0, 0).waveforms.to(model.device)
        with torch.inference_mode():
            model.embed_audio(waveforms)
            forward = cpu_seconds(lambda: model.embed_audio(waveforms))
            feature_maps = model.encode(model.features(waveforms)).feature_maps
        seconds: list[float] = []
        losses: list[float] = []
        with noted(trainer) as (norms, encoded):
            peak = peak_bytes(lambda: seconds.append(cpu_seconds(lambda: losses.append(_loss(trainer)), steps)))
        open_mask, mask = _open_mask(trainer, waveforms)
    shapes = {m.name: tuple(m.values.shape[1:]) for m in feature_maps}
    spec = trainer.spec
    on_one_batch, through = _overfitted(model, batch, overfit) if overfit else ((), None)
    return Training(
        maps={name: shapes[name] for name in spec.maps},
        unread=tuple(name for name in shapes if name not in spec.maps),
        mask=mask,
        tokens=spec.token_dim if spec.conditioning == "tokens" else None,
        alike=alike,
        parameters=count_parameters(trainer.bare),
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


def trainer_of(model: SpectralModel, values: Mapping[str, Any]) -> Trainer:
    """A training on synthesised clips as long as the window, read already, prompts embedded; nothing is held out.

    Args:
        model: The model.
        values: Of the configuration, in place of the defaults.
    """
    import torch

    from zsxai.data import load_dataset
    from zsxai.lmac_zs.training.config import DecoderChoice, parse_config
    from zsxai.lmac_zs.training.trainer import Trainer

    # A model of fewer maps than the default reads gets as many widths.
    fitting = {"widths": DecoderChoice().widths[-len(model.taps) :]}
    config: TrainingConfig = parse_config({"decoder": fitting, **values}, "the configuration")
    length = max(1.0, model.audio_spec.window or config.seconds)
    clips = load_dataset("synthetic", clips_per_class=1, seconds=length).clips
    trainer = Trainer(model, clips, (), config)
    for index in range(len(trainer.corpus.clips)):
        trainer.corpus.sound(index)
    trainer.corpus.captions.encode(torch.tensor([0]))
    return trainer


def _centred(trainer: Trainer) -> float:
    """Centre the captions of a training; gives their median cosine before."""
    import torch

    from zsxai.model import TextEncoding

    captions = trainer.corpus.captions
    said = captions.encode(torch.arange(len(captions.texts)))
    rows = torch.arange(len(said))
    alike = float((said.embedding @ said.embedding.T)[rows[:, None] < rows].median())
    apart = torch.nn.functional.normalize(said.embedding - said.embedding.mean(dim=0), dim=-1)
    captions.embedding = apart
    captions._encoded = TextEncoding(apart, said.tokens, said.token_mask)
    return alike


def _loss(trainer: Trainer) -> float:
    """The loss of a step that is made."""
    return sum(value for name, value in trainer._update().items() if name != "mask")


Encodes = list[tuple[int, bool]]
"""Clips in every forward of an audio encoder, and whether a graph was recorded."""


@contextmanager
def noted(trainer: Trainer) -> Iterator[tuple[list[float], Encodes]]:
    """Within, note the gradient's norm before it is cut, and every forward of the audio encoder."""
    import torch

    norms: list[float] = []
    encoded: Encodes = []
    cut: Callable[..., Any] = trainer.accelerator.clip_grad_norm_
    encode = trainer.model.encode

    def cutting(*arguments: Any) -> Any:
        norm = cut(*arguments)
        norms.append(float(norm))
        return norm

    def encoding(features: Any) -> Any:
        encoded.append((len(features.input), torch.is_grad_enabled() and features.input.requires_grad))
        return encode(features)

    with (
        mock.patch.object(trainer.accelerator, "clip_grad_norm_", cutting),
        mock.patch.object(trainer.model, "encode", encoding),
    ):
        yield norms, encoded


def _open_mask(trainer: Trainer, waveforms: Any) -> tuple[float, tuple[int, ...]]:
    """What a mask of ones changes, and the shape of a mask."""
    import torch

    from zsxai.lmac_zs.cells import Sounds

    model, config = trainer.model, trainer.config
    with torch.no_grad():
        sounds = Sounds.of(model, waveforms, config.domain, config.scale)
        masked = sounds.embed(torch.ones_like(sounds.power), torch.arange(len(waveforms)))
        apart = float((masked - model.embed_audio(waveforms)).abs().max())
    return apart, tuple(sounds.power.shape[1:])


def _overfitted(model: SpectralModel, batch: int, steps: int) -> tuple[tuple[float, ...], float]:
    """Losses of steps on one draw, nothing of the schedule in them, and the norm of the first one's gradient."""
    from zsxai.lmac_zs.training.objectives import Contrastive
    from zsxai.model import evaluating

    values = {
        "batch": batch,
        "steps": steps,
        "mix": 1.0,
        "warm_up": 0.0,
        "schedule": "constant",
        "objective": Contrastive(size=0.0, foreign=0.0, evidence=0.0, rise=2.0),
    }
    trainer = trainer_of(model, values)
    _centred(trainer)
    draw = trainer._draw(0, 0)
    with evaluating(model), mock.patch.object(trainer, "_draw", return_value=draw), noted(trainer) as (norms, _):
        losses = tuple(_loss(trainer) for _ in range(steps))
    return losses, norms[0]


def table(found: Mapping[str, Training], context: Mapping[str, str]) -> Table:
    """A column for every backend."""
    from rich.table import Table

    def shaped(name: str, shape: Sequence[int]) -> str:
        return f"{name} {'x'.join(map(str, shape))}"

    rows: dict[str, Callable[[Training], str]] = {
        "maps read": lambda t: "\n".join(shaped(name, shape) for name, shape in t.maps.items()),
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
    out = Table(caption=", ".join(f"{key} {value}" for key, value in context.items()))
    out.add_column("backend", no_wrap=True)
    for name in found:
        out.add_column(name, justify="right")
    for what, cell in rows.items():
        out.add_row(what, *(cell(training) for training in found.values()))
    return out


if __name__ == "__main__":
    typer.run(decoder_backends)
