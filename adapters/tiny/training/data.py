"""Log-mel spectra of a data set, computed once and kept: what training and evaluation read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from zsxai.adapters.tiny.spec import FRONT_END, SAMPLE_RATE, WINDOW
from zsxai.data.clip import LabelledClip
from zsxai.data.esc50 import ESC50
from zsxai.errors import InputError
from zsxai.spectral import FrontEnd


@dataclass(frozen=True)
class LogMels:
    """Log-mels of clips in the order of the clips.

    Attributes:
        values: ``(n, n_mels, N)`` float16 decibels.
        labels: ``(n,)`` int64 index into ``names``.
        folds: ``(n,)`` int64.
        names: Class names in words.
        clips: The clips.
    """

    values: Tensor
    labels: Tensor
    folds: Tensor
    names: tuple[str, ...]
    clips: tuple[LabelledClip, ...]

    def of(self, folds: Sequence[int]) -> Tensor:
        """Positions of the clips of some folds, ``(m,)`` int64."""
        return torch.isin(self.folds, torch.tensor(list(folds))).nonzero().flatten()


def read_clip(path: str) -> Tensor:
    """Read a clip as ``(window,)`` float32 at 32 kHz: channels averaged, resampled, cut or zero-filled to 5 s."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    out = np.zeros(WINDOW, dtype=np.float32)
    out[: len(mono)] = mono[:WINDOW]
    return torch.from_numpy(out)


def load_log_mels(
    root: Path, cache: Path, folds: Sequence[int], tick: Callable[[int, int], None] | None = None
) -> LogMels:
    """Read a data set through the cache.

    Args:
        root: Folder of the data set.
        cache: Folder of the cache; written where it lacks these clips.
        folds: Folds wanted.
        tick: Called with (done, all) after every clip.

    Raises:
        InputError: If the folds hold no clip.
    """
    data = ESC50(root, folds)
    if not len(data):
        raise InputError(f"no clips of folds {list(folds)} at {root}")
    key = json.dumps([FRONT_END.model_dump(), WINDOW, [c.name for c in data]])
    name = "-".join(str(f) for f in sorted(folds))
    at, key_at = cache / f"log-mel-{name}.npy", cache / f"log-mel-{name}.json"
    if at.is_file() and key_at.is_file() and key_at.read_text() == key:
        values = np.load(at, allow_pickle=False)
    else:
        front_end = FrontEnd(FRONT_END)
        rows = []
        with torch.inference_mode():
            for i, clip in enumerate(data):
                log_mel = front_end.log(front_end.mel(front_end.power(read_clip(str(clip.path)))))
                rows.append(log_mel.numpy().astype(np.float16))
                if tick is not None:
                    tick(i + 1, len(data))
        values = np.stack(rows)
        cache.mkdir(parents=True, exist_ok=True)
        np.save(at, values)
        key_at.write_text(key)
    index = {label: i for i, label in enumerate(data.labels)}
    return LogMels(
        torch.from_numpy(values),
        torch.tensor([index[c.label] for c in data]),
        torch.tensor([c.fold for c in data]),
        tuple(data.labels),
        tuple(data.clips),
    )
