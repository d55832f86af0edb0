"""The store of results: one SQLite file that holds a cell whole or not at all, and equal rows as equal bytes."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from zsxai.benchmarks.tasks.base import Failure, Row
from zsxai.errors import InputError

if TYPE_CHECKING:
    from zsxai.benchmarks.run.plan import PlannedCell
    from zsxai.benchmarks.run.worker import Measured

FILE = "results.sqlite"
FORMAT = 1
"""Of the tables; kept as SQLite's ``user_version``."""
APPLICATION = 0x7A736178
"""SQLite's ``application_id``: "zsax"."""
TIMEOUT = 60.0
"""Seconds that a writer waits for another one; a transaction takes milliseconds."""

TABLES = (
    """CREATE TABLE cells (
        key TEXT PRIMARY KEY, description TEXT NOT NULL, rows INTEGER NOT NULL, failures INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE rows (
        key TEXT NOT NULL REFERENCES cells ON DELETE CASCADE, number INTEGER NOT NULL,
        item TEXT NOT NULL, variant TEXT NOT NULL, calibration TEXT NOT NULL, label TEXT NOT NULL, prompt TEXT NOT NULL,
        sources TEXT NOT NULL, strata TEXT NOT NULL, figures TEXT NOT NULL, PRIMARY KEY (key, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE failures (
        key TEXT NOT NULL REFERENCES cells ON DELETE CASCADE, number INTEGER NOT NULL,
        item TEXT NOT NULL, error TEXT NOT NULL, PRIMARY KEY (key, number)
    ) WITHOUT ROWID""",
    # In a table of their own, so that the rows of two runs can be compared byte for byte.
    """CREATE TABLE timings (
        key TEXT PRIMARY KEY REFERENCES cells ON DELETE CASCADE,
        seconds REAL NOT NULL, forwards TEXT NOT NULL, measured_at TEXT NOT NULL
    ) WITHOUT ROWID""",
)


@dataclass(frozen=True)
class Stored:
    """A cell as it was stored.

    Attributes:
        key: Key of the cell.
        description: Everything that could change a number.
        rows: What was measured.
        failures: Items that failed.
        seconds: Process CPU time.
        forwards: Clips encoded, by purpose.
    """

    key: str
    description: Mapping[str, Any]
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    seconds: float
    forwards: Mapping[str, int]


class Store:
    """The results in a folder.

    Args:
        folder: Where ``results.sqlite`` lies.
        write: Make the file where there is none.

    Raises:
        InputError: If there is no store, another program's or another format's, or it cannot be opened.
    """

    def __init__(self, folder: str | Path, *, write: bool = False) -> None:
        self.path = Path(folder) / FILE
        if not write and not self.path.is_file():
            raise InputError(f"{folder} holds no {FILE}: name the --out of a zsxai bench run")
        try:
            self._connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={'rwc' if write else 'rw'}",
                uri=True,
                timeout=TIMEOUT,
                isolation_level=None,
            )
        except sqlite3.Error as error:
            raise InputError(f"cannot open {self.path}: {error}") from error
        try:
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._check(write)
        except sqlite3.Error as error:
            self.close()
            raise InputError(f"{self.path} cannot be used as a store of results: {error}") from error
        except BaseException:
            self.close()
            raise

    def _check(self, write: bool) -> None:
        with self._transaction("EXCLUSIVE" if write and self._read_pragma("user_version") == 0 else "DEFERRED"):
            if not self._fetch("SELECT name FROM sqlite_master"):
                if not write:
                    raise InputError(f"{self.path} holds no results yet")
                for table in TABLES:
                    self._connection.execute(table)
                self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
                self._connection.execute(f"PRAGMA user_version = {FORMAT}")
            if self._read_pragma("application_id") != APPLICATION:
                raise InputError(f"{self.path} is another program's file: name another folder")
            if (found := self._read_pragma("user_version")) != FORMAT:
                raise InputError(
                    f"{self.path} has format {found}, this version of zsxai writes {FORMAT}: name another folder"
                )

    def finished(self, keys: Iterable[str]) -> set[str]:
        """Find those of the keys whose cells are stored without a failure."""
        found: set[str] = set()
        remaining = iter(keys)
        while some := list(islice(remaining, 500)):
            marks = ", ".join("?" * len(some))
            query = f"SELECT key FROM cells WHERE failures = 0 AND key IN ({marks})"  # noqa: S608 (question marks)
            found.update(key for (key,) in self._fetch(query, some))
        return found

    def put(self, measured: Sequence[tuple[PlannedCell, Measured]]) -> None:
        """Keep cells, all of them or none. One that is stored without failures stays, one with failures is replaced.

        Raises:
            OSError: If the file cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            with self._transaction("IMMEDIATE"):
                finished = self.finished(cell.key for cell, _ in measured)
                for cell, result in measured:
                    if cell.key not in finished:
                        self._put(cell, result, now)
        except sqlite3.Error as error:
            raise OSError(f"cannot write {self.path}: {error}") from error

    def _put(self, cell: PlannedCell, result: Measured, now: str) -> None:
        execute, executemany = self._connection.execute, self._connection.executemany
        execute("DELETE FROM cells WHERE key = ?", (cell.key,))
        counts = len(result.rows), len(result.failures)
        execute("INSERT INTO cells VALUES (?, ?, ?, ?)", (cell.key, dump(cell.description, sort_keys=True), *counts))
        marks = ", ".join("?" * 10)
        executemany(
            f"INSERT INTO rows VALUES ({marks})",  # noqa: S608 (question marks)
            ((cell.key, number, *_encode_row(row)) for number, row in enumerate(result.rows)),
        )
        executemany(
            "INSERT INTO failures VALUES (?, ?, ?, ?)",
            ((cell.key, number, f.item, f.error) for number, f in enumerate(result.failures)),
        )
        execute("INSERT INTO timings VALUES (?, ?, ?, ?)", (cell.key, result.seconds, dump(result.forwards), now))

    def read(self, keys: Iterable[str]) -> list[Stored]:
        """Read cells in the order of the keys; those that are not stored are left out.

        Raises:
            InputError: If the file cannot be read, as from all methods that read.
        """
        with self._transaction("DEFERRED"):
            return [stored for key in keys if (stored := self._read(key)) is not None]

    def _read(self, key: str) -> Stored | None:
        found = self._fetch(
            "SELECT description, seconds, forwards FROM cells JOIN timings USING (key) WHERE key = ?", [key]
        )
        if not found:
            return None
        ((description, seconds, forwards),) = found
        rows = self._fetch(
            "SELECT item, variant, calibration, label, prompt, sources, strata, figures FROM rows"
            " WHERE key = ? ORDER BY number",
            [key],
        )
        failures = self._fetch("SELECT item, error FROM failures WHERE key = ? ORDER BY number", [key])
        try:
            return Stored(
                key=key,
                description=json.loads(description),
                rows=tuple(_decode_row(*columns) for columns in rows),
                failures=tuple(Failure(item, error) for item, error in failures),
                seconds=seconds,
                forwards=json.loads(forwards),
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise self._unreadable(error) from error

    def failures(self, keys: Iterable[str]) -> list[tuple[str, Failure]]:
        """Read failures with the keys of their cells, in the order of the keys."""
        found: list[tuple[str, Failure]] = []
        for key in keys:
            query = "SELECT item, error FROM failures WHERE key = ? ORDER BY number"
            found += [(key, Failure(item, error)) for item, error in self._fetch(query, [key])]
        return found

    def count_rows(self, keys: Iterable[str]) -> int:
        """Count the rows of the cells."""
        query = "SELECT rows FROM cells WHERE key = ?"
        return sum(rows for key in keys for (rows,) in self._fetch(query, [key]))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        self._connection.execute(f"BEGIN {kind}")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _fetch(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(
            f"{self.path} cannot be read ({error}): if it is damaged, put a copy of it back, or delete it and run the "
            "suite again"
        )

    def _read_pragma(self, name: str) -> int:
        value: int = self._connection.execute(f"PRAGMA {name}").fetchone()[0]
        return value


def _encode_row(row: Row) -> tuple[str, ...]:
    figures = {name: _encode(value) for name, value in row.figures.items()}
    strata = {name: bool(value) for name, value in row.strata.items()}
    texts = dump(list(row.sources)), dump(strata), dump(figures)
    return (row.item, row.variant, row.calibration, row.label, row.prompt, *texts)


def _decode_row(
    item: str, variant: str, calibration: str, label: str, prompt: str, sources: str, strata: str, figures: str
) -> Row:
    return Row(
        item=item,
        sources=tuple(json.loads(sources)),
        label=label,
        prompt=prompt,
        variant=variant,
        calibration=calibration,
        figures={name: _decode(value) for name, value in json.loads(figures).items()},
        strata=json.loads(strata),
    )


def dump(value: object, *, sort_keys: bool = False, indent: int | None = None) -> str:
    """Write JSON that any file takes: half a character, as Python has it of a path that is no UTF-8, as its escape."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=separators, sort_keys=sort_keys, indent=indent
    )
    return text.encode(errors="backslashreplace").decode()


def _encode(value: Any) -> float | str | list[float | str]:
    """Prepare a number or a curve for JSON, which has no word for NaN and infinity: they become text."""
    if hasattr(value, "__len__"):
        return [_encode_number(v) for v in value]
    return _encode_number(value)


def _encode_number(value: Any) -> float | str:
    number = float(value)
    return number if math.isfinite(number) else str(number)


def _decode(value: Any) -> float | list[float]:
    return [float(v) for v in value] if isinstance(value, list) else float(value)
