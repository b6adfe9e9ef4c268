"""The command ``syft-flwr``: commands are gathered here, errors become one sentence and an exit code.

Each command lives in a file of its own and is thin: parse, call, render. What a command needs is
imported when it runs, so that ``--help`` stays quick.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from syft_flwr_cli.errors import EXIT_INTERRUPTED, EXIT_UNEXPECTED, SyftFlwrError
from syft_flwr_cli.ui import output

__all__ = ["load", "run"]

COMMANDS = (
    "init",
    "bootstrap",
    "share",
    "join",
    "projects",
    "data",
    "leave",
    "run_server",
    "run_client",
    "node",
    "serve",
    "submit",
    "stop",
    "runs",
    "simulate",
    "demo",
    "status",
    "report",
    "desk",
    "doctor",
    "keys",
    "home",
    "review",
    "rehearse",
    "audit",
    "inspect",
    "compose",
    "clean",
    "login",
    "help",
    "version",
)
"""Modules of this package, each with ``register(app)``; the order is that of ``--help``."""


class _Interrupted(Exception):
    """Ctrl-C in a command; typer would make a silent exit of it."""


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _Interrupted from error


def _version(wanted: bool) -> None:
    if wanted:
        from syft_flwr_cli import __version__

        output.out().print(f"syft-flwr {__version__}", markup=False)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version, and end.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks. May stand anywhere on the line.")
    ] = False,
) -> None:
    """What holds for every command."""


def load(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The app with these commands; `COMMANDS` is all of them."""
    app = typer.Typer(
        name="syft-flwr",
        help="Federated learning over files: any Flower app, no server, nobody online at the same time.",
        cls=_Commands,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in names:
        import_module(f"syft_flwr_cli.cli.{name}").register(app)
    return app


def _needed(words: Sequence[str]) -> Iterable[str]:
    """The one command that is meant, if it can be told, so that the others are not imported for nothing."""
    name = words[0].replace("-", "_") if words else ""
    return (name,) if name in COMMANDS else COMMANDS


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process with the exit code of what happened."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--debug" in words:
        # Processes that this one starts say their tracebacks, too.
        os.environ["SYFT_FLWR_DEBUG"] = "1"
    words = [word for word in words if word != "--debug"]
    as_json = "--json" in words
    try:
        result = load(_needed(words))(words, prog_name="syft-flwr", standalone_mode=False)
    except typer.Exit as leave:
        sys.exit(leave.exit_code)
    except SyftFlwrError as error:
        output.fail(error.what, error.hint, error.exit_code, as_json=as_json)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort, _Interrupted):
        output.note("Interrupted.")
        if as_json:
            output.emit_json({"exit_code": EXIT_INTERRUPTED}, status="interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        code = output.usage_problem(error, as_json=as_json)
        if code is None:
            code = EXIT_UNEXPECTED
            output.fail(
                f"{type(error).__name__}: {error}",
                "This is not expected. Run the same command with --debug and report what it prints.",
                code,
                as_json=as_json,
            )
        sys.exit(code)
    sys.exit(result if isinstance(result, int) else 0)
