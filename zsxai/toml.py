"""Reading TOML files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from zsxai.errors import InputError


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file in UTF-8, with or without byte order mark.

    Raises:
        InputError: If it cannot be read or is no TOML; one line.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} is no TOML in UTF-8: {error}") from error
