"""A training from data sets to a folder: what ``zsxai train lmac-zs`` does."""

from __future__ import annotations

import hashlib
import math
import signal
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from zsxai.data import LabelledClip, load_dataset
from zsxai.errors import InputError
from zsxai.lmac_zs.checkpoint import DecoderCard, TrainedDecoder, read_card, without_paths
from zsxai.lmac_zs.training.config import DataSpec, TrainingConfig
from zsxai.lmac_zs.training.corpus import FEWEST_GROUPS
from zsxai.lmac_zs.training.logs import Logs
from zsxai.lmac_zs.training.trainer import STATE, Progress, Trainer
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
    report: Callable[[Progress], None] | None = None,
    command: str = "",
) -> TrainedDecoder:
    """Train a decoder for a model, with checkpoints and logs, and save it to ``out/decoder``.

    Args:
        model: Split at its mel input, with a hash of its weights.
        out: Folder of checkpoint, logs and decoder.
        config: Data and everything else.
        resume: Go on from the checkpoint in ``out``, to the same end as if never stopped.
        roots: Folders of data sets, in place of the configuration's.
        report: Told after every step.
        command: What the card says the decoder was trained by.

    Raises:
        InputError: If the model cannot carry a decoder, data are not where they should be, or ``out`` is taken.
        DivergedError: If the loss is no number any more.
        Stopped: On Ctrl-C or SIGTERM, once the step is finished and its checkpoint written.
    """
    folder = Path(out)
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
    clips = read_clips({n: _at(spec, (roots or {}).get(n) or spec.root) for n, spec in config.data.items()})
    held_out: list[LabelledClip] = []
    if config.validation:  # of one name with a data set trained on, it lies in the same place unless it says another
        held_out = read_clips({n: _at(s, s.root or (roots or {}).get(n)) for n, s in config.validation.items()})
    if not config.validation:
        clips, held_out = split(clips, config.held_out)
    trainer = Trainer(model, clips, held_out, config, folder)
    alone = trainer.accelerator.is_main_process
    logs: Logs | None = None
    last: Progress | None = None
    if alone:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(f"{config.model_dump_json(indent=2)}\n", encoding="utf-8")
        logs = Logs(folder, trainer.step)
    made_by = commit()  # of the code that runs, whatever is edited meanwhile

    def told(progress: Progress) -> None:
        nonlocal last
        if logs is not None:
            logs(progress)
        last = progress
        if report is not None:
            report(progress)

    with finishing(trainer):
        decoder = trainer.run(told)
    if logs is not None:
        logs.close()
    if trainer.stopping is not None:
        where = f"step {trainer.step} of {trainer.steps} is in {folder / STATE}; --resume goes on"
        raise Stopped(where, terminated=trainer.stopping == signal.SIGTERM)
    found = last.diagnostics if last is not None and last.diagnostics else None
    if found is None and trainer.validation is not None and alone:
        found = trainer.diagnose()
    card = DecoderCard(
        model=model.card.name,
        model_sha256=model.card.weights_sha256,
        domain=config.domain,
        scale=config.scale,
        decoder=trainer.spec,
        training=without_paths(config.model_dump(mode="json")),
        command=command,
        data={
            "trained on": {**_facts(trainer.corpus.clips), "captions_too_long": trainer.corpus.too_long},
            "held out": _facts(held_out),
        },
        figures={} if found is None else {k: round(v, 4) for k, v in found.record().items() if math.isfinite(v)},
        licence=config.licence,
        versions=versions(),
        commit=made_by,
    )
    trained = TrainedDecoder(decoder.requires_grad_(False), card)
    if alone:
        trained.save(folder / DECODER, overwrite=True)
        trained = replace(trained, card=read_card(folder / DECODER))
    return trained


@contextmanager
def finishing(trainer: Trainer) -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM let the trainer finish its step; a second Ctrl-C stops at once.

    SIGTERM may come twice without anybody's impatience: ``timeout`` sends it to a process and to its group.
    """
    if threading.current_thread() is not threading.main_thread():  # signals reach no other
        yield
        return

    def ask(number: int, _frame: object) -> None:
        if trainer.stopping is not None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        trainer.stopping = signal.Signals(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _at(spec: DataSpec, root: str | None) -> DataSpec:
    return spec.model_copy(update={"root": root})


def read_clips(data: Mapping[str, DataSpec]) -> list[LabelledClip]:
    """Clips of several data sets; where there are several, a clip's name begins with that of its data set.

    Raises:
        InputError: If there is no data set, or one cannot be read.
    """
    if not data:
        raise InputError("nothing to train on: name data, such as --data sounds.csv or --data esc50=ESC-50-master")
    clips: list[LabelledClip] = []
    for name, spec in data.items():
        found = load_dataset(spec.reader, spec.root, **spec.options).clips
        clips += found if len(data) == 1 else [replace(clip, name=f"{name}/{clip.name}") for clip in found]
    return clips


def split(clips: Sequence[LabelledClip], part: float) -> tuple[list[LabelledClip], list[LabelledClip]]:
    """Keep a part of the recordings apart, the same ones on every machine; clips of one recording stay together.

    Where the part holds fewer than three classes or captions there is nothing to tell apart, and nothing is kept.
    """
    apart = [zlib.crc32(clip.source.encode()) < part * 2**32 for clip in clips]
    held_out = [clip for clip, held in zip(clips, apart, strict=True) if held]
    if len({clip.label for clip in held_out}) < FEWEST_GROUPS:
        return list(clips), []
    return [clip for clip, held in zip(clips, apart, strict=True) if not held], held_out


def _facts(clips: Sequence[LabelledClip]) -> dict[str, Any]:
    names = sorted(clip.name for clip in clips)
    return {
        "clips": len(clips),
        "recordings": len({clip.source for clip in clips}),
        "folds": sorted({clip.fold for clip in clips}),
        "names_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
    }
