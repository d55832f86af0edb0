"""The command line: ``zsxai``. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zsxai.errors import ExitCode

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: What follows ``zsxai``; ``sys.argv[1:]`` where None.

    Returns:
        0 when done, 2 for the caller's mistake, 130 for an interruption, 1 for anything else.
    """
    try:
        with _no_lost_interrupt():
            from zsxai.cli.app import run

            return run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("zsxai: interrupted; nothing was written\n")
        return ExitCode.INTERRUPTED


@contextmanager
def _no_lost_interrupt() -> Iterator[None]:
    """Ctrl-C that falls into a destructor or a weak reference's callback is raised once more, outside of it.

    Python can raise nothing there: it reports the exception as ignored and goes on. Imports are full of such places.
    """
    usual = sys.unraisablehook

    def hook(ignored: UnraisableHookArgs) -> None:
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            import _thread
            import threading

            # Not from here: this hook, too, is a place where an exception is only reported.
            threading.Timer(0.01, _thread.interrupt_main).start()
        else:
            usual(ignored)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = usual
