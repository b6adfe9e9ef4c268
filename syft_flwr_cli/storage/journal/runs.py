"""The runs that a participant took part in: their state, their facts, what came of them, who was told.

One family of the journal's rows. That a run is over and forgotten is remembered, for the newest of them.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syft_flwr_cli.storage.journal.audit_queue import hear
from syft_flwr_cli.storage.sqlite import Table

__all__ = ["PAST_RUNS", "Run", "RunTable", "run_of"]

PAST_RUNS = 10_000
"""Of how many forgotten runs it is remembered that they are over."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run: its id in decimal, the role we play in it, its state and when it began and ended.

    ``result`` is what there is to tell of a run that is over, and ``told`` whether somebody has been told.
    """

    run: str
    role: str
    state: str
    created: float
    ended: float | None
    reason: str | None
    facts: Mapping[str, Any]
    result: Mapping[str, Any] | None = None
    told: bool = False


class RunTable(Table):
    """The rows of runs."""

    def begin_run(
        self, run: str, role: str, now: float, facts: Mapping[str, Any], audit: Mapping[str, Any]
    ) -> None:
        """Note that a run begins; noting it again changes nothing."""
        with self._db.change("run") as db:
            done = db.execute(
                "INSERT OR IGNORE INTO runs (run, role, state, created, facts) VALUES (?, ?, 'running', ?, ?)",
                (run, role, now, json.dumps(facts)),
            )
            if done.rowcount:
                hear(db, [audit])

    def unreported_run(self, role: str) -> Run | None:
        """The newest run in this role, if it is over and nobody has been told; of an aggregator's only if complete."""
        row = self._db.one("SELECT * FROM runs WHERE role=? ORDER BY rowid DESC LIMIT 1", role)
        run = run_of(row) if row else None
        if run is None or run.told or run.ended is None:
            return None
        return run if role != "aggregator" or run.state == "finished" else None

    def mark_reported(self, run: str) -> None:
        """Note that the end of a run has been told: repeating the command does not tell it again."""
        with self._db.change("tell") as db:
            db.execute("UPDATE runs SET told=1 WHERE run=?", (run,))

    def set_run_facts(self, run: str, facts: Mapping[str, Any]) -> None:
        """Replace a run's facts."""
        with self._db.change("facts") as db:
            db.execute("UPDATE runs SET facts=? WHERE run=?", (json.dumps(facts), run))

    def run(self, run: str) -> Run | None:
        """One run, if it is known."""
        row = self._db.one("SELECT * FROM runs WHERE run=?", run)
        return run_of(row) if row else None

    def runs(self) -> list[Run]:
        """All runs, the newest first."""
        return [run_of(row) for row in self._db.all("SELECT * FROM runs ORDER BY rowid DESC")]

    def count_runs(self, until: str) -> int:
        """Which run of this app ``until`` is, from 1, in the order in which they were begun here."""
        query = (
            "SELECT COUNT(*)+(SELECT COUNT(*) FROM past_runs) AS number FROM runs"
            " WHERE rowid<=(SELECT rowid FROM runs WHERE run=?)"
        )
        row = self._db.one(query, until)
        return 0 if row is None else int(row["number"])

    def unfinished_run(self, role: str) -> Run | None:
        """The newest run in this role that has not ended."""
        # By the order of their rows: a clock that was set back must not change which run is the newest.
        row = self._db.one(
            "SELECT * FROM runs WHERE role=? AND ended IS NULL ORDER BY rowid DESC LIMIT 1", role
        )
        return run_of(row) if row else None

    def prunable(self, before: float) -> list[str]:
        """The runs that ended before ``before``, except the newest."""
        query = "SELECT run FROM runs WHERE ended<? AND rowid<>(SELECT rowid FROM runs ORDER BY rowid DESC LIMIT 1)"
        return [row["run"] for row in self._db.all(query, before)]

    def is_past(self, run: str) -> bool:
        """Whether this run was over long ago, so that nothing else is remembered of it."""
        return self._db.one("SELECT 1 FROM past_runs WHERE run=?", run) is not None


def note_end(
    db: sqlite3.Connection, run: str, state: str, now: float, reason: str, result: Mapping[str, Any] | None
) -> bool:
    """Within a transaction: note that a run ended; False if it had already."""
    done = db.execute(
        "UPDATE runs SET state=?, ended=?, reason=?, result=? WHERE run=? AND ended IS NULL",
        (state, now, reason, None if result is None else json.dumps(result), run),
    )
    return bool(done.rowcount)


def forget_runs(db: sqlite3.Connection, runs: list[str]) -> None:
    """Within a transaction: forget runs, and remember that they are over."""
    rows = [(run,) for run in runs]
    db.executemany("DELETE FROM runs WHERE run=?", rows)
    db.executemany("INSERT OR IGNORE INTO past_runs (run) VALUES (?)", rows)
    db.execute("DELETE FROM past_runs WHERE n<=(SELECT MAX(n) FROM past_runs)-?", (PAST_RUNS,))


def run_of(row: sqlite3.Row) -> Run:
    """The run of a row."""
    return Run(
        run=row["run"],
        role=row["role"],
        state=row["state"],
        created=row["created"],
        ended=row["ended"],
        reason=row["reason"],
        facts=json.loads(row["facts"]),
        result=None if row["result"] is None else json.loads(row["result"]),
        told=bool(row["told"]),
    )
