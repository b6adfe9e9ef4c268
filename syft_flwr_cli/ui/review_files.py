"""What is in the files of a project under review, made visible and bounded, for people.

It does not decide anything.
"""

from syft_flwr_cli.consent.code_scan import source_lines
from syft_flwr_cli.consent.review import Review
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.ui import output

__all__ = ["show_files"]

MAX_SHOWN = 200_000
"""Bytes of a file that are shown, at most."""


TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".svg")
"""Endings of files that hold rows rather than code."""

SHOWN_ROWS = 10
"""Lines of such a file that are shown; the rest would push the code off the screen."""


def show_files(review: Review) -> None:
    """Print every text file of the project, line by line with its number; of others only what they are.

    Of a file of rows the first ones are shown, and where the others can be read.
    """
    console = output.out()
    for entry in review.manifest.entries:
        console.print(f"── {visible(entry.path)} ({entry.size:,} bytes)", style="bold", markup=False)
        data = (review.project.path / entry.path).read_bytes()[:MAX_SHOWN]
        if b"\0" in data:
            console.print("   binary, not shown", markup=False)
            continue
        lines = source_lines(data.decode("utf-8", "backslashreplace"))
        lines = lines[:-1] if lines[-1] == "" else lines
        rows = len(lines)
        if entry.path.lower().endswith(TABLES) and rows > SHOWN_ROWS:
            lines = lines[:SHOWN_ROWS]
        for number, line in enumerate(lines, 1):
            console.print(f"{number:>5}  {visible(line)}", markup=False)
        if len(lines) < rows:
            rest = f"… {rows - len(lines):,} lines more, in {review.project.path / entry.path}"
            console.print(f"   {visible(rest)}", markup=False, soft_wrap=True)
        if entry.size > MAX_SHOWN:
            console.print(f"   … {entry.size - MAX_SHOWN:,} bytes more, not shown", markup=False)
