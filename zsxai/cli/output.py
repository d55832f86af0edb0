"""Standard streams: ready for any text at the start, and an error of their own where they cannot be written."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zsxai.errors import ExitCode
from zsxai.names import printable


def say(text: str) -> None:
    """Print text that may hold names and prompts: nothing in it moves the cursor or turns the direction of a line."""
    # Not typer.echo, which writes UTF-8 to a stream that was opened for ASCII.
    sys.stdout.write("\n".join(map(printable, text.split("\n"))) + "\n")
    sys.stdout.flush()


class Output(io.TextIOWrapper):
    """Standard output that knows why it could not be written; an encoding that lacks a character gets a backslash."""

    failure: OSError | None = None

    def write(self, text: str) -> int:
        """See :meth:`io.TextIOBase.write`."""
        with self._watched():
            return super().write(text)

    def flush(self) -> None:
        """See :meth:`io.IOBase.flush`."""
        with self._watched():
            super().flush()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            raise


def open_streams() -> bool:
    """Make standard streams that take any text.

    A closed one is replaced by the null device, or the next file that is opened would get its number, and the messages
    of libraries.

    Returns:
        Whether standard output was open.
    """
    was_open = sys.stdout is not None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    if type(sys.stdout) is io.TextIOWrapper:
        line_buffering = sys.stdout.line_buffering
        sys.stdout = Output(sys.stdout.buffer, sys.stdout.encoding, "backslashreplace", line_buffering=line_buffering)
    return was_open


def find_lost_output() -> OSError | None:
    """Write what standard output still holds, and say why where it fails; nothing is then left for the interpreter."""
    try:
        sys.stdout.flush()
        failure = getattr(sys.stdout, "failure", None)
    except OSError as error:
        failure = error
    if failure is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return failure


@contextmanager
def interruptible(otherwise: str) -> Iterator[None]:
    """Ctrl-C, and SIGTERM, which schedulers send, end the command with a word on what is kept.

    The command line's own word for Ctrl-C is that nothing was written.

    Args:
        otherwise: That word, where the interruption brings none along (its notes).
    """
    terminated = False

    def stop(*_: object) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    heeds = threading.current_thread() is threading.main_thread()  # signals reach no other
    before = signal.signal(signal.SIGTERM, stop) if heeds else None
    try:
        yield
    except KeyboardInterrupt as interrupt:
        notes = getattr(interrupt, "__notes__", [otherwise])
        sys.stderr.write(f"zsxai: interrupted; {notes[0]}\n")
        raise SystemExit(ExitCode.TERMINATED if terminated else ExitCode.INTERRUPTED) from None
    finally:
        if heeds:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
