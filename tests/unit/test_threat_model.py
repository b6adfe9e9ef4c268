"""Every "cannot" of the threat model names a test that is there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "threat-model.md"


def rows() -> list[tuple[str, str]]:
    """The rows of all tables whose first column says what an adversary cannot do."""
    found, inside = [], False
    for line in PAGE.read_text().splitlines():
        inside = line.startswith("| It cannot |") or (inside and line.startswith("|"))
        if inside and not line.startswith(("| It cannot |", "|---")):
            what, tests = line.strip("| ").rsplit(" | ", 1)
            found.append((what, tests))
    return found


@pytest.mark.parametrize(("what", "tests"), rows(), ids=lambda text: text[:60])
def test_the_test_that_a_row_names_is_there(what: str, tests: str) -> None:
    named = re.findall(r"`([^`]+)`", tests)
    assert named, f"no test is named for: it cannot {what}"
    for name in named:
        file, _, function = name.partition("::")
        text = (TESTS / file).read_text()
        assert not function or f"def {function}(" in text, name


def test_there_are_tables_to_look_at() -> None:
    assert len(rows()) > 25
