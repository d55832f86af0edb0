"""What libsndfile decodes: to its end, whatever length the header gives, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from zsxai.audio.headers import MAX_CLAIM, Lengths, cut_in_log
from zsxai.audio.words import reason, thousandths

BLOCK = 2**16
"""Values decoded at a time."""
_WORTH_A_NOTE = 0.03
"""Seconds that are missing: decoders differ from headers by up to a block, 26 ms for MP3 at 44,100 Hz."""
_UNCOMPRESSED = ("WAV", "WAVEX", "AIFF", "AU", "CAF", "W64", "RF64")
_WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a sample, by coding."""
_MUCH = 0.4
"""Part of a file that is not read as sound: more than text and pictures beside a recording usually are."""


class Seekable:
    """A file that libsndfile may seek in as damaged headers tell it, and that shows it other bytes in one place.

    Args:
        file: The file; it is this one's to close.
        lengths: How many bytes to show, and which others.
    """

    def __init__(self, file: BinaryIO, lengths: Lengths) -> None:
        self._file, self._size, self._at = file, lengths.size or 0, 0
        self._place, self._shown = lengths.patch or (0, b"")

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go there; what is no place leaves it where it is."""
        there = offset + (0, self._at, self._size)[whence]
        if 0 <= there < 2**63:
            self._at = there
        return self._at

    def tell(self) -> int:
        """The place it stands at."""
        return self._at

    def read(self, count: int) -> bytes:
        """The next bytes; what the disk does not give is as if it were not there."""
        data = b""
        with suppress(OSError):
            self._file.seek(self._at)
            data = self._file.read(max(0, min(count, self._size - self._at)))
        first, last = (min(max(at - self._at, 0), len(data)) for at in (self._place, self._place + len(self._shown)))
        if last > first:
            start = self._at + first - self._place
            data = data[:first] + self._shown[start : start + last - first] + data[last:]
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Reader(soundfile.SoundFile):  # type: ignore[misc]
    """Reads on without seeking: libsndfile seeks within the length that the header gives, and may lose its place."""

    def seekable(self) -> bool:
        return False


class Sndfile:
    """A recording that libsndfile decodes; a :class:`~zsxai.audio.blocks.Decoder`.

    Args:
        source: A path, or a file.
        lengths: What the header says of its length.
        size: Bytes of the file.

    Raises:
        RuntimeError: If libsndfile does not read it, as it says why; also TypeError, ValueError and OSError.
    """

    library = "libsndfile"

    def __init__(self, source: str | bytes | Seekable, lengths: Lengths, size: int) -> None:
        self._close = source.close if isinstance(source, Seekable) else lambda: None
        try:
            self._reader = _Reader(source)
        except BaseException:
            self._close()
            raise
        self._lengths, self._size, self._stopped = lengths, size, ""
        self.sample_rate: int = self._reader.samplerate
        self.channels: int = self._reader.channels
        self.why = lengths.why

    @property
    def seconds(self) -> float | None:
        """Length that the header gives; None where it is unknown."""
        if self._lengths.seconds is not None or self._lengths.patch is not None:
            return self._lengths.seconds
        return self._reader.frames / self.sample_rate if self._reader.frames < MAX_CLAIM else None

    def frames(self) -> Iterator[NDArray[np.float32]]:
        """Blocks ``(n, C)`` to the end; each is gone with the next."""
        reader = self._reader
        with suppress(soundfile.LibsndfileError):  # Opus that begins in the middle of a broadcast starts late else
            reader.seek(0)
        buffer = np.empty((max(1, BLOCK // reader.channels), reader.channels), np.float32)
        while not self._stopped:
            block, self._stopped = _read_block(reader, buffer)
            if not len(block):
                return
            yield block

    def notes(self, samples: int) -> tuple[str, ...]:
        """What of the file could not be read, once ``samples`` were."""
        reader, size = self._reader, self._size
        seconds, whole, why = samples / reader.samplerate, self.seconds, self.why
        part = cut_in_log(reader.extra_info)
        if part:
            whole = seconds / part
        if self._stopped:
            why = f"it is cut or damaged ({self._stopped})"
        if whole is not None and whole - seconds >= _WORTH_A_NOTE:
            return (f"{thousandths(seconds)} of {thousandths(whole)} s could be read: {why or 'it is cut or damaged'}",)
        if why:
            return (f"{thousandths(seconds)} s could be read: {why}",)
        width = _WIDTHS.get(reader.subtype, 0) if reader.format in _UNCOMPRESSED else 0
        unread = size - samples * reader.channels * width
        if width and unread > _MUCH * size and unread >= _WORTH_A_NOTE * reader.samplerate * reader.channels * width:
            return (
                f"{thousandths(seconds)} s could be read, as the header says: {unread:,} of {size:,} bytes are "
                "something else, or sound that it leaves out",
            )
        return ()

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()
        self._close()


def _read_block(reader: Any, buffer: NDArray[np.float32]) -> tuple[NDArray[np.float32], str]:
    """The next frames ``(n, C)``, a view of the buffer, and why libsndfile gave up behind them, if it did."""
    buffer.fill(np.nan)
    try:
        return reader.read(out=buffer), ""
    except soundfile.LibsndfileError as error:
        # It does not say how much it decoded before: what is still as it was filled is not.
        unread = np.isnan(buffer).any(axis=1)
        return buffer[: int(unread.argmax()) if unread.any() else len(buffer)], reason(error)
