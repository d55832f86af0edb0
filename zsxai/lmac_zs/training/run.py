"""A training from data sets to a folder: what ``zsxai train lmac-zs`` does."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

from zsxai.data import LabelledClip
from zsxai.data.checks import keep_apart
from zsxai.errors import InputError
from zsxai.lmac_zs.card import DecoderCard, read_card
from zsxai.lmac_zs.checkpoint import TrainedDecoder, round_weights
from zsxai.lmac_zs.decoder import Decoder
from zsxai.lmac_zs.training.config import TrainingConfig
from zsxai.lmac_zs.training.data import describe_clips, find_data, read_data
from zsxai.lmac_zs.training.logs import Logs, Report
from zsxai.lmac_zs.training.trainer import STATE, Trainer
from zsxai.model import SpectralModel
from zsxai.versions import commit, versions

DECODER = "decoder"
"""Folder of the trained decoder in that of the training."""
CONFIG = "config.json"


class Stopped(KeyboardInterrupt):
    """The training was asked to stop, and its checkpoint is written; ``terminated`` where SIGTERM asked."""

    def __init__(self, message: str, *, terminated: bool) -> None:
        super().__init__(message)
        self.terminated = terminated


def train(
    model: SpectralModel,
    out: str | Path,
    config: TrainingConfig,
    *,
    resume: bool = False,
    roots: Mapping[str, str] | None = None,
    report: Report | None = None,
    command: str = "",
) -> TrainedDecoder:
    """Train a decoder for a model, with checkpoints and logs, and save it to ``out/decoder``.

    Args:
        model: Split at its mel input, with a hash of its weights.
        out: Folder of checkpoint, logs and decoder.
        config: Data and everything else.
        resume: Continue from the checkpoint in ``out``, to the same end as if never stopped.
        roots: Folders of data sets, in place of the configuration's.
        report: Called after every step.
        command: The command that the card names.

    Raises:
        InputError: If the model cannot carry a decoder, data are not where they should be or cannot be read, or ``out``
            is taken or lies in the data.
        DivergedError: If the loss is no longer a finite number.
        Stopped: On Ctrl-C or SIGTERM, once the step is finished and its checkpoint written.
    """
    folder = Path(out)
    data = find_data(config, roots or {})
    keep_apart(folder, [spec.root for specs in data for spec in specs.values() if spec.root is not None])
    check_request(model, folder, resume)
    clips, held_out = read_data(*data, config.held_out)
    trainer = Trainer(model, clips, held_out, config, folder)
    code = commit()  # before training: files may be edited meanwhile
    decoder = run_with_logs(trainer, folder, report)
    round_weights(decoder)
    trainer.diagnostics = None  # those of the card are of what is saved
    card = make_card(trainer, held_out).model_copy(update={"command": command, "commit": code})
    trained = TrainedDecoder(decoder.requires_grad_(False), card)
    if not trainer.processes.first:
        return trained
    trained.save(folder / DECODER, overwrite=True)
    return replace(trained, card=read_card(folder / DECODER))


def check_request(model: SpectralModel, folder: Path, resume: bool) -> None:
    """Refuse a model that carries no decoder, and a folder that is taken, with an :class:`InputError`."""
    if model.card.weights_sha256 is None:
        raise InputError(
            f"{model.card.name} gives no hash of its weights: nobody could tell what the decoder belongs to"
        )
    if not model.taps:
        raise InputError(f"{model.card.name} gives no feature maps: a decoder has nothing to read")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: choose another --out")
    if not resume and folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: go on with --resume, or choose another --out")


def run_with_logs(trainer: Trainer, folder: Path, report: Report | None) -> Decoder:
    """Run a training to its end; the first process writes configuration and logs to ``folder``.

    Raises:
        Stopped: If it was asked to stop.
    """
    reports = [] if report is None else [report]
    with ExitStack() as stack:
        if trainer.processes.first:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / CONFIG).write_text(f"{trainer.config.model_dump_json(indent=2)}\n", encoding="utf-8")
            reports.insert(0, stack.enter_context(closing(Logs(folder, trainer.step))))
        stack.enter_context(stopping_between_steps(trainer))
        decoder = trainer.run(*reports)
    if trainer.stopping:
        message = f"step {trainer.step} of {trainer.steps} is in {folder / STATE}; --resume goes on"
        raise Stopped(message, terminated=trainer.stopping == signal.SIGTERM)
    return decoder


def make_card(trainer: Trainer, held_out: Sequence[LabelledClip]) -> DecoderCard:
    """The card of a decoder at the end of its training."""
    config, model, corpus = trainer.config, trainer.model, trainer.corpus
    diagnostics = trainer.diagnostics
    if diagnostics is None and trainer.validation is not None and trainer.processes.first:
        diagnostics = trainer.diagnose()  # the checkpoint was of the last step
    figures = {} if diagnostics is None else diagnostics.record()
    return DecoderCard(
        model=model.card.name,
        model_sha256=str(model.card.weights_sha256),
        domain=config.domain,
        scale=config.scale,
        calibration=config.calibration,
        decoder=trainer.spec,
        training=config.without_paths(),
        data={
            "trained on": {**describe_clips(corpus.clips), "captions_too_long": corpus.captions.too_long},
            "held out": describe_clips(held_out),
        },
        figures={name: round(value, 4) for name, value in figures.items() if math.isfinite(value)},
        licence=config.licence,
        versions=versions(),
    )


@contextmanager
def stopping_between_steps(trainer: Trainer) -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM let the trainer finish its step; a second Ctrl-C stops at once.

    A second SIGTERM is no sign of impatience: ``timeout`` sends one to a process and one to its group.
    """
    if threading.current_thread() is not threading.main_thread():  # signals reach no other
        yield
        return

    def ask(number: int, _frame: object) -> None:
        if not trainer.asked:
            trainer.asked = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
