"""The folder of a run: which suite it holds, and that nobody else's files lie there."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsxai.benchmarks.frame import Record
from zsxai.benchmarks.suite import Suite
from zsxai.errors import InputError

if TYPE_CHECKING:
    from zsxai.benchmarks.plan import Cell, Settings

RECORD = "suite.json"
"""Marks a folder as a run's: the exact suite, what the run adds to it, and its cells in the order of the plan."""
FORMAT = 1
_DRAFT = f".{RECORD}."


def check_folder(folder: Path, suite: Suite) -> None:
    """Whether a run of a suite may write into a folder; touches nothing.

    Raises:
        InputError: If it is a file, holds another suite's run, or files of somebody else.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: choose another --out")
    if (folder / RECORD).is_file():
        name = _record(folder)["suite"]["name"]
        if name != suite.name:
            raise InputError(f"{folder} holds a run of the suite {name!r}, not of {suite.name!r}: choose another --out")
        return
    # A run that was killed as it began leaves a draft of its record.
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith(_DRAFT))
    if foreign:
        raise InputError(f"{folder} holds {foreign[0]} and no run of a suite: choose another --out")


def write_record(folder: Path, suite: Suite, settings: Settings, cells: Sequence[Cell]) -> None:
    """Make the folder and say in it what is run, whole or not at all.

    Raises:
        InputError: If the folder cannot be made or written.
    """
    record = {
        "format": FORMAT,
        "suite": suite.model_dump(mode="json"),
        "settings": {"roots": dict(settings.roots), "limit": settings.limit, "device": settings.device},
        "cells": [Record.of(cell, suite).to_json() for cell in cells],
    }
    draft = folder / f"{_DRAFT}{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(folder / RECORD)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error


def _record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    if not path.is_file():
        raise InputError(f"{folder} holds no {RECORD}: name the --out of a zsxai bench run")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        found, _ = record["format"], (record["suite"]["name"], record["settings"]["roots"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a run's record: {type(error).__name__}: {error}") from error
    if found != FORMAT:
        raise InputError(f"{path} has format {found!r}, this version of zsxai writes {FORMAT}: choose another folder")
    return dict(record)
