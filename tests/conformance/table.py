"""The table of docs/grid.md, made from the rows: ``python tests/conformance/table.py`` writes it."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from rows import ROWS, Row

TABLE = Path(__file__).parents[2] / "docs" / "grid.md"
BEGIN, END = "<!-- rows -->\n", "<!-- end of rows -->\n"


def render(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = ["| | what | here |", "|---|---|---|"]
    for row in rows:
        here = f"differs on purpose: [{row.adr}](adr/{row.adr}.md)" if row.adr else "the same"
        lines.append(f"| {row.topic} | {row.what} | {here} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    before, _, rest = TABLE.read_text().partition(BEGIN)
    TABLE.write_text(before + BEGIN + render(ROWS) + END + rest.partition(END)[2])
