"""Asking a person at the terminal; where there is none, nobody is asked."""

import sys
from collections.abc import Callable

import typer

__all__ = ["confirmation", "same_command"]


def confirmation(*, as_json: bool = False) -> Callable[[str], bool] | None:
    """What asks yes or no on stderr; None where there is no terminal to ask at, or a program reads along."""
    if as_json or not sys.stdin.isatty() or not sys.stderr.isatty():
        return None
    return lambda question: typer.confirm(question, err=True)


def same_command() -> str:
    """The command line of this process, as it can be typed again."""
    import shlex

    return shlex.join(["syft-flwr", *sys.argv[1:]])
