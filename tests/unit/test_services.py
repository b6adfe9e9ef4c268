"""Services print nothing, ask nothing, and do not read the environment; one module does."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "syft_flwr_cli"
SERVICES = sorted((PACKAGE / "services").glob("*.py"))
COMMANDS = sorted((PACKAGE / "cli").glob("*.py"))

MAY_READ_THE_ENVIRONMENT = {
    "cli/main.py",  # hands --debug on to the processes that it starts
    "cli/login.py",  # the test server of Google's
    "cli/simulate.py",  # hands its own environment on to the participants
    "services/simulation.py",  # the same
    "services/rehearsal.py",  # the same
}


def names_in(path: Path) -> set[str]:
    """Every dotted name that stands in a module, and what it imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute | ast.Name):
            found.add(ast.unparse(node))
        if isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{each.name}" for each in node.names)
        if isinstance(node, ast.Import):
            found.update(each.name for each in node.names)
    return found


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_service_prints_nothing_and_asks_nothing(path: Path) -> None:
    names = names_in(path)
    assert not names & {"print", "input", "typer", "rich", "click", "getpass"}
    assert not [name for name in names if name.startswith(("syft_flwr_cli.ui", "syft_flwr_cli.cli"))]


@pytest.mark.parametrize("path", SERVICES + COMMANDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_environment_is_read_in_the_settings_alone(path: Path) -> None:
    if str(path.relative_to(PACKAGE)) not in MAY_READ_THE_ENVIRONMENT:
        assert "os.environ" not in names_in(path) and "os.getenv" not in names_in(path)
