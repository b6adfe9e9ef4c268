"""What was asked of the emulator: every call with who, what, which files, what it cost and how it ended.

Quota units are those of Drive's published table (reads 5, lists 100, downloads 200, changes of
items 50, anything else 5) and are counted per account and minute, as Drive limits them.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["UNITS", "Call", "Ledger"]

UNITS = {
    "files.get": 5,
    "files.get.media": 200,
    "files.list": 100,
    "files.create": 50,
    "files.update": 50,
    "files.delete": 50,
    "files.generateIds": 5,
    "permissions.create": 50,
    "permissions.delete": 50,
    "permissions.list": 100,
    "permissions.get": 5,
    "changes.list": 100,
    "changes.getStartPageToken": 5,
    "about.get": 5,
}
"""Quota units of a call; a resumable upload's chunks cost nothing beyond its first request."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    ``method`` is Google's id without ``drive.``; ``files.get.media`` is a download, ``upload.chunk`` and
    ``upload.status`` belong to a resumable session. ``files`` are the ids that were read, written or
    listed; ``sent`` and ``received`` are bytes of content as the emulator sees it.
    """

    time: float
    who: str
    method: str
    status: int
    files: tuple[str, ...] = ()
    detail: str = ""
    fault: str = ""
    received: int = 0
    sent: int = 0

    @property
    def units(self) -> int:
        """What it costs of the quota."""
        return UNITS.get(self.method, 0 if self.method.startswith("upload.") else 5)


class Ledger:
    """The calls so far. Not thread-safe.

    Parameters
    ----------
    units_per_minute : int
        Drive's limit per account.
    """

    def __init__(self, units_per_minute: int = 325_000) -> None:
        self.units_per_minute = units_per_minute
        self.calls: list[Call] = []
        self._minute: dict[str, deque[tuple[float, int]]] = {}

    def add(self, call: Call) -> None:
        """Write a call down."""
        self.calls.append(call)

    def admit(self, who: str, method: str, now: float) -> bool:
        """Count the call's units; False if the account has used up its minute."""
        units = UNITS.get(method, 0 if method.startswith("upload.") else 5)
        spent = self._minute.setdefault(who, deque())
        while spent and spent[0][0] <= now - 60:
            spent.popleft()
        if sum(one for _, one in spent) + units > self.units_per_minute:
            return False
        spent.append((now, units))
        return True

    def select(self, *, who: str | None = None, method: str | None = None) -> list[Call]:
        """The calls of an account, of a method, or both."""
        return [
            call
            for call in self.calls
            if (who is None or call.who == who) and (method is None or call.method == method)
        ]

    def touched(self, who: str, ids: Iterable[str]) -> list[Call]:
        """The calls of ``who`` that read, wrote or listed any of these files."""
        wanted = set(ids)
        return [call for call in self.calls if call.who == who and wanted.intersection(call.files)]
