"""The reference pages: as the code says, and none of their keys unknown to it."""

from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "docs" / "make_reference.py"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return run_path(str(SCRIPT))


def test_the_pages_are_current(made: dict[str, Any]) -> None:
    stale = [
        path.name for path, text in made["pages"]().items() if not path.is_file() or path.read_text() != text
    ]
    assert not stale, "run: make docs-reference"


def test_every_key_of_the_configuration_page_is_one_of_the_code(made: dict[str, Any]) -> None:
    assert made["unknown_keys"]() == set()
