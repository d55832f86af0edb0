"""One clip of a data set, and what a data set is."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from zsxai.audio import Sound, fingerprint, read_and_warn
from zsxai.errors import InputError
from zsxai.names import printable


@dataclass(frozen=True)
class LabelledClip:
    """One clip of a data set.

    Name, label and source can be printed and stored, whatever a file system or a table holds: see :func:`tidy_name` and
    :func:`tidy_label`. The path alone is kept byte for byte.

    Attributes:
        name: Unique in its data set.
        label: Class name in words ("church bells"), or the first caption; the first of several classes.
        source: Id of the recording that the clip was cut from: the unit that intervals are drawn over.
        fold: Cross-validation fold, from 1; 0 where there are none.
        path: The audio file; None where :attr:`audio` holds the sound.
        audio: What :func:`zsxai.audio.read_audio` takes, or a function that gives it when the clip is read, where there
            is no file.
        seconds: Length at which the sound is cut, where the data set defines one: lossy copies decode to a little more.
        captions: Sentences that say what is heard; empty where the data set has class names only.
        labels: All classes, the label among them, where a clip may have several; else empty.
    """

    name: str
    label: str
    source: str
    fold: int = 0
    path: Path | None = None
    audio: Any = field(default=None, repr=False, compare=False)
    seconds: float | None = None
    captions: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what in ("captions", "labels"):
            if isinstance(getattr(self, what), (str, Set)):
                kind = type(getattr(self, what)).__name__
                raise InputError(f"the {what} of {self.name!r} are a list or tuple, in a fixed order, not a {kind}")
        captions = tuple(unicodedata.normalize("NFC", caption) for caption in self.captions)
        labels = tuple(dict.fromkeys(map(tidy_label, self.labels)))
        tidy = {"name": tidy_name(self.name), "label": tidy_label(self.label), "source": tidy_name(self.source)}
        for name, value in {**tidy, "captions": captions, "labels": labels}.items():
            object.__setattr__(self, name, value)  # as a frozen dataclass sets its own
        if not self.label:
            raise InputError(f"the clip {self.name!r} has an empty label")
        if labels and self.label not in labels:
            raise InputError(f"the label {self.label!r} of {self.name!r} is none of its labels: {'; '.join(labels)}")

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes of the clip: its labels, or its one label."""
        return self.labels or (self.label,)

    def read(self) -> Sound:
        """The sound, mixed to mono; what is to be known of it comes as a warning.

        Raises:
            InputError: If it is missing, or no audio; it names the file, or the clip where there is none.
        """
        try:
            if self.path is not None:
                sound = read_and_warn(self.path)
            else:
                sound = read_and_warn(self.audio() if callable(self.audio) else self.audio)
        except InputError as error:
            where = printable(str(self.path or self.name))
            raise InputError(str(error) if where in str(error) else f"{where}: {error}") from error
        stop = None if self.seconds is None else round(self.seconds * sound.sample_rate)
        return replace(sound, waveform=sound.waveform[:stop], name=self.name)

    def sha256(self) -> str:
        """Hash of the file's bytes, or of the samples where there is no file."""
        if self.path is None:
            return fingerprint(self.read().waveform)
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def tidy_name(name: str) -> str:
    """A name as it is printed and stored: composed (NFC) and :func:`~zsxai.names.printable`."""
    return printable(unicodedata.normalize("NFC", name))


def tidy_label(label: str) -> str:
    """A label likewise, with one blank for every run of white space: what looks alike is one class."""
    return tidy_name(" ".join(label.split()))


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
