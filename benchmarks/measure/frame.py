"""What the measurements of this library share: options, one thread, progress, tables and JSON.

A measurement is a function of its options that ends with :func:`show`, and :func:`app` makes it a command.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Annotated, Any, TypeVar
from unittest import mock

import torch
import typer
from rich.console import Console
from threadpoolctl import threadpool_limits

from zsxai.errors import InputError
from zsxai.versions import commit

T = TypeVar("T")

ModelName = Annotated[str, typer.Option("--model", help="Name of a model that gives gradients.")]
Repeats = Annotated[int, typer.Option(min=3, help="Pairs per row; a fifth where a pair takes long.")]
Seconds = Annotated[float, typer.Option(min=0.5, help="Length of the clip.")]
Full = Annotated[bool, typer.Option(help="The published sizes; small ones otherwise.")]
Only = Annotated[
    list[str] | None,
    typer.Option(help="Only the row or backend of this name, or those whose name contains it; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Table:
    """A table in text.

    Attributes:
        heads: Heads of the columns.
        rows: A cell for every head.
        context: What else decides the figures, printed below.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    context: Mapping[str, object]

    def __str__(self) -> str:
        """In Markdown, columns aligned."""
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        lines = [self.heads, ["-" * width for width in widths], *self.rows]
        table = ("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)
        return "\n".join([*table, "", ", ".join(f"{key} {value}" for key, value in self.context.items())])


def read_data(pair: str, folds: str | None) -> tuple[str, str | None, dict[str, Any]]:
    """Read ``READER=DIR`` and the folds ``1,2``: the reader's name, its folder if it needs one, and its options.

    Raises:
        InputError: If the folds are no numbers.
    """
    reader, _, root = pair.partition("=")
    try:
        options = {"folds": [int(fold) for fold in folds.split(",")]} if folds else {}
    except ValueError as error:
        raise InputError(f"--folds takes whole numbers, such as 1,2, not {folds!r}") from error
    return reader, root or None, options


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, compute on one thread, here and in the processes that are started."""
    before = torch.get_num_threads()
    with mock.patch.dict(os.environ, _ONE_THREAD), threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def choose(names: Iterable[str], only: Sequence[str] | None) -> list[str]:
    """Choose by name, or by a part of names where none is exactly so; all where ``only`` is empty.

    Raises:
        InputError: If one of ``only`` is in no name.
    """
    names = list(names)
    chosen: set[str] = set()
    for part in only or names:
        matching = [part] if part in names else [name for name in names if part in name]
        if not matching:
            raise InputError(f"--only {part!r} is in none of: {'; '.join(names)}")
        chosen.update(matching)
    return [name for name in names if name in chosen]


def measure_each(
    cases: Mapping[str, Callable[[], T]], only: Sequence[str] | None, summarise: Callable[[T], str]
) -> dict[str, T]:
    """Measure cases one by one, saying on stderr which is under way and what came of it.

    Args:
        cases: What measures each, by name.
        only: See :func:`choose`.
        summarise: A few words about what was measured.
    """
    progress = Console(stderr=True)
    measured: dict[str, T] = {}
    for name in choose(cases, only):
        with progress.status(name):
            measured[name] = cases[name]()
        progress.print(f"{name}: {summarise(measured[name])}", highlight=False)
    return measured


def show(table: Table, record: Mapping[str, object], as_json: bool, *, met: bool = True) -> None:
    """Print a table, or the record with date and commit.

    Args:
        table: The figures as text.
        record: The figures as JSON.
        as_json: Which of them.
        met: Whether all limits are met; otherwise the command ends with 1.
    """
    stamp = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit()}
    typer.echo(json.dumps({**stamp, **record}, indent=2) if as_json else str(table))
    if not met:
        raise typer.Exit(1)


def app(measurement: Callable[..., None]) -> typer.Typer:
    """Make a command of a measurement; the caller's mistakes are one line, and exit code 2."""

    @wraps(measurement)
    def command(*arguments: Any, **options: Any) -> None:
        try:
            measurement(*arguments, **options)
        except InputError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error

    commands = typer.Typer(add_completion=False)
    commands.command()(command)
    return commands
