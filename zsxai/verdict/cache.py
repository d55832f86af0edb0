"""Folders of the user where what belongs to a model is kept, by the hash of its weights."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "ZSXAI_CACHE"
"""Name of the variable of the environment that names another folder."""


def cache_folder() -> Path | None:
    """Where embeddings are kept that can be made again: the user's cache, or what ``ZSXAI_CACHE`` names.

    None where that variable is set to nothing: nothing is then kept.
    """
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named.strip() else None
    return platformdirs.user_cache_path("zsxai", appauthor=False)


def data_folder() -> Path:
    """Where reference figures are kept that the user had made: the user's data, or what ``ZSXAI_CACHE`` names."""
    named = os.environ.get(VARIABLE, "").strip()
    return Path(named) if named else platformdirs.user_data_path("zsxai", appauthor=False)
