"""The folder of a run: which suite it holds, and that nobody else's files lie there."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zsxai.benchmarks.run.plan import Cell, Settings
from zsxai.benchmarks.run.store import FILE, Store, dump
from zsxai.benchmarks.run.suite import Suite
from zsxai.errors import InputError
from zsxai.files import write_text

RECORD = "suite.json"
"""Marks a folder as a run's: the exact suite, what the run adds to it, and its cells in the order of the plan."""
FORMAT = 1
_DRAFT = f".{RECORD}."


class _DamagedError(InputError):
    """A record that cannot be read."""


def check_folder(folder: Path, suite: Suite) -> None:
    """Check that a run of a suite may write into a folder; touches nothing.

    A record that is lost or damaged is no hindrance where our store lies beside it: the run writes it anew.

    Raises:
        InputError: If it is a file, holds another suite's run, or files of somebody else.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: choose another --out")
    try:
        if (folder / RECORD).is_file():
            name = read_record(folder)["suite"]["name"]
            if name != suite.name:
                raise InputError(
                    f"{folder} holds a run of the suite {name!r}, not of {suite.name!r}: choose another --out"
                )
            return
    except _DamagedError as error:
        if not _holds_our_store(folder):
            raise InputError(f"{folder / RECORD} cannot be read as a run's record: choose another --out") from error
        return
    # A run that was killed as it began leaves a draft of its record, or a store that is not begun.
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith((_DRAFT, FILE)))
    if foreign and not _holds_our_store(folder):
        raise InputError(f"{folder} holds {foreign[0]} and no run of a suite: choose another --out")


def _holds_our_store(folder: Path) -> bool:
    with contextlib.suppress(InputError), Store(folder):
        return True
    return False


def make_folder(folder: Path) -> None:
    """Make a folder where there is none.

    Raises:
        InputError: If that cannot be done.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error


def write_record(folder: Path, suite: Suite, settings: Settings, cells: Sequence[Cell]) -> None:
    """Say in a folder, made where there is none, what is run; whole or not at all.

    Raises:
        InputError: If the folder cannot be made or written.
    """
    record = {
        "format": FORMAT,
        "suite": suite.model_dump(mode="json"),
        "settings": asdict(settings),
        "cells": [cell.to_json() for cell in cells],
    }
    write_text(folder / RECORD, dump(record, indent=1) + "\n")


def read_record(folder: Path) -> dict[str, Any]:
    """Read what :func:`write_record` has written.

    Raises:
        InputError: If there is no record, it cannot be read, or another version of zsxai has written it.
    """
    path = folder / RECORD
    if not path.is_file():
        raise InputError(f"{folder} holds no {RECORD}: name the --out of a zsxai bench run")
    try:
        record = dict(json.loads(path.read_text(encoding="utf-8")))
        found, _ = record["format"], (record["suite"]["name"], record["settings"]["roots"], list(record["cells"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _DamagedError(
            f"{path} cannot be read as a run's record ({type(error).__name__}: {error}): run the suite again, which "
            "keeps what is stored"
        ) from error
    if found != FORMAT:
        raise InputError(f"{path} has format {found!r}, this version of zsxai writes {FORMAT}: choose another folder")
    return record
