"""A value that is read from files, and read again when one of them changes: so that what the owner says counts at once.

Costs one look at the status of each file. What is remembered is the value alone; a file that cannot be read, or is
not understood, is an error every time until it is mended. Does not know what is in the files.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from syft_flwr_cli.storage.paths import file_state

__all__ = ["Reread"]

T = TypeVar("T")


class Reread(Generic[T]):
    """What ``read`` makes of ``files``.

    Parameters
    ----------
    files : Sequence[Path]
        What it is read from; each may be missing.
    read : Callable[[], T]
        Reads it; its errors are handed on.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[], T]) -> None:
        self._files = tuple(files)
        self._read = read
        self._last: tuple[tuple[tuple[int, ...] | None, ...], T] | None = None

    def now(self) -> T:
        """The value as the files have it now."""
        states = tuple(_state(file) for file in self._files)
        if self._last is None or self._last[0] != states:
            # The states are from before it is read: what changes in between is read again the next time.
            self._last = (states, self._read())
        return self._last[1]


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        return file_state(file)
    except FileNotFoundError:
        return None
