"""What libsndfile refuses and PyAV (FFmpeg) decodes: M4A, WebM, the sound of videos; the extra ``av``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from zsxai.audio.words import reason, thousandths
from zsxai.errors import MissingExtraError

_WORTH_A_NOTE = 0.15
"""Seconds that are missing: containers count whole blocks, FLAC's of 4,608 samples (104 ms at 44,100 Hz) too."""
_FORMS: tuple[tuple[int, bytes, str, str], ...] = (
    *((4, box, "mov", "an MP4, M4A or QuickTime file") for box in (b"ftyp", b"moov", b"mdat", b"wide")),
    (0, b"\x1a\x45\xdf\xa3", "matroska", "a WebM or Matroska file"),
    (0, b"OggS", "ogg", "an Ogg file"),
    *((0, sync, "aac", "an AAC file") for sync in (b"\xff\xf1", b"\xff\xf9")),
    (8, b"AVI ", "avi", "an AVI file"),
    (8, b"WAVE", "wav", "a WAV file"),
    (0, b"caff", "caf", "a CAF file"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf", "a WMA or WMV file"),
    (0, b"#!AMR", "amr", "an AMR file"),
    (0, b"FLV\x01", "flv", "an FLV file"),
    (0, b"\x00\x00\x01\xba", "mpeg", "an MPEG file"),
    (188, b"\x47", "mpegts", "an MPEG stream"),
    (0, b"wvpk", "wv", "a WavPack file"),
    (0, b"MAC ", "ape", "a Monkey's Audio file"),
)
"""Place and bytes that tell a form, FFmpeg's name of it, and ours. No other is tried: what FFmpeg makes of any bytes
includes play lists, which open other files."""


def form_of(head: bytes) -> tuple[str, str] | None:
    """FFmpeg's name of a form that PyAV may read, and ours; None where the bytes are of no such form.

    Args:
        head: The first bytes of the file.
    """
    return next(((name, ours) for at, magic, name, ours in _FORMS if head[at : at + len(magic)] == magic), None)


class AvDecoder:
    """A recording that PyAV decodes, the first of the file's sounds; a :class:`~zsxai.audio.blocks.Decoder`.

    What encoders put before and after the sound is left out as far as the file says how much that is.

    Args:
        file: The file; it is this one's to close.
        form: FFmpeg's name of its form.

    Raises:
        MissingExtraError: If PyAV is not installed.
        Exception: If it does not read the file, as it says why.
    """

    library = "PyAV"
    why = ""

    def __init__(self, file: BinaryIO, form: str) -> None:
        self._file, self._stopped = file, ""
        self._container: Any = None
        try:
            self._container = _import().open(file, format=form)
            self._stream: Any = next(iter(self._container.streams.audio), None)
            if self._stream is None:
                raise ValueError("it holds no sound")
            frames = self._decode()
            first = next(frames, None)
            if first is None:
                raise ValueError(self._stopped or "it holds no samples")
        except BaseException:
            self.close()
            raise
        # Of the decoded sound: headers of AAC may give half of its rate and one of its two channels.
        self.sample_rate, self.channels = first.sample_rate, len(first.layout.channels)
        self._frames = chain([first], frames)

    @property
    def seconds(self) -> float | None:
        """Length that the header gives; None where it is unknown."""
        stream, container = self._stream, self._container
        if stream.duration:
            return float(stream.duration * stream.time_base)
        return container.duration / 1e6 if container.duration else None

    def frames(self) -> Iterator[NDArray[np.float32]]:
        """Blocks ``(n, C)`` to the end."""
        for frame in self._frames:
            if (frame.sample_rate, len(frame.layout.channels)) != (self.sample_rate, self.channels):
                self._stopped = "its rate or its channels change"
                return
            yield _samples(frame, self.channels)

    def notes(self, samples: int) -> tuple[str, ...]:
        """What of the file could not be read, once ``samples`` were."""
        seconds, whole = samples / self.sample_rate, self.seconds
        why = f"it is cut or damaged ({self._stopped})" if self._stopped else "it is cut or damaged"
        if whole is not None and whole - seconds >= _WORTH_A_NOTE:
            return (f"{thousandths(seconds)} of {thousandths(whole)} s could be read: {why}",)
        return (f"{thousandths(seconds)} s could be read: {why}",) if self._stopped else ()

    def close(self) -> None:
        """Let go of the file."""
        if self._container is not None:
            self._container.close()
        self._file.close()

    def _decode(self) -> Iterator[Any]:
        try:
            for packet in self._container.demux(self._stream):
                yield from packet.decode()
        except Exception as error:  # of whatever damaged files make FFmpeg say
            self._stopped = reason(error)


def _samples(frame: Any, channels: int) -> NDArray[np.float32]:
    """``(n, C)``, integers scaled by their full range."""
    values: NDArray[Any] = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype.kind == "f":
        return np.asarray(values, np.float32)
    info = np.iinfo(values.dtype)
    middle = 0 if values.dtype.kind == "i" else (info.max + 1) / 2
    return np.asarray((values - middle) / (info.max + 1 - middle), np.float32)


def _import() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("pip install 'zsxai[av]'") from error
    return av
