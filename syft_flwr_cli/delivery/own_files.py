"""Files of ours that somebody still needs: whether they lie in the store as they were put there.

A store may lose or change them behind our back (a sync client that invents a conflict, a folder that is
restored, a person who tidies up). `OwnFiles` looks at them at intervals and names those that are gone or are
not what was written; putting them back is for
whoever has their content. `OwnFiles.written` may be called from any thread, the rest from one.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Final

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.transports.base import Transport

__all__ = ["VERIFY_INTERVAL", "OwnFiles", "changed_files"]

VERIFY_INTERVAL: Final = 5.0
"""Seconds between two looks, unless a listing costs more than a hundredth of that."""

CHEAP: Final = 0.01
"""Where a listing costs fewer seconds than this, small files of one's own are read to see what is in them."""

LISTINGS: Final = 100
"""A store is busy with these looks for at most one part in so many of the time."""


class OwnFiles:
    """Looks after files in one's own space.

    Parameters
    ----------
    transport : Transport
        Where they lie; failures are raised.
    verify_interval : float
        Seconds between two looks.
    """

    def __init__(self, transport: Transport, verify_interval: float = VERIFY_INTERVAL) -> None:
        self._transport = transport
        self._interval = max(verify_interval, LISTINGS * transport.properties.listing_cost)
        self._looked = time.monotonic()
        self._marks: dict[str, float] = {}
        self._reads = transport.properties.listing_cost < CHEAP

    def next_look(self) -> float:
        """Seconds until the next look is due; none or less if it is."""
        return self._looked + self._interval - time.monotonic()

    def astray(self, expected: Mapping[str, bytes | int]) -> list[str]:
        """Those paths of ``expected`` that are gone or are not what was written.

        Parameters
        ----------
        expected : mapping
            By path, the content, or its size in bytes where that is all there is to compare.

        Raises
        ------
        TransportError
            If the store fails; the look is due still.
        """
        found: dict[str, tuple[int, float]] = {}
        for folder in sorted({path.rpartition("/")[0] for path in expected}):
            for path, entry in self._transport.list_own(folder):
                found[path] = (entry.size, entry.created)
        sizes = {path: what if isinstance(what, int) else len(what) for path, what in expected.items()}
        astray = set(changed_files(sizes, found, self._marks))
        for path, what in expected.items():
            # Seen for the first time since it was written: what it was changed into before may be as long.
            unseen = path not in astray and path not in self._marks
            if self._reads and unseen and isinstance(what, bytes) and not self._holds(path, what):
                astray.add(path)
        self._looked = time.monotonic()
        self._marks = {path: found[path][1] for path in expected if path in found and path not in astray}
        return [path for path in expected if path in astray]

    def _holds(self, path: str, content: bytes) -> bool:
        try:
            with self._transport.open(self._transport.email, path) as stream:
                return stream.read(len(content) + 1) == content
        except NotThereError:
            return False

    def written(self, paths: Iterable[str]) -> None:
        """These were written anew: their time of change is another one."""
        for path in paths:
            self._marks.pop(path, None)


def changed_files(
    expected: Mapping[str, int], found: Mapping[str, tuple[int, float]], marks: Mapping[str, float]
) -> list[str]:
    """Which of ``expected`` (sizes by path) are missing in ``found`` (size and time of change), or differ.

    ``marks`` are the times of change at the last look; what has none is taken as it is now.
    """
    astray = []
    for path, size in expected.items():
        there = found.get(path)
        if there is None or there[0] != size or marks.get(path, there[1]) != there[1]:
            astray.append(path)
    return astray
