"""The command ``zsxai compare``: several explainers, and models, on the prompts of one recording."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zsxai.cli.commands import (
    AudioArgument,
    BatchOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    TemplateOption,
    check_out,
    one_or_more,
    print_json,
)
from zsxai.cli.output import say
from zsxai.errors import ExitCode, InputError
from zsxai.names import printable

if TYPE_CHECKING:
    from zsxai.comparison.comparison import Comparison


def compare(
    audio: AudioArgument,
    prompts: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT...", help="What to listen for; may be left out with --labels.")
    ] = None,
    explainers: Annotated[
        str | None,
        typer.Option("--explainers", metavar="A,B,...", help="Default: lmac-zs, gradcam, occlusion, where they fit."),
    ] = None,
    models: Annotated[str, typer.Option("--models", metavar="M,N,...", help="See zsxai list models.")] = "tiny",
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="A label a line: classify AUDIO first, compare the best ones."),
    ] = None,
    top: Annotated[int | None, typer.Option("--top", metavar="K", help="How many of the labels; 3.")] = None,
    paraphrases: Annotated[
        str | None,
        typer.Option(
            "--paraphrases",
            metavar="FILE",
            help="A wording of PROMPT a line: how far score, verdict and map move with it; 'templates' makes some.",
        ),
    ] = None,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Add rolled and random, which explain nothing.")
    ] = True,
    template: TemplateOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of explainers that draw.")] = 0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
    batch_size: BatchOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write one page of all, and a folder for each, here.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace DIR if a comparison wrote it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare explainers, and models, on the PROMPTs of AUDIO; ends with 1 where one of them fails."""
    if out is not None:
        check_out(out, overwrite)
        from zsxai.comparison.saved import RECORD
        from zsxai.files import check_folder, listed_files

        check_folder(out, listed_files(out, RECORD), overwrite=overwrite)
    wordings = paraphrases if paraphrases in (None, "templates") else read_lines(Path(paraphrases), "paraphrases")
    names = None if labels is None else read_lines(labels, "labels")
    from zsxai.comparison.api import compare as run

    found = run(
        audio,
        prompts or (),
        None if explainers is None else _split(explainers, "--explainers"),
        _split(models, "--models"),
        labels=names,
        top=top,
        paraphrases=wordings,
        controls=controls,
        template=one_or_more(template),
        seed=seed,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        progress=False if as_json else None,
    )
    folder = None if out is None else found.save(out, overwrite=overwrite)
    if as_json:
        print_json({**found.record(), "ok": found.ok, "folder": None if folder is None else printable(folder)})
    else:
        print_comparison(found)
        if folder is None:
            say("--out DIR writes one page to look at and listen to.")
        else:
            say(f"{folder / 'index.html'} shows and plays them side by side.")
    if not found.ok:
        raise typer.Exit(ExitCode.FAILED)


def print_comparison(comparison: Comparison) -> None:
    """The table and what was found in sentences; the table wrapped on a terminal, plain lines otherwise."""
    from zsxai.comparison.table import WORDS, sentences, table, write_text

    if not sys.stdout.isatty():
        say(write_text(comparison))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    head, rows = table(comparison)
    drawn = Table(box=None, pad_edge=False)
    for name in head:
        words = name in WORDS
        drawn.add_column(name, justify="left" if words else "right", overflow="fold", no_wrap=not words)
    for row in rows:
        drawn.add_row(*map(Text, row))
    Console(highlight=False).print(drawn)
    say("\n".join(sentences(comparison)))


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a text file that are not blank.

    Raises:
        InputError: If it cannot be read, is no UTF-8, or has none.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise InputError(f"cannot read the {what} in {printable(path)}: {reason}") from error
    if not any(lines):
        raise InputError(f"{printable(path)} is empty: write one of the {what} a line")
    return [line for line in lines if line]


def _split(names: str, option: str) -> list[str]:
    found = [name.strip() for name in names.split(",")]
    if not all(found):
        raise InputError(f"{option} takes names with commas between them, such as gradcam,occlusion, not {names!r}")
    return found
