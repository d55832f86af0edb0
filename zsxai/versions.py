"""What computed a figure: versions of the libraries, and the commit where there is one."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("zsxai", "torch", "numpy", "captum", "soxr", "soundfile")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of the libraries that compute, as installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str:
    """The commit of this checkout, ``+`` behind it where files differ from it; ``none`` outside a checkout."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return done.stdout.strip()
