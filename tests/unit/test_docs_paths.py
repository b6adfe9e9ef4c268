"""The docs send nobody to a file that is not there: each module that a page names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "syft_flwr_cli"
# The benchmarks page keeps what a profiler printed about an earlier commit, with the names of that commit.
PAGES = [ROOT / "README.md", *sorted(set((ROOT / "docs").rglob("*.md")) - {ROOT / "docs" / "benchmarks.md"})]
PLACEHOLDER = "cli/NAME"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_a_page_names_exist(page: Path) -> None:
    # What a recipe makes is not there yet.
    named = re.findall(r"(?<!# new: )syft_flwr_cli/[\w/]+\.py", page.read_text())
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_rooms_and_modules_of_the_architecture_page_exist() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    named = re.findall(
        r"`([a-z_]+/[\w/]*)(?:\.py|\.[A-Z]\w*)?`", (ROOT / "docs" / "architecture.md").read_text()
    )
    inside = [name for name in named if name.split("/")[0] in rooms and name != PLACEHOLDER]
    assert len(inside) > 20
    missing = [
        name
        for name in inside
        if not (PACKAGE / name).is_dir() and not (PACKAGE / name.rstrip("/")).with_suffix(".py").is_file()
    ]
    assert missing == []
