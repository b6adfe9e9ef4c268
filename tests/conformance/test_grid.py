"""Flower's Grid and ours, row by row: the same, or a decision that is written down."""

import json
from pathlib import Path
from typing import Any

import pytest
from rows import ROWS, Row
from table import TABLE, render
from worlds import world

ROOT = Path(__file__).parents[2]


def seen(row: Row, kind: str, place: Path) -> Any:
    with world(kind, place) as made:
        return json.loads(json.dumps(row.script(made)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.topic}-{row.what}"[:70])
def test_a_row_is_as_in_flower_or_named_in_a_decision(row: Row, tmp_path: Path) -> None:
    theirs, ours = seen(row, "flower", tmp_path), seen(row, "here", tmp_path / "here")
    if row.adr:
        assert theirs != ours, "it is the same: take the name of the decision away"
        assert (ROOT / "docs" / "adr" / f"{row.adr}.md").exists()
    else:
        assert ours == theirs


def test_the_suite_is_as_long_as_it_is_said_to_be() -> None:
    assert len(ROWS) >= 42
    assert len({(row.topic, row.what) for row in ROWS}) == len(ROWS)


def test_the_table_in_the_docs_is_this_suite() -> None:
    assert render(ROWS) in TABLE.read_text(), "write it again: python tests/conformance/table.py"
