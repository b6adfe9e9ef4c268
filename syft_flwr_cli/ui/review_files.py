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


def show_files(review: Review) -> None:
    """Print every text file of the project, line by line with its number; of others only what they are."""
    console = output.out()
    for entry in review.manifest.entries:
        console.print(f"── {visible(entry.path)} ({entry.size:,} bytes)", style="bold", markup=False)
        data = (review.project.path / entry.path).read_bytes()[:MAX_SHOWN]
        if b"\0" in data:
            console.print("   binary, not shown", markup=False)
            continue
        lines = source_lines(data.decode("utf-8", "backslashreplace"))
        for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, 1):
            console.print(f"{number:>5}  {visible(line)}", markup=False)
        if entry.size > MAX_SHOWN:
            console.print(f"   … {entry.size - MAX_SHOWN:,} bytes more, not shown", markup=False)
