"""Asking a person at the terminal; where there is none, nobody is asked, and what needs an answer names its flag."""

import sys
from collections.abc import Callable

import typer

from syft_flwr_cli.errors import TrustError, UsageError

__all__ = ["confirmation", "make_sure", "same_command", "words_agree"]


def confirmation(*, as_json: bool = False) -> Callable[[str], bool] | None:
    """What asks yes or no on stderr; None where there is no terminal to ask at, or a program reads along."""
    if as_json or not sys.stdin.isatty() or not sys.stderr.isatty():
        return None
    return lambda question: typer.confirm(question, err=True)


def same_command() -> str:
    """The command line of this process, as it can be typed again."""
    import shlex

    return shlex.join(["syft-flwr", *sys.argv[1:]])


def words_agree(question: str) -> None:
    """Ask whether the words of a key agree; raises `UsageError` without a terminal, `TrustError` at a no."""
    from syft_flwr_cli.security.passphrase import has_terminal

    if not has_terminal():
        raise UsageError(
            "There is no terminal to ask at whether the words agree.",
            hint='Give the words that were read out to you: --words "…"',
        )
    if not typer.confirm(question, err=True):
        raise TrustError(
            "The words do not agree, so nothing was changed.",
            hint="Somebody may be in between. Do not exchange messages until you know who.",
        )


def make_sure(what: str, yes: bool) -> None:
    """Ask whether a person is sure of ``what``, unless ``yes``; raises `UsageError` without a terminal."""
    from syft_flwr_cli.security.passphrase import has_terminal

    if yes:
        return
    if not has_terminal():
        raise UsageError(f"{what} There is no terminal to ask whether you are sure.", hint="Add --yes.")
    typer.confirm(f"{what} Are you sure?", abort=True, err=True)
