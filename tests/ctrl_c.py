"""Processes that tests send Ctrl-C to."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def start_interruptible(words: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
    """Start a process that hears Ctrl-C wherever the tests run.

    A shell's background jobs, and all they start, ignore it (``nohup make test``, ``make test &``). A handler in this
    process is the usual one in what it starts.

    Args:
        words: The command.
        **options: As :class:`subprocess.Popen` takes them.
    """
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(words, text=True, **options)
    finally:
        signal.signal(signal.SIGINT, usual)
