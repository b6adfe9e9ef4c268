"""What the contents of files were found to be, so that what has not changed is not read again.

As git's index does, a file is known again by what the system says of it: size, times, inode and device. The
time of its last change of status cannot be set by whoever writes the file, so bytes exchanged under the same
size and the same time of modification are noticed. It only saves work: a damaged index, or none, means that all
is read. A file that changed just now is not entered, since it could change again within the grain of its time.
Where the system keeps no such time (Windows), nothing is entered. It does not know what the files are for.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from syft_flwr_cli.errors import TrustError
from syft_flwr_cli.storage.paths import read_private, write_private

__all__ = ["FileIndex"]

GRAIN = 2.0
"""Seconds: the grain of times on the coarsest file systems."""

MAX_BYTES = 256 << 20

_FIRST = b"syft-flwr file index 1"

_Known = tuple[int, int, int, int, int, int]


@dataclass(slots=True)
class FileIndex:
    """Digests by path.

    Parameters
    ----------
    file : Path
        Where the index is kept, private.
    clock : Callable[[], float]
        Seconds since 1970.
    """

    file: Path
    clock: Callable[[], float] = time.time
    _before: dict[str, tuple[_Known, str]] = field(default_factory=dict, init=False)
    _now: dict[str, tuple[_Known, str]] = field(default_factory=dict, init=False)
    _fresh: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._before = _load(self.file) if os.name == "posix" else {}
        self._fresh = (self.clock() - GRAIN) * 1e9

    def find(self, path: str, facts: os.stat_result) -> str | None:
        """The digest of a file that is as it was when it was read last."""
        known = self._before.get(path)
        if known is None or known[0] != _marks(facts):
            return None
        self._now[path] = known
        return known[1]

    def enter(self, path: str, facts: os.stat_result, digest: str) -> None:
        """Note what a file was found to be; ``facts`` must be from before it was read."""
        if os.name == "posix" and facts.st_ctime_ns < self._fresh:
            self._now[path] = (_marks(facts), digest)

    def save(self) -> None:
        """Keep what was found or entered, and forget the rest."""
        if self._now == self._before:
            return
        lines = [_FIRST]
        for path, (marks, digest) in self._now.items():
            lines.append(
                b"%s %s %s" % (" ".join(map(str, marks)).encode(), digest.encode(), os.fsencode(path))
            )
        with suppress(OSError):  # then all is read again the next time
            write_private(self.file, b"\n".join(lines))


def _marks(facts: os.stat_result) -> _Known:
    return (
        facts.st_mode,
        facts.st_size,
        facts.st_mtime_ns,
        facts.st_ctime_ns,
        facts.st_ino,
        facts.st_dev,
    )


def _load(file: Path) -> dict[str, tuple[_Known, str]]:
    try:
        first, *lines = read_private(file, MAX_BYTES).split(b"\n")
        if first != _FIRST:
            return {}
        found = {}
        for line in lines:
            mode, size, modified, changed, inode, device, digest, path = line.split(b" ", 7)
            marks = (int(mode), int(size), int(modified), int(changed), int(inode), int(device))
            found[os.fsdecode(path)] = (marks, digest.decode("ascii"))
        return found
    except (OSError, TrustError, ValueError):
        return {}
