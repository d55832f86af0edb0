"""``zsxai train``: train a decoder. Imports what it needs when it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zsxai.cli.commands import DeviceOption
from zsxai.errors import ExitCode, InputError
from zsxai.places import write_command

if TYPE_CHECKING:
    from rich.console import Console

    from zsxai.lmac_zs.training.config import TrainingConfig
    from zsxai.lmac_zs.training.logs import Progress, Report

app = typer.Typer(
    name="train",
    help="Train explainers that learn.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

CONFIGS = ("paper-ct", "paper-full")
"""Configurations that come with zsxai."""


@app.callback()
def top() -> None:
    """Train explainers that learn."""


@app.command("lmac-zs")
def lmac_zs(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of checkpoint, logs and decoder.")],
    model: Annotated[
        str, typer.Option("--model", metavar="M", help="The model to explain: 'tiny', 'hf:<id or folder>', ...")
    ] = "tiny",
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="[NAME=]PATH",
            help="A CSV file of path,caption; or NAME=DIR, a data set of the configuration or a reader of zsxai list "
            "datasets; may be repeated.",
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="F", help=f"A TOML file, or one of {', '.join(CONFIGS)}."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A value in place of the configuration's; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in DIR, where there is one.")
    ] = False,
    model_option: Annotated[
        list[str] | None, typer.Option("--model-option", metavar="KEY=VALUE", help="An option of the model.")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Train a decoder for MODEL on recordings with captions; DIR/decoder is what explains."""
    from zsxai.cli.commands import parse_options
    from zsxai.errors import MissingExtraError
    from zsxai.lmac_zs.training.config import load_config
    from zsxai.model import SpectralModel
    from zsxai.plugins import load_model

    changes = parse_options(set_ or [])
    chosen = load_config(None if config is None else _config_file(config), changes)
    chosen, roots = with_data(chosen, data or [])
    loaded = load_model(model, device=own_device(device), **parse_options(model_option or []))
    if not isinstance(loaded, SpectralModel):
        raise InputError(f"{model} is a black box, without gradients: a decoder cannot be trained for it")
    try:
        from zsxai.lmac_zs.training.run import DECODER, Stopped, train
    except ModuleNotFoundError as error:
        if error.name not in ("accelerate", "scipy"):
            raise
        raise MissingExtraError(f"training needs the package {error.name!r}: pip install 'zsxai[train]'") from error
    command = _command_for_card(model, config, data or [], set_ or [])
    first = _is_first()
    try:
        with progress_bar() if first else nullcontext() as report:
            trained = train(loaded, out, chosen, resume=resume, roots=roots, report=report, command=command)
    except Stopped as stopped:
        if first:
            typer.echo(f"zsxai: interrupted; {stopped}", err=True)
        raise SystemExit(ExitCode.TERMINATED if stopped.terminated else ExitCode.INTERRUPTED) from None
    if not first:
        return
    typer.echo(f"{out / DECODER} explains {model}: --explainer lmac-zs:{out / DECODER}")
    for name, value in trained.card.figures.items():
        typer.echo(f"  {name:16} {value:.3f}")
    if too_long := trained.card.data["trained on"]["captions_too_long"]:
        typer.echo(f"{too_long} captions are longer than {model} reads and were left out.")
    if not trained.card.figures:
        typer.echo("No recordings were held out, so nothing watched for collapse: name validation data in --config.")


def _command_for_card(model: str, config: str | None, data: Sequence[str], changes: Sequence[str]) -> str:
    """The command as typed, less places on this machine."""
    words = ["zsxai", "train", "lmac-zs", "--model", model]
    words += ["--config", config] if config else []
    for pair in data:
        name, equals, _ = pair.partition("=")
        words += ["--data", f"{name}=DIR" if equals else Path(name).name]
    words += [word for change in changes for word in ("--set", change)]
    return write_command(words)


def own_device(device: str) -> str:
    """The device of this process: of several that ``torchrun`` started, each has a GPU of its own."""
    rank = os.environ.get("LOCAL_RANK")
    if rank is None or device not in ("auto", "cuda"):
        return device
    import torch

    return f"cuda:{rank}" if torch.cuda.is_available() else device


def _is_first() -> bool:
    """Whether this process, of several that ``torchrun`` started, is the one that says how it went."""
    return os.environ.get("RANK", "0") == "0"


def _config_file(config: str) -> Path:
    from importlib import resources

    if config in CONFIGS:
        return Path(str(resources.files("zsxai.lmac_zs.training.configs").joinpath(f"{config}.toml")))
    return Path(config)


def with_data(config: TrainingConfig, pairs: Sequence[str]) -> tuple[TrainingConfig, dict[str, str]]:
    """Add ``[NAME=]PATH`` pairs to a configuration.

    A name that the configuration has says where that data set lies. Any other is a reader; a bare path is a CSV file.

    Returns:
        The configuration, and the roots by name.

    Raises:
        InputError: If a name comes twice, or is neither.
    """
    from zsxai.lmac_zs.training.config import DataSpec
    from zsxai.registry import list_datasets

    roots: dict[str, str] = {}
    added: dict[str, DataSpec] = {}
    known = {**config.data, **config.validation}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals:
            name, path = Path(pair).stem, pair
            added[name] = DataSpec(reader="csv", root=path)
        elif name not in known:
            if name not in list_datasets():
                raise InputError(f"{name!r} is neither a data set of the configuration nor one of zsxai list datasets")
            added[name] = DataSpec(reader=name, root=path)
        if name in roots or not path:
            raise InputError(f"--data {pair}: {'given twice' if path else 'no path behind the ='}")
        roots[name] = path
    return config.model_copy(update={"data": {**config.data, **added}}), roots


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[Report]:
    """A bar with the time left over the terms of the loss, on a terminal; a line for every diagnostics anywhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class BarOverTerms(Bar):
        """The terms have a line of their own, or two: beside the bar they would be cut."""

        terms = ""

        def get_renderables(self) -> Iterator[Any]:
            yield self.make_tasks_table(self.tasks)
            yield Text(self.terms)

    console = console or Console(stderr=True)
    columns: list[Any] = [TextColumn("training"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn()]
    with BarOverTerms(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=None)

        def report(progress: Progress) -> None:
            # Without a blank, so that no line ends between name and value.
            bar.terms = " ".join(f"{name}={value:.2f}" for name, value in progress.terms.items())
            bar.update(task, completed=progress.step, total=progress.steps)
            d = progress.diagnostics
            if d is None:
                return
            line = (
                f"step {progress.step}: FF {d.faithfulness:.2f}, p {d.p:.2f} -> {d.p_in:.2f} kept, "
                f"mask mean right {d.right:.2f} wrong {d.wrong:.2f}, two sounds {d.pointing:.2f}"
            )
            console.print(line, highlight=False, soft_wrap=True)
            if d.collapsed:
                warning = f"  [yellow]collapse? {d.collapsed}[/yellow] (docs/lmac-zs.md, Collapse)"
                console.print(warning, soft_wrap=True)

        yield report
