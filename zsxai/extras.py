"""Packages that an extra brings, asked for before hours of work and not after them."""

from __future__ import annotations

from importlib.util import find_spec

from zsxai.errors import MissingExtraError


def need(extra: str | None, *packages: str) -> None:
    """Check that packages are installed.

    Args:
        extra: That brings them; None where zsxai itself does.
        packages: Their names.

    Raises:
        MissingExtraError: If one is not; the message holds the ``pip install``.
    """
    wanted = "zsxai" if extra is None else f"'zsxai[{extra}]'"
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(f"this needs the package {package!r}: pip install {wanted}")
