"""One clip of a data set, and what a data set is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from zsxai.audio import Sound, fingerprint, read_audio
from zsxai.errors import InputError


@dataclass(frozen=True)
class LabelledClip:
    """One clip of a data set.

    Attributes:
        name: Unique in its data set.
        label: Class name in words ("church bells"), or the first caption.
        source: Id of the recording that the clip was cut from: the unit that intervals are drawn over.
        fold: Cross-validation fold, from 1; 0 where there are none.
        path: The audio file; None where :attr:`audio` holds the sound.
        audio: What :func:`zsxai.audio.read_audio` takes, or a function that gives it when the clip is read, where there
            is no file.
        seconds: Length at which the sound is cut, where the data set defines one: lossy copies decode to a little more.
        captions: Sentences that say what is heard; empty where the data set has class names only.
    """

    name: str
    label: str
    source: str
    fold: int = 0
    path: Path | None = None
    audio: Any = field(default=None, repr=False, compare=False)
    seconds: float | None = None
    captions: tuple[str, ...] = ()

    def read(self) -> Sound:
        """The sound, mixed to mono.

        Raises:
            InputError: If it is missing, or no audio; it names the file, or the clip where there is none.
        """
        try:
            if self.path is not None:
                sound = read_audio(self.path)
            else:
                sound = read_audio(self.audio() if callable(self.audio) else self.audio)
        except InputError as error:
            where = str(self.path or self.name)
            raise InputError(str(error) if where in str(error) else f"{where}: {error}") from error
        stop = None if self.seconds is None else round(self.seconds * sound.sample_rate)
        return replace(sound, waveform=sound.waveform[:stop], name=self.name)

    def sha256(self) -> str:
        """Hash of the file's bytes, or of the samples where there is no file."""
        if self.path is None:
            return fingerprint(self.read().waveform)
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


@runtime_checkable
class Dataset(Protocol):
    """What a reader gives: clips in a fixed order, and the classes among which they are distinguished."""

    @property
    def clips(self) -> Sequence[LabelledClip]:
        """All clips, in an order that is the same on every machine."""
        ...

    @property
    def labels(self) -> Sequence[str]:
        """All classes, sorted, those without a clip among them included; captions are their own classes."""
        ...
