"""The application: its commands, those of plugins, and what an error looks like."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from zsxai.cli import commands
from zsxai.cli.audit import audit
from zsxai.cli.compare import compare
from zsxai.cli.concepts import concepts
from zsxai.cli.export import export
from zsxai.cli.output import find_lost_output, open_streams
from zsxai.cli.timeline import timeline
from zsxai.errors import ExitCode, InputError, ZsxaiError, unknown
from zsxai.names import printable
from zsxai.registry import Registry

COMMANDS: Registry[Any] = Registry("command", "zsxai.commands")
"""Further commands: a Typer application or a function per name, found through entry points."""

BUILT_IN: tuple[Callable[..., None], ...] = (
    *(commands.explain, timeline, compare, concepts, audit, commands.classify, commands.list_),
    *(commands.demo, commands.verify, export, commands.check, commands.doctor),
)
"""In the order of the help."""


class _Stub(typer.core.TyperCommand):
    """Stands for a plugin's command in the list of commands, so that ``--help`` loads no plugin."""

    def __init__(self, name: str) -> None:
        super().__init__(name, callback=lambda: None, help=f"From {COMMANDS.origin(name)}.")


class Commands(TyperGroup):
    """The built-in commands, then those of plugins; a plugin is loaded only when it is run."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help."""
        built_in = list(self.commands)
        return [*built_in, *(name for name in COMMANDS.names() if name not in built_in)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What the help lists under a name."""
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        return _Stub(cmd_name) if cmd_name in COMMANDS.names() else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """What runs under a name.

        Raises:
            InputError: If the name is unknown.
        """
        name = args[0]
        if name.startswith("-") or name in self.commands:
            return super().resolve_command(ctx, args)
        if name not in COMMANDS.names():
            raise InputError(unknown("command", name, self.list_commands(ctx)))
        return name, _plugin(name), args[1:]


def _plugin(name: str) -> Any:
    try:
        found = COMMANDS.get(name)
        if hasattr(found, "make_context"):
            return found
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False)
            found.command(name)(function)
        command = typer.main.get_command(found)
    except InputError:
        raise
    except Exception as error:
        raise PluginError(
            f"the command {name!r} of {COMMANDS.origin(name)} does not load: {type(error).__name__}: {error}"
        ) from error
    command.name = name
    return command


class PluginError(Exception):
    """A plugin's command does not load."""


def make() -> typer.Typer:
    """Build the application."""
    app = typer.Typer(
        name="zsxai",
        cls=Commands,
        help="Explain zero-shot audio classifiers: which sounds in the recording made the score.",
        add_completion=False,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(commands.top)
    for function in BUILT_IN:
        app.command(function.__name__.removesuffix("_"))(function)
    return app


def run(arguments: list[str] | None = None) -> int:
    """Run one command line; every error becomes an exit code and one line on stderr.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    if not open_streams():
        _say("standard output is closed: open it, or send it to a file or to /dev/null")
        return ExitCode.FAILED
    try:
        code = _run(arguments)
    except Exception as error:
        return _lost() or _failed(error)
    return _lost() or code


def _run(arguments: list[str] | None) -> int:
    try:
        code = typer.main.get_command(make()).main(args=arguments, prog_name="zsxai", standalone_mode=False)
    except typer.Abort:  # what older versions of Typer make of Ctrl-C
        raise KeyboardInterrupt from None
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else ExitCode.FAILED
    if code == ExitCode.INTERRUPTED:  # what Typer gives for Ctrl-C
        raise KeyboardInterrupt
    return code if isinstance(code, int) else ExitCode.DONE


def _lost() -> int:
    """What a command ends with whose output nobody got, or 0; one line unless its reader has gone (``| head -1``)."""
    error = find_lost_output()
    if error is None:
        return ExitCode.DONE
    if not isinstance(error, BrokenPipeError):
        _say(f"cannot write to standard output: {error.strerror}")
    return ExitCode.FAILED


def _failed(error: Exception) -> int:
    if isinstance(error, InputError):
        _say(str(error))
        return ExitCode.WRONG_INPUT
    if hasattr(error, "format_message"):  # a usage error of Click, which Typer may or may not carry along
        context = getattr(error, "ctx", None)
        if message := error.format_message().rstrip("."):  # none where a group was called alone: its help is shown
            _say(f"{message}; see {context.command_path if context else 'zsxai'} --help")
        return ExitCode.WRONG_INPUT
    if isinstance(error, (PluginError, OSError, ZsxaiError)):
        _say(str(error))
        return ExitCode.FAILED
    traceback.print_exception(error)
    _say(f"this is a fault of zsxai or of a plugin, please report it: {type(error).__name__}: {error}")
    return ExitCode.FAILED


def _say(message: str) -> None:
    typer.echo("zsxai: " + printable(" ".join(message.split())), err=True)
