"""The command ``zsxai export``: saved explanations for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from zsxai.cli.output import say
from zsxai.errors import ExitCode
from zsxai.names import printable


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A saved explanation, or a folder of many.")],
    to: Annotated[
        list[str],
        typer.Option(
            "--to",
            metavar="FORM",
            help="raven, audacity, vtt (a file a recording), csv, json (one file), npz, safetensors, png (masks), wav "
            "or flac (what the masks keep); may be repeated.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PLACE", help="A folder, or the file where it is one. Default: print one text."),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", help="The N regions that keep most energy. Default: all but specks."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
) -> None:
    """Write the regions, masks and sounds of saved explanations for Raven, Audacity and others."""
    from zsxai.export.folders import export_folder

    done = export_folder(folder, to, out, count, overwrite=overwrite, progress=None)
    if done.text is not None:
        sys.stdout.write(done.text)
        sys.stdout.flush()
    elif done.files:
        more = "" if len(done.files) == 1 else f" and {len(done.files) - 1:,} more"
        say(f"{printable(done.files[0])}{more}")
    for path, why in done.failures.items():
        typer.echo(f"zsxai: {path}: {why}", err=True)
    if done.failures:
        raise typer.Exit(ExitCode.FAILED)
