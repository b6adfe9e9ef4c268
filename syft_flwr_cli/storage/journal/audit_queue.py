"""What the audit log must hear and has not yet: written in the transaction of its effect, handed over afterwards.

One family of the journal's rows. After a power cut the log may hear of something once more; it recognises
what it has heard by the event id, which is made of the journal's own id, a number and the content.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from syft_flwr_cli.storage.sqlite import Database, Table

__all__ = ["AuditQueue", "hear"]


def hear(db: sqlite3.Connection, entries: Iterable[Mapping[str, Any]]) -> None:
    """Within a transaction: have the audit log hear of ``entries``; empty ones are left out."""
    db.executemany(
        "INSERT INTO audit_pending (entry) VALUES (?)",
        [(json.dumps(dict(entry), sort_keys=True),) for entry in entries if entry],
    )


class AuditQueue(Table):
    """The rows of what the audit log must hear."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self._heard = 0
        about = db.one("SELECT id FROM about")
        self._journal_id = "" if about is None else str(about["id"])
        db.before_commit(self._drop_heard)

    def _drop_heard(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM audit_pending WHERE n<=?", (self._heard,))

    def hear(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Have the audit log hear of something that changes nothing else."""
        with self._db.change("hear") as db:
            hear(db, entries)

    def audit_pending(self) -> list[tuple[int, dict[str, Any]]]:
        """What the audit log has not heard yet, oldest first, each with an event id of its own."""
        query = "SELECT n, entry FROM audit_pending WHERE n>? ORDER BY n LIMIT 500"
        rows = self._db.all(query, self._heard)
        # A power cut may take back numbers that the log has heard, and give them to others: hence the content.
        return [(row["n"], json.loads(row["entry"]) | {"eid": self._event_id(row)}) for row in rows]

    def _event_id(self, row: sqlite3.Row) -> str:
        return f"{self._journal_id}:{row['n']}:{sha256(row['entry'].encode()).hexdigest()[:12]}"

    def audit_waits(self) -> bool:
        """Whether there is anything that the audit log has not heard yet."""
        return self._db.one("SELECT 1 FROM audit_pending WHERE n>? LIMIT 1", self._heard) is not None

    def audit_heard(self, last: int) -> None:
        """The audit log has heard everything up to ``last``; written down with the next change.

        Losing this to a crash is harmless: the log recognises what it has heard by its event id.
        """
        self._heard = max(self._heard, last)
