"""One table of exit codes: what the errors use, what `help` prints and what the docs say are the same."""

import inspect
from pathlib import Path

import pytest
from click.testing import CliRunner
from typer.main import get_command

from syft_flwr_cli import errors
from syft_flwr_cli.cli.main import load

DOCS = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def help_of(*words: str) -> str:
    done = CliRunner().invoke(get_command(load(["help", "version"])), ["help", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_code_in_use_is_in_the_table_and_no_number_stands_twice() -> None:
    numbers = [code.number for code in errors.EXIT_CODES]
    assert numbers == sorted(set(numbers))
    used = {
        value for name, value in vars(errors).items() if name.startswith("EXIT_") and name != "EXIT_CODES"
    }
    used |= {
        each.exit_code
        for each in vars(errors).values()
        if inspect.isclass(each) and issubclass(each, errors.SyftFlwrError)
    }
    assert used == set(numbers)


def test_help_prints_the_table() -> None:
    lines = [line.split(maxsplit=1) for line in help_of("exit-codes").splitlines()]
    assert lines == [[str(code.number), code.meaning] for code in errors.EXIT_CODES]


def test_the_docs_have_the_table() -> None:
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert rows == [f"| {code.number} | {code.meaning} |" for code in errors.EXIT_CODES]


@pytest.mark.parametrize("topic", ["SYFT_FLWR_HOME", "SYFTBOX_EMAIL", "DATA_DIR"])
def test_help_names_the_environment_variables(topic: str) -> None:
    assert topic in help_of("environment")
