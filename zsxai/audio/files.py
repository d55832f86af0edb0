"""Files, file objects and bytes as streams of sound."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, BinaryIO

from zsxai.audio.av import AvDecoder, form_of
from zsxai.audio.blocks import Decoder, SoundOfFile
from zsxai.audio.headers import Lengths, lengths_of
from zsxai.audio.sndfile import Seekable, Sndfile
from zsxai.audio.words import reason, shortened
from zsxai.errors import InputError, MissingExtraError, first_line
from zsxai.names import printable

MAX_BYTES = 2**30
"""Of a file object: 1 GiB."""
_CHUNK = 2**20
_LOOKED_INTO = (b"OggS", b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2")
"""First bytes of Ogg, FLAC and MP3."""


def open_path(path: os.PathLike[Any] | str, sample_rate: object = None) -> SoundOfFile:
    """Open a file; a named pipe is read to its end, into memory.

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
    said, name = shortened(file), printable(Path(file).name)
    try:
        # A pipe that nobody writes to would else wait for ever; the flag means nothing to files.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        hint = ": nothing is downloaded, fetch it first" if "://" in file else ""
        raise InputError(f"no such file: {said}{hint}") from error
    except (OSError, ValueError) as error:
        folder = os.path.isdir(file)  # noqa: PTH112 (Path.is_dir raises where a name is too long)
        what = f"{said} is a folder, not an audio file" if folder else f"cannot open {said}: {reason(error)}"
        raise InputError(what) from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        os.close(descriptor)
        raise InputError(f"{said} is a folder, not an audio file")
    with ExitStack() as held:
        opened = held.enter_context(os.fdopen(descriptor, "rb"))
        if stat.S_ISFIFO(mode):
            os.set_blocking(descriptor, True)
            return open_bytes(_read_whole(opened, said), sample_rate, said=said, name=name)
        if not stat.S_ISREG(mode):
            raise InputError(f"{said} is a device, not an audio file")
        size, lengths = os.fstat(descriptor).st_size, Lengths()
        if opened.read(4).startswith(_LOOKED_INTO):
            with suppress(OSError, ValueError), mmap(descriptor, 0, access=ACCESS_READ) as mapped:
                lengths = lengths_of(mapped)
        # libsndfile opens files itself: it takes the ending as a hint, and finds the second file of Sound Designer II.
        # By its bytes, where names are bytes: they need not be UTF-8.
        source: Any = os.fsencode(file) if os.name == "posix" else file
        if lengths.patch is not None:
            source = Seekable(opened, lengths)
            held.pop_all()  # the decoder lets go of it
    return _open(source, lengths, size, sample_rate, lambda: Path(file).open("rb"), said=said, name=name)


def open_stream(stream: Any, sample_rate: object = None) -> SoundOfFile:
    """Read a binary file object from where it stands to its end, into memory: it need not seek.

    Raises:
        InputError: If it is no sound; one line that names it where it has a name.
    """
    given = getattr(stream, "name", None)
    named = isinstance(given, (str, os.PathLike))
    name = printable(Path(str(given)).name) if named else "stream"
    said = shortened(str(given)) if named else f"the {type(stream).__name__}"
    return open_bytes(_read_whole(stream, said), sample_rate, said=said, name=name)


def open_bytes(
    data: bytes, sample_rate: object = None, *, said: str = "the bytes object", name: str = "stream"
) -> SoundOfFile:
    """Open what a file holds.

    Raises:
        InputError: If it is no sound; one line.
    """
    if not data:
        raise InputError(f"{said} gives no bytes: it is empty, or at its end")
    lengths = lengths_of(data)
    source = Seekable(io.BytesIO(data), replace(lengths, size=lengths.size or len(data)))
    return _open(source, lengths, len(data), sample_rate, lambda: io.BytesIO(data), said=said, name=name)


def _open(
    source: Any,
    lengths: Lengths,
    size: int,
    sample_rate: object,
    again: Callable[[], BinaryIO],
    *,
    said: str,
    name: str,
) -> SoundOfFile:
    """Open what libsndfile reads, or else PyAV, to which the file is given ``again``."""
    try:
        decoder: Decoder = Sndfile(source, lengths, size)
    except (RuntimeError, TypeError, ValueError, OSError) as error:
        decoder = _open_other(again, said, reason(error), error)
    return SoundOfFile(decoder, sample_rate, size, said=said, name=name)


def _open_other(again: Callable[[], BinaryIO], said: str, why: str, refused: Exception) -> Decoder:
    what = "is not audio that libsndfile reads"
    try:
        file = again()
        head = file.read(256)
        file.seek(0)
    except OSError as error:
        raise InputError(f"cannot open {said}: {reason(error)}") from error
    form = form_of(head)
    if form is None:
        file.close()
        raise InputError(f"{said} {what} ({why}); convert it, for instance to WAV or FLAC") from refused
    try:
        return AvDecoder(file, form[0])
    except MissingExtraError as error:
        raise MissingExtraError(f"{said} {what} ({why}); it looks like {form[1]}, for which: {error}") from error
    except Exception as error:  # of whatever damaged files make FFmpeg say
        raise InputError(
            f"{said} {what} ({why}), nor does PyAV ({reason(error)}); convert it to WAV or FLAC"
        ) from error


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
            raise InputError(f"cannot read {said}: {reason(error)}") from error
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
