"""``zsxai explain`` of many recordings or prompts: a row each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from zsxai.cli.output import interruptible, say
from zsxai.errors import ExitCode
from zsxai.names import printable
from zsxai.written import align

if TYPE_CHECKING:
    from zsxai.batch.row import Row


def explain_all(audio: str, prompts: list[str], *, out: Path | None, as_json: bool, **options: Any) -> None:
    """Explain many recordings; ends with 1 where some cannot be.

    Args:
        audio: What names them.
        prompts: What to listen for.
        out: Where to write, if anywhere.
        as_json: Print a line of JSON for every row and every failure, and nothing else.
        **options: As :func:`~zsxai.batch.api.explain_folder` takes.

    Raises:
        InputError: If there are no recordings, or an option is wrong.
        typer.Exit: If some were not explained.
    """
    from zsxai.batch.api import explain_folder

    with interruptible("nothing was written"):
        found = explain_folder(audio, prompts, out, **options)
    if as_json:
        for row in found.rows:
            say(json.dumps(row.model_dump(), allow_nan=False))
        for name, reason in found.failures.items():
            say(json.dumps({"file": printable(name), "error": reason}))
    else:
        if out is None:
            _print_table(found.rows)
        done = len({row.file for row in found.rows})
        before = f", {found.before} of them before" if found.before else ""
        say(f"{done} recordings explained{before}, {len(found.failures)} failed")
        for name, reason in found.failures.items():
            say(f"  {printable(name)}: {reason}")
        if out is None:
            say("--out DIR writes a table, a page of all and a folder each.")
        else:
            say(f"{out / 'index.html'} lists them; the table is {out / 'table.csv'}.")
    if found.failures:
        raise typer.Exit(ExitCode.FAILED)


def _print_table(rows: tuple[Row, ...]) -> None:
    if not rows:
        return
    cells = [("recording", "prompt", "score", "verdict", "region")]
    cells += [(row.file, row.prompt, f"{row.score:+.3f}", row.verdict or "", row.where) for row in rows]
    for line in align([[printable(cell) for cell in line] for line in cells]):
        say(line)
