"""``prototypes:<folder of class folders>``: sounds of one's own, distinguished by a few recordings of each.

No network and no text tower. A recording is described by the shape of its spectrum and by how far the level of each
band steps from frame to frame; a prompt stands for the mean of the recordings in the folder that it names. Neither
figure hears the volume, and a short silence changes neither much, so that a mask takes away what it masks and adds
little. All of it is numpy and has no gradient.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zsxai.audio import read_and_warn
from zsxai.errors import InputError
from zsxai.model import ModelCard
from zsxai.progress import track
from zsxai.spectral import FrontEndSpec
from zsxai.spectral.front_end import mel_bank
from zsxai.weights import hash_files

SPEC = FrontEndSpec(sample_rate=32000, n_fft=1024, hop=512, n_mels=40)
"""Bands from 50 Hz to 14 kHz."""
RANGE = 60.0
"""Decibels under a recording's loudest cell below which everything counts as silence."""
SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf"))


class Prototypes:
    """A classifier by the nearest class mean; a black box to :func:`zsxai.load_model`.

    Args:
        folder: Holds one folder of recordings per class; its name, with ``_`` and ``-`` as blanks, is the class's.

    Raises:
        InputError: If the folder holds recordings of fewer than two classes, two folders of one class, or a recording
            that cannot be read.
    """

    sample_rate = SPEC.sample_rate
    logit_scale = 10.0
    """Chosen, since nothing is trained here that could say it: probabilities are neither flat nor all 0 and 1."""

    def __init__(self, folder: Path) -> None:
        # Names with a dot in front are the system's own, such as a Mac's copies of a file's attributes.
        shown = (p for p in folder.glob("*/*") if not p.name.startswith(".") and not p.parent.name.startswith("."))
        files = sorted(p for p in shown if p.suffix.lower() in SUFFIXES and p.is_file())
        _check_distinct(sorted({file.parent.name for file in files}))
        classes = np.array([_words(file.parent.name) for file in files])
        names: list[str] = sorted(set(classes.tolist()))
        if len(names) < 2:
            example = str(folder / "dog_bark" / "1.wav")
            raise InputError(
                f"{str(folder)!r} holds recordings of {len(names) or 'no'} class and two are the least: "
                f"give each class its own folder, as in {example!r}"
            )
        self._bank = mel_bank(SPEC).T
        heard = track(files, len(files), "reading recordings", None)
        found = np.stack([self._describe(read_and_warn(file).at(self.sample_rate)) for file in heard])
        # One decibel is added: what hardly differs between the recordings shall not be blown up.
        self._centre, self._spread = found.mean(axis=0), np.sqrt(found.var(axis=0) + 1.0)
        embedded = self._standardise(found)
        self.prototypes = {name: embedded[classes == name].mean(axis=0) for name in names}
        contents = sorted(f"{name} {hash_files([file])}" for name, file in zip(classes, files, strict=True))
        self.card = ModelCard(
            name=f"prototypes:{folder}",
            summary="The nearest class mean of a few recordings, by the shape and the steps of their spectra.",
            licence="that of the recordings",
            source=str(folder),
            weights_sha256=hashlib.sha256("\n".join(contents).encode()).hexdigest(),
            training_data=f"{len(files)} recordings of {', '.join(names)}",
            limits="Knows its own classes by their names and nothing else; deaf to order in time.",
        )

    def embed_audio(self, waveforms: Tensor) -> Tensor:
        """``(B, T)`` samples to ``(B, 80)`` unit rows."""
        found = np.stack([self._describe(w) for w in waveforms.detach().cpu().numpy()])
        return torch.from_numpy(self._standardise(found)).float()

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """The class means that prompts name, ``(P, 80)``.

        Raises:
            InputError: If a prompt names none of the classes, or several.
        """
        return torch.from_numpy(np.stack([self.prototypes[self._named(prompt)] for prompt in prompts])).float()

    def _describe(self, waveform: NDArray[Any]) -> NDArray[Any]:
        padded = np.pad(waveform, SPEC.n_fft // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, SPEC.n_fft)[:: SPEC.hop]
        mel = np.abs(np.fft.rfft(frames * np.hanning(SPEC.n_fft + 1)[:-1])) ** 2 @ self._bank
        floor = max(float(mel.max()) * 10.0 ** (-RANGE / 10.0), 1e-12)
        shape = 10.0 * np.log10(np.maximum(mel.mean(axis=0), floor))
        levels = 10.0 * np.log10(np.maximum(mel, floor))
        steps = np.abs(np.diff(levels, axis=0, prepend=levels[:1]))
        return np.concatenate([shape - shape.mean(), steps.mean(axis=0)])

    def _standardise(self, found: NDArray[Any]) -> NDArray[Any]:
        scaled = (found - self._centre) / self._spread
        unit: NDArray[Any] = scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-12)
        return unit

    def _named(self, prompt: str) -> str:
        text = f" {_words(prompt)} "
        found = [name for name in self.prototypes if f" {name} " in text]
        # "hot dog" names no "dog".
        longest = [name for name in found if not any(f" {name} " in f" {other} " for other in found if other != name)]
        if len(longest) != 1:
            named = f"several classes ({', '.join(longest)})" if longest else "no class"
            raise InputError(f"the prompt {prompt!r} names {named}: name one of {', '.join(self.prototypes)}")
        return longest[0]


def _words(text: str) -> str:
    """Words in one spelling, punctuation as blanks; marks belong to words: Devanagari's vowels, accents of a Mac."""
    composed = unicodedata.normalize("NFC", text.casefold())
    return " ".join("".join(" " if unicodedata.category(c)[0] in "PZC" else c for c in composed).split())


def _check_distinct(folders: Sequence[str]) -> None:
    """Refuse folders whose names say the same class, or nothing."""
    named: dict[str, str] = {}
    for folder in folders:
        words = _words(folder)
        if not words:
            raise InputError(f"the folder {folder!r} names no class: give it a name of words")
        if words in named:
            raise InputError(f"the folders {named[words]!r} and {folder!r} are both the class {words!r}: join them")
        named[words] = folder


def load(argument: str | None = None, *, device: str | None = None) -> Prototypes:
    """Make the classifier out of its recordings.

    Args:
        argument: A folder that holds one folder of recordings per class.
        device: Not used: numpy computes, on the CPU.

    Raises:
        InputError: If there is no such folder, or it holds no classes.
    """
    del device
    if argument is None:
        raise InputError(
            "prototypes needs a folder that holds one folder of recordings per class: prototypes:my-sounds"
        )
    folder = Path(argument).expanduser()
    if not folder.is_dir():
        raise InputError(f"prototypes: there is no folder {argument!r}")
    return Prototypes(folder)
