"""Every ``syft-flwr`` line of a shell block in README and docs parses: its commands and options exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from click.exceptions import NoSuchOption

from syft_flwr_cli.cli.main import load

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = ("", "sh", "bash", "shell", "console")
# A prompt ("do1$ "), sudo and variables may stand before the command.
START = re.compile(r"(?:\w*\$ +)?(?:[A-Z_]+=\S+ +)*syft-flwr +(?P<words>[a-z].*)")


def lines_of(text: str) -> Iterator[str]:
    """The command lines of the shell blocks, continued lines put together."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S):
        if language in SHELL:
            for line in block.replace("\\\n", " ").splitlines():
                found = START.match(line.strip())
                if found:
                    yield found["words"]


def words_of(line: str) -> list[str]:
    """The words up to what is no part of the command: a comment, a redirection, a pipe, or a column of explanation."""
    line = re.split(r" {3,}", line)[0]
    line = re.split(r"\s(?:#|>|\||&&)", line)[0].replace("[", "").replace("]", "")
    return shlex.split(line)


def parse(command: Any, words: list[str]) -> None:
    """Look commands, options and arguments up; whether a folder is there is not asked. Fails as the parser does."""
    context = None
    while True:
        context = typer.Context(command, parent=context, resilient_parsing=True)
        _, words, _ = command.make_parser(context).parse_args(args=list(words))
        if not hasattr(command, "commands"):
            assert not words, f"arguments too many: {words}"
            return
        if not words:
            assert command.invoke_without_command, "a command is missing"
            return
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]


@pytest.fixture(scope="module")
def syft_flwr() -> Any:
    return typer.main.get_command(load())


CASES = [(page.name, line) for page in PAGES for line in lines_of(page.read_text())]


def test_there_are_command_lines() -> None:
    assert len(CASES) > 40


@pytest.mark.parametrize(("page", "line"), CASES)
def test_a_command_line_of_a_page_parses(syft_flwr: Any, page: str, line: str) -> None:
    parse(syft_flwr, words_of(line))


@pytest.mark.parametrize(
    "line", ["nonsense", "run-server . --no-such-option", "keys nonsense", "node surplus"]
)
def test_a_wrong_line_is_found(syft_flwr: Any, line: str) -> None:
    with pytest.raises((AssertionError, NoSuchOption)):
        parse(syft_flwr, words_of(line))
