"""``zsxai bench``: run a suite, report, list, export. Each command imports what it needs when it runs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zsxai.cli.commands import DeviceOption
from zsxai.cli.output import interruptible
from zsxai.errors import ExitCode, InputError
from zsxai.names import printable
from zsxai.places import write_command

if TYPE_CHECKING:
    from zsxai.benchmarks.analyse.result import Result
    from zsxai.benchmarks.run.runner import Prepared

app = typer.Typer(
    name="bench",
    help="Benchmark explainers: run a suite, report, export.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The --out of a zsxai bench run.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.command()
def run(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="A name of zsxai bench list, or a TOML file.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the results; the same command goes on there.")
    ],
    engine: Annotated[str, typer.Option("--engine", metavar="E", help="local or ray.")] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", help="Processes. Default: as many as cores and memory allow; 1 on a GPU."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", help="At most N items per data set and setting. Default: all."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="NAME=DIR", help="Where a data set of the suite lies; may be repeated."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="M", help="Model, pool or file of models, not the suite's; may be repeated."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="NAME", help="Leave out what needs this data set; may be repeated."),
    ] = None,
    device: DeviceOption = "auto",
    address: Annotated[
        str | None, typer.Option("--address", metavar="A", help="Of a Ray cluster; a local one is started without it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure what of SUITE is missing in DIR; ends with 1 where something failed."""
    with interruptible("nothing was measured yet"):
        from zsxai.benchmarks.analyse.facts import describe_left_out
        from zsxai.benchmarks.run.runner import carry_out, check_engine, choose, prepare

        chosen = choose(suite, model or None, without or ())
        check_engine(chosen, engine, workers, address)
        roots = read_roots(data or [])
        prepared = prepare(chosen, out, data=roots, limit=limit, device=device, command=_get_command(context))
        if not as_json:
            for line in describe_left_out(_find_left_out(prepared)):
                typer.echo(line)
            stored = len(prepared.cells) - len(prepared.missing)
            place = printable(out)
            typer.echo(f"{prepared.suite.name}: {len(prepared.cells)} cells, {stored} of them in {place} already")
        progress = False if as_json else None
        carry_out(prepared, engine=engine, workers=workers, address=address, progress=progress)
    failures = _list_failures(prepared)
    _report_run(prepared, failures, as_json)
    if failures:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def report(
    folder: Folder,
    audio: Annotated[
        bool, typer.Option("--audio/--no-audio", help="Best and worst clips to listen to; they hold the data's sound.")
    ] = True,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="Append date, commit, facts and the headline here, a JSON line."),
    ] = None,
) -> None:
    """Write the page of a run: tables, plots, clips to listen to."""
    from zsxai.extras import need

    need("bench", "pandas", "scipy")
    need(None, "matplotlib")
    if log is not None:
        _check_target(log)
    from zsxai.benchmarks.report import write_report

    typer.echo(f"{write_report(folder, audio=audio)} shows the run.")
    if log is not None:
        from zsxai.benchmarks.analyse.export import write_log_line
        from zsxai.benchmarks.analyse.result import Result

        with log.open("a", encoding="utf-8") as file:
            file.write(write_log_line(Result.load(folder)))


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the suites that come with zsxai."""
    from zsxai.benchmarks.run.suite import SUITES, load_suite

    described = {name: load_suite(name).description for name in SUITES}
    if as_json:
        _print_json({"suites": described})
        return
    width = max(map(len, described))
    for name, description in described.items():
        typer.echo(f"{name:{width}}  {description}")


@app.command()
def export(
    folder: Folder,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Ends in .csv, .parquet, .tex or .md.")],
    rows: Annotated[
        bool, typer.Option("--rows", help="A line per clip, explainer and setting instead of means; .csv or .parquet.")
    ] = False,
) -> None:
    """Write the table of a run, or its rows, as CSV, Parquet, LaTeX or Markdown."""
    from zsxai.extras import need

    need("bench", "pandas", "scipy")
    from zsxai.benchmarks.analyse.export import FORMATS, describe, write
    from zsxai.benchmarks.analyse.result import Result
    from zsxai.files import write_text

    suffix = to.suffix.removeprefix(".")
    if suffix not in FORMATS:
        raise InputError(f"{to} ends in none of {', '.join(f'.{name}' for name in FORMATS)}: name a file that does")
    if rows and suffix not in ("csv", "parquet"):
        raise InputError(f"rows go into .csv or .parquet, not .{suffix}")
    _check_target(to)
    result = Result.load(folder)
    typer.echo(str(write(result, to, "rows" if rows else "table")))
    if suffix == "csv":  # The other formats carry within what they stand on.
        typer.echo(str(write_text(to.with_suffix(".about.json"), describe(result))))


def read_roots(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=DIR`` pairs.

    Raises:
        InputError: If a pair has no ``=`` or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, folder = pair.partition("=")
        if not (name.strip() and equals and folder):
            raise InputError(f"--data takes NAME=DIR, such as esc50=ESC-50-master, not {pair!r}")
        if name.strip() in found:
            raise InputError(f"--data {name.strip()} is given twice")
        found[name.strip()] = folder
    return found


def _check_target(file: Path) -> None:
    if not file.parent.is_dir() or file.is_dir():
        raise InputError(
            f"cannot write {file}: " + ("that is a folder" if file.is_dir() else f"no folder {file.parent}")
        )


def _get_command(context: typer.Context) -> str:
    """The command line with all that was said, for the report; pages are shown to others, so without places."""
    words = ["zsxai", "bench", str(context.info_name)]
    for parameter in context.command.params:
        value, source = context.params.get(str(parameter.name)), context.get_parameter_source(str(parameter.name))
        if source is None or source.name == "DEFAULT":
            continue
        option = [parameter.opts[0]] if parameter.param_type_name == "option" else []
        for each in value if isinstance(value, (list, tuple)) else [value]:
            words += option if each is True else [*option, str(each)]
    return write_command(words)


def _find_left_out(prepared: Prepared) -> dict[str, list[str]]:
    from zsxai.benchmarks.analyse.facts import find_left_out

    return find_left_out(prepared.suite, prepared.cells)


def _list_failures(prepared: Prepared) -> list[dict[str, Any]]:
    """List what failed in the cells of the plan, now or before."""
    places = {cell.key: cell.columns for cell in prepared.cells}
    return [
        {**places[key], "item": failure.item, "error": failure.error}
        for key, failure in prepared.store.failures(places)
    ]


def _report_run(prepared: Prepared, failures: list[dict[str, Any]], as_json: bool) -> None:
    from zsxai.benchmarks.analyse.failures import group_failures, list_left_out
    from zsxai.benchmarks.analyse.result import Result
    from zsxai.benchmarks.tasks.base import LEFT_OUT

    counts = {
        "cells": len(prepared.cells),
        "measured": len(prepared.missing),
        "rows": prepared.store.count_rows(dict.fromkeys(cell.key for cell in prepared.cells)),
    }
    if as_json:
        about = {"suite": prepared.suite.name, "folder": str(prepared.folder), **counts}
        _print_json({**about, "left_out": _find_left_out(prepared), "failures": failures})
        return
    _show_headline(Result(prepared.suite, vars(prepared.settings), prepared.cells, prepared.store))
    left_out = list_left_out(failures)
    lost = f"{len(left_out)} items left out, " if left_out else ""
    raised = sum(not failure["error"].startswith(LEFT_OUT) for failure in failures)
    typer.echo(f"{counts['measured']} cells measured; {counts['rows']} rows, {lost}{raised} failures.")
    for line in left_out:
        typer.echo(f"  left out: {line}")
    for line in group_failures(failures, models=len(prepared.suite.models) > 1):
        typer.echo(f"  failed: {line}")
    if failures:
        typer.echo("The same command tries the failed ones again.")
    folder, page = (shlex.quote(printable(place)) for place in (prepared.folder, prepared.folder / "report.html"))
    typer.echo(f"All rows are in {folder}; zsxai bench report {folder} writes their page, {page}.")


def _show_headline(result: Result) -> None:
    """Show a table on a terminal, aligned lines elsewhere."""
    from zsxai.benchmarks.analyse.headline import draw_headline, write_headline

    if not sys.stdout.isatty():
        for line in write_headline(result):
            typer.echo(line)
        return
    from rich.console import Console

    console = Console()
    for part in draw_headline(result):
        console.print(part)


def _print_json(data: dict[str, Any]) -> None:
    from zsxai.benchmarks.run.store import dump

    typer.echo(dump(data))
