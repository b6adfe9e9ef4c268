"""The requests that are being waited for, with the time until which each may be answered.

What ends a request takes it out of here, and only whoever took it out goes on with it, so that of an answer and
a time limit that meet, one counts. Waiting lets go of the lock. Thread-safe; knows neither store nor journal.
"""

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.protocol.states import Outgoing
from syft_flwr_cli.storage.journal import RequestRow

__all__ = ["LATE_ANSWERS", "OpenRequests", "Reply"]

_LONGEST_WAIT = 60.0


LATE_ANSWERS = 12 * 3600.0
"""Seconds for which an answer can still be collected when nobody waits for it any more: Flower's default."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request ended: with a body, or without an answer (``body`` is None)."""

    sent: RequestRow
    body: Body | None


class OpenRequests:
    """A set of rows, their deadlines, and what has gone wrong for good."""

    def __init__(self) -> None:
        self._rows: dict[str, RequestRow] = {}
        self._deadlines: dict[str, float] = {}
        self._awaited: Counter[str] = Counter()
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self.changes = 0
        """Counts the changes that `wait` returns for."""

    def add(self, rows: Iterable[RequestRow]) -> None:
        """Wait for the answers to these, each for its own time from now on."""
        with self._changed:
            for row in rows:
                self._rows[row.id] = row
                self._deadlines[row.id] = time.monotonic() + row.meta.response_timeout

    def replace(self, row: RequestRow) -> bool:
        """Put a row in the place of what it was; False if nobody waits for it any more."""
        with self._changed:
            if row.id not in self._rows:
                return False
            self._rows[row.id] = row
            return True

    def find(self, mid: str) -> RequestRow | None:
        """The open request with this id."""
        return self._rows.get(mid)

    def rows(self, state: Outgoing | None = None) -> list[RequestRow]:
        """All open requests, or those in one state."""
        with self._changed:
            return [row for row in self._rows.values() if state is None or row.state is state]

    def shorten(self, ids: Collection[str], seconds: float) -> list[RequestRow]:
        """Those of ``ids`` that are open; none of them may be answered for longer than ``seconds`` from now on."""
        with self._changed:
            rows = [self._rows[mid] for mid in ids if mid in self._rows]
            until = time.monotonic() + seconds
            self._deadlines.update({row.id: min(self._deadlines[row.id], until) for row in rows})
            return rows

    def awaited(self) -> list[RequestRow]:
        """Those that somebody waits for at this moment."""
        with self._changed:
            return [self._rows[mid] for mid in self._awaited if mid in self._rows]

    def take(self, ids: Iterable[str]) -> list[RequestRow]:
        """Those of ``ids`` that were open; they are not any more."""
        with self._changed:
            taken = [self._rows.pop(mid) for mid in ids if mid in self._rows]
            for row in taken:
                del self._deadlines[row.id]
            self.changes += 1
            self._changed.notify_all()
            return taken

    def take_late(self) -> list[RequestRow]:
        """As `take`, those whose time is up."""
        now = time.monotonic()
        with self._changed:
            return self.take([mid for mid, deadline in self._deadlines.items() if deadline <= now])

    def take_all(self) -> list[RequestRow]:
        """As `take`, everything."""
        with self._changed:
            return self.take(list(self._rows))

    def wait(self, ids: Collection[str], deadline: float | None, seen: int | None = None) -> bool:
        """Wait until something has happened to one of ``ids``, or a time is up; whether to look again.

        False if none of them is open any more, or ``deadline`` (of `time.monotonic`) has come. Returns at once if
        there were changes after ``seen``, a state of `changes` that ``deadline`` was determined from.
        """
        with self._changed:
            self.check()
            waiting = [self._deadlines[mid] for mid in ids if mid in self._rows]
            now = time.monotonic()
            if not waiting or (deadline is not None and now >= deadline):
                return False
            if seen is not None and seen != self.changes:
                return True
            until = min(waiting if deadline is None else [*waiting, deadline])
            self._awaited.update(ids)
            try:
                self._changed.wait(max(0.0, min(until - now, _LONGEST_WAIT)))
            finally:
                self._awaited.subtract(ids)
                self._awaited = +self._awaited
            return True

    def fail(self, error: BaseException) -> None:
        """From now on `check` and `wait` raise ``error``; the first one counts."""
        with self._changed:
            if self._failure is None:
                self._failure = error
            self._changed.notify_all()

    def check(self) -> None:
        """Raise what has gone wrong."""
        if self._failure is not None:
            raise self._failure

    def __contains__(self, mid: object) -> bool:
        return mid in self._rows

    def __len__(self) -> int:
        return len(self._rows)
