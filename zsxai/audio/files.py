"""Files, streams and bytes as sound: decoded by libsndfile to their end, whatever length their headers give."""

from __future__ import annotations

import io
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from zsxai.audio.headers import Lengths, cut_in_log, lengths_of
from zsxai.audio.sound import MAX_RATE, MAX_SAMPLES, MIN_RATE, Sound, check_rate, make_sound, mix, too_long
from zsxai.errors import InputError, first_line
from zsxai.names import printable

MAX_BYTES = 2**30
"""Of a stream, or of an encoded file that is looked into: 1 GiB."""
_CHUNK = 2**20
_BLOCK = 2**16
"""Values decoded at a time."""
_WORTH_A_NOTE = 0.03
"""Seconds that are missing: decoders differ from headers by up to a block, 26 ms for MP3 at 44,100 Hz."""
_UNCOMPRESSED = ("WAV", "WAVEX", "AIFF", "AU", "CAF", "W64", "RF64")
_WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a sample, by coding."""
_MUCH = 0.4
"""Part of a file that is not read as sound: more than text and pictures beside a recording usually are."""
_LOOKED_INTO = (b"OggS", b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2")
"""First bytes of Ogg, FLAC and MP3."""


def sound_of_path(path: os.PathLike[Any] | str, sample_rate: object = None) -> Sound:
    """Read a file; a named pipe is read as a stream.

    Args:
        path: Its path, str or anything that ``os.fspath`` takes.
        sample_rate: What it must agree with, or None.

    Raises:
        InputError: If it is no sound; one line that names it.
    """
    try:
        file = os.fsdecode(os.fspath(path))
    except Exception as error:  # of whatever object the caller has
        raise InputError(f"the path of type {type(path).__name__} is none: {first_line(error)}") from error
    said, name = _shortened(file), printable(Path(file).name)
    try:
        # A pipe that nobody writes to would else wait for ever; the flag means nothing to files.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        hint = ": nothing is downloaded, fetch it first" if "://" in file else ""
        raise InputError(f"no such file: {said}{hint}") from error
    except (OSError, ValueError) as error:
        folder = os.path.isdir(file)  # noqa: PTH112 (Path.is_dir raises where a name is too long)
        what = f"{said} is a folder, not an audio file" if folder else f"cannot open {said}: {_reason(error)}"
        raise InputError(what) from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        os.close(descriptor)
        raise InputError(f"{said} is a folder, not an audio file")
    with os.fdopen(descriptor, "rb") as opened:
        if stat.S_ISFIFO(mode):
            os.set_blocking(descriptor, True)
            return sound_of_bytes(_read_whole(opened, said), sample_rate, said=said, name=name)
        if not stat.S_ISREG(mode):
            raise InputError(f"{said} is a device, not an audio file")
        head, size = opened.read(4), os.fstat(descriptor).st_size
        lengths = Lengths()
        if head.startswith(_LOOKED_INTO) and size <= MAX_BYTES:
            opened.seek(0)
            lengths = lengths_of(_read_whole(opened, said))
    # libsndfile opens files itself: it takes the ending as a hint, and finds the second file of Sound Designer II.
    # By its bytes, where names are bytes: they need not be UTF-8.
    by_name = os.fsencode(file) if os.name == "posix" else file
    source = by_name if lengths.data is None else _Memory(lengths.data)
    return _decode(source, sample_rate, lengths, size, said=said, name=name)


def sound_of_stream(stream: Any, sample_rate: object = None) -> Sound:
    """Read a binary file object from where it stands to its end, into memory: it need not seek.

    Raises:
        InputError: If it is no sound; one line that names it where it has a name.
    """
    given = getattr(stream, "name", None)
    named = isinstance(given, (str, os.PathLike))
    name = printable(Path(str(given)).name) if named else "stream"
    said = _shortened(str(given)) if named else f"the {type(stream).__name__}"
    return sound_of_bytes(_read_whole(stream, said), sample_rate, said=said, name=name)


def sound_of_bytes(
    data: bytes, sample_rate: object = None, *, said: str = "the bytes object", name: str = "stream"
) -> Sound:
    """Decode what a file holds.

    Raises:
        InputError: If it is no sound; one line.
    """
    if not data:
        raise InputError(f"{said} gives no bytes: it is empty, or at its end")
    lengths = lengths_of(data)
    return _decode(_Memory(lengths.data or data), sample_rate, lengths, len(data), said=said, name=name)


class _Memory(io.BytesIO):
    """Bytes that libsndfile may seek in as damaged headers tell it: what cannot be leaves it where it is."""

    def seek(self, offset: int, whence: int = 0) -> int:
        with suppress(ValueError, OverflowError):
            return super().seek(offset, whence)
        return self.tell()


class _Reader(soundfile.SoundFile):  # type: ignore[misc]
    """Reads on without seeking: libsndfile seeks within the length that the header gives, and may lose its place."""

    def seekable(self) -> bool:
        return False


def _read_whole(stream: Any, said: str) -> bytes:
    if getattr(stream, "closed", False):
        raise InputError(f"{said} is closed: open it again")
    with suppress(AttributeError):
        if not stream.readable():
            raise InputError(f"{said} is not open for reading: open it with 'rb'")
    whole = bytearray()
    while True:
        try:
            chunk = stream.read(_CHUNK)
        except Exception as error:  # of whatever object the caller has
            raise InputError(f"cannot read {said}: {_reason(error)}") from error
        if isinstance(chunk, str):
            raise InputError(f"{said} is opened as text: open it in binary mode, 'rb'")
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            what = "nothing yet" if chunk is None else f"a {type(chunk).__name__}, no bytes"
            raise InputError(f"cannot read {said}: its read() gives {what}")
        whole += chunk
        if len(whole) > MAX_BYTES:
            raise InputError(f"{said} gives more than {MAX_BYTES:,} bytes: cut it into parts")
        if not chunk or len(chunk) > _CHUNK:  # more than was asked for is all there is
            return bytes(whole)


def _decode(
    source: str | bytes | BinaryIO, sample_rate: object, lengths: Lengths, size: int, *, said: str, name: str
) -> Sound:
    try:
        reader = _Reader(source)
    except (RuntimeError, TypeError, ValueError, OSError) as error:
        raise InputError(
            f"{said} is not audio that libsndfile reads ({_reason(error)}); convert it, for instance to WAV or FLAC"
        ) from error
    with reader:
        rate = reader.samplerate
        if not MIN_RATE <= rate <= MAX_RATE:
            raise InputError(
                f"{said} says {rate:,} samples per second: {MIN_RATE:,} to {MAX_RATE:,} are read; is it damaged?"
            )
        if sample_rate is not None and check_rate(sample_rate) != rate:
            raise InputError(f"{said} says {rate} samples per second, sample_rate says {sample_rate}: leave it out")
        with suppress(soundfile.LibsndfileError):  # Opus that begins in the middle of a broadcast starts late else
            reader.seek(0)
        buffer = np.empty((max(1, _BLOCK // reader.channels), reader.channels), np.float32)
        parts, samples, loudest, stopped = [], 0, 0.0, ""
        while not stopped:
            block, stopped = _read_block(reader, buffer)
            if not len(block):
                break
            parts.append(mix(block.T, said))
            loudest = max(loudest, float(np.abs(block).max()))
            samples += len(block)
            if samples > MAX_SAMPLES:
                raise too_long(said, rate)
        notes = _notes(reader, samples, lengths, stopped, size)
        channels = reader.channels
    if not samples:
        why = lengths.why or (notes[0] if notes else "the header may be damaged")
        raise InputError(f"{said} holds no samples that libsndfile finds: {why}")
    return make_sound(np.concatenate(parts), rate, channels, name, said=said, loudest=loudest, notes=notes)


def _read_block(reader: Any, buffer: NDArray[np.float32]) -> tuple[NDArray[np.float32], str]:
    """The next frames ``(n, C)``, a view of the buffer, and why libsndfile gave up behind them, if it did."""
    buffer.fill(np.nan)
    try:
        return reader.read(out=buffer), ""
    except soundfile.LibsndfileError as error:
        # It does not say how much it decoded before: what is still as it was filled is not.
        unread = np.isnan(buffer).any(axis=1)
        return buffer[: int(unread.argmax()) if unread.any() else len(buffer)], _reason(error)


def _notes(reader: Any, samples: int, lengths: Lengths, stopped: str, size: int) -> tuple[str, ...]:
    """What of the file could not be read."""
    seconds = samples / reader.samplerate
    whole, why = lengths.seconds, lengths.why
    if whole is None and lengths.data is None and reader.frames < MAX_SAMPLES:
        whole = reader.frames / reader.samplerate
    part = cut_in_log(reader.extra_info)
    if part:
        whole = seconds / part
    if stopped:
        why = f"it is cut or damaged ({stopped})"
    if whole is not None and whole - seconds >= _WORTH_A_NOTE:
        return (f"{_thousandths(seconds)} of {_thousandths(whole)} s could be read: {why or 'it is cut or damaged'}",)
    if why:
        return (f"{_thousandths(seconds)} s could be read: {why}",)
    width = _WIDTHS.get(reader.subtype, 0) if reader.format in _UNCOMPRESSED else 0
    unread = size - samples * reader.channels * width
    if width and unread > _MUCH * size and unread >= _WORTH_A_NOTE * reader.samplerate * reader.channels * width:
        return (
            f"{_thousandths(seconds)} s could be read, as the header says: {unread:,} of {size:,} bytes are something "
            "else, or sound that it leaves out",
        )
    return ()


def _thousandths(seconds: float) -> str:
    return f"{seconds:,.3f}".rstrip("0").rstrip(".")


def _reason(error: BaseException) -> str:
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or first_line(error)
    return _shortened(str(text)).removeprefix("Error : ").rstrip(".")


def _shortened(text: str) -> str:
    return printable(text if len(text) < 500 else f"{text[:50]}...{text[-50:]}")
