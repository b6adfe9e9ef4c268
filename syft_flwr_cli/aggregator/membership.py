"""Which data owners the ServerApp was told of, question by question, so that a replay is told the same.

Owners may come and go while a run goes on. Every answer to the app's question who takes part has a place in the
sequence of questions; before anything is sent that may depend on an answer, all answers so far are journaled (of each
place only where the answer changes). A run that is taken up again gets the journaled answers for as long as there
are any, and live ones from then on. It does not know why somebody takes part.
"""

import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

__all__ = ["Membership"]

FACT = "members"


class _Runs(Protocol):
    def run(self, run: str, /) -> Any: ...

    def set_run_facts(self, run: str, facts: Mapping[str, Any], /) -> None: ...


class Membership:
    """The answers of one run. Thread-safe.

    Parameters
    ----------
    journal : Journal
        Where the run is.
    run : str
        Its id.
    live : callable
        Who takes part now, by e-mail.
    """

    def __init__(self, journal: _Runs, run: str, live: Callable[[], Sequence[str]]) -> None:
        self._journal = journal
        self._run = run
        self._live = live
        self._lock = threading.Lock()
        known = journal.run(run)
        facts: Mapping[str, Any] = {} if known is None else known.facts.get(FACT) or {}
        self._journaled = int(facts.get("questions", 0))
        self._changes: list[tuple[int, list[str]]] = [
            (int(place), list(emails)) for place, emails in facts.get("changes", [])
        ]
        self._asked = 0
        self._last: list[str] = []

    def ask(self) -> list[str]:
        """Who takes part, as the app is told it now."""
        with self._lock:
            place = self._asked
            self._asked += 1
            if place < self._journaled:
                at = bisect_right(self._changes, place, key=lambda change: change[0]) - 1
                self._last = self._changes[at][1]
            else:
                self._last = list(self._live())
                if not self._changes or self._changes[-1][1] != self._last:
                    self._changes.append((place, self._last))
            return list(self._last)

    def commit(self) -> None:
        """Journal the answers given so far; to be called before anything is sent."""
        with self._lock:
            if self._asked <= self._journaled:
                return
            known = self._journal.run(self._run)
            if known is None:
                return
            members = {"questions": self._asked, "changes": [list(change) for change in self._changes]}
            self._journal.set_run_facts(self._run, {**known.facts, FACT: members})
            self._journaled = self._asked

    def last(self) -> list[str]:
        """Whom the app was told of last; who takes part now, if it never asked."""
        with self._lock:
            return list(self._last if self._asked else self._live())
