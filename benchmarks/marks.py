"""How the app under measurement talks to the benchmark: two named pipes, a line each time.

The app says a mark into one pipe and, where it is told to, reads from the other before it goes on. So
nothing is polled, and nothing happens while the benchmark looks at the processes. Waiting has an end, and
ends at once when a process that must live has ended.
"""

import json
import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["BenchError", "Marks"]


class BenchError(Exception):
    """A measurement that could not be made, with the reason in a sentence."""


class Marks:
    """Both pipes, in a folder of their own.

    Parameters
    ----------
    folder : Path
        Where to make them.
    alive : callable
        Says in a sentence what has died; empty while nothing has.
    """

    def __init__(self, folder: Path, alive: Callable[[], str]) -> None:
        self.marks, self.go_on = folder / "marks", folder / "go-on"
        os.mkfifo(self.marks)
        os.mkfifo(self.go_on)
        # Open for both, so that neither end ever waits for the other to open it.
        self._in = os.open(self.marks, os.O_RDWR | os.O_NONBLOCK)
        self._out = os.open(self.go_on, os.O_RDWR)
        self._alive = alive
        self._rest = b""

    def next(self, patience: float) -> dict[str, Any]:
        """The next mark; `BenchError` after ``patience`` seconds, or if a process has died."""
        end = time.monotonic() + patience
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], 0.5)
            if ready:
                self._rest += os.read(self._in, 65536)
            elif dead := self._alive():
                raise BenchError(dead)
            elif time.monotonic() > end:
                raise BenchError(f"nothing was heard of the app for {patience:g} s")
        line, _, self._rest = self._rest.partition(b"\n")
        mark: dict[str, Any] = json.loads(line)
        if mark["mark"] == "failed":
            raise BenchError(str(mark["why"]))
        return mark

    def answer(self) -> None:
        """Let the app go on."""
        os.write(self._out, b"go on\n")

    def close(self) -> None:
        """Close both."""
        os.close(self._in)
        os.close(self._out)
