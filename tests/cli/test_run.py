"""The command line as a whole: help, versions, completion, and that asking for help loads nothing heavy."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
from transcript import Shell

from syft_flwr_cli import __version__
from syft_flwr_cli.cli.main import load

ROOT = Path(__file__).parents[2]

EXPECTED = {
    "init",
    "bootstrap",
    "run-server",
    "run-client",
    "stop",
    "simulate",
    "demo",
    "version",
}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    folder = tmp_path / "work"
    folder.mkdir()
    return Shell(folder, tmp_path / "home")


def leaves(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with what is typed for it."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path.strip(), command
        return
    for name, one in inner.items():
        yield from leaves(one, f"{path} {name}")


COMMANDS = dict(leaves(typer.main.get_command(load())))


def test_the_commands_that_the_documentation_names_are_there() -> None:
    assert set(COMMANDS) >= EXPECTED


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example_that_is_really_a_command(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    examples = re.findall(r"(?:\w+=\S+ )?syft-flwr ([^·]+)", command.epilog or "")
    assert (command.epilog or "").startswith("Example")
    for example in examples:
        assert any(example.startswith(known) for known in COMMANDS), example
        words = re.findall(r"(--[a-z-]+)", example)
        known = {
            option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]
        }
        if example.startswith(name):
            assert set(words) <= known, f"{name} has no {set(words) - known}"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_says_what_it_is_for(name: str) -> None:
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option | typer.core.TyperOption):
            assert getattr(parameter, "help", None), f"{name} {parameter.opts}"


def test_help_is_shown_with_the_examples(shell: Shell) -> None:
    for words in (["run-server", "--help"], ["run-server", "-h"]):
        answer = shell.run(*words)
        assert answer.code == 0
        assert "Examples: syft-flwr run-server" in answer.out
        assert answer.err == ""


def test_without_a_command_help_is_shown(shell: Shell) -> None:
    answer = shell.run()
    assert answer.code == 2
    assert "run-server" in answer.out + answer.err
    assert "Traceback" not in answer.err


def test_version_says_what_is_at_work(shell: Shell) -> None:
    shell.follows(
        f"""
$ syft-flwr version
syft-flwr {__version__}
python …
flwr …
cryptography …
numpy …
google-api-python-client …
torch …
"""
    )
    document = json.loads(shell.run("version", "--json").out)
    assert document["schema_version"] == 1
    assert document["status"] == "ok"
    assert document["data"]["syft-flwr"] == __version__
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert table["project"]["version"] == __version__


def test_an_unknown_command_is_a_sentence(shell: Shell) -> None:
    shell.follows(
        """
$ syft-flwr run-sever
error: No such command 'run-sever'. Did you mean 'run-server', 'runs'?
hint: See 'syft-flwr --help'.
? 2
"""
    )


def test_completion_knows_the_commands(shell: Shell) -> None:
    answer = shell.run(_SYFT_FLWR_COMPLETE="complete_bash", COMP_WORDS="syft-flwr run-", COMP_CWORD="1")
    assert answer.out.split() == ["run-server", "run-client"]


def test_help_loads_neither_flwr_nor_googleapiclient() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "syft_flwr_cli", "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time" in line}
    packages = {name.split(".")[0] for name in loaded}
    assert "syft_flwr_cli" in packages
    assert not packages & {"flwr", "googleapiclient", "google_auth_oauthlib", "grpc", "numpy", "torch"}


@pytest.mark.parametrize("wish", [{"NO_COLOR": "1"}, {}])
def test_a_pipe_gets_no_colours(shell: Shell, wish: dict[str, str]) -> None:
    answer = shell.run("run-server", **wish)
    assert "\x1b[" not in answer.out + answer.err
