"""The command line: ``zsxai``. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: What follows ``zsxai``; ``sys.argv[1:]`` where None.

    Returns:
        0 when done, 2 for the caller's mistake, 130 for an interruption, 1 for anything else.
    """
    try:
        from zsxai.cli.app import run

        return run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("zsxai: interrupted; nothing was written\n")
        return 130
