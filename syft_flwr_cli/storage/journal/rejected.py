"""What was refused: whose file, where it lay, why, when first and how often.

One family of the journal's rows.
"""

from collections.abc import Mapping
from typing import Any

from syft_flwr_cli.storage.journal.audit_queue import hear
from syft_flwr_cli.storage.sqlite import Table

__all__ = ["RejectedTable"]


class RejectedTable(Table):
    """The rows of refused files."""

    def quarantine(
        self,
        digest: str,
        owner: str,
        path: str,
        reason: str,
        sentence: str,
        now: float,
        audit: Mapping[str, Any],
    ) -> bool:
        """Note a refused file; True the first time this content is refused at this place."""
        with self._db.change("quarantine") as db:
            done = db.execute(
                "INSERT OR IGNORE INTO quarantine (digest, owner, path, reason, sentence, seen) VALUES (?,?,?,?,?,?)",
                (digest, owner, path, reason, sentence, now),
            )
            if done.rowcount:
                hear(db, [audit])
                return True
            db.execute(
                "UPDATE quarantine SET times=times+1 WHERE owner=? AND path=? AND digest=?",
                (owner, path, digest),
            )
            return False

    def refused(self) -> list[dict[str, Any]]:
        """What was refused, the newest first."""
        query = "SELECT owner, path, reason, sentence, seen, times FROM quarantine ORDER BY seen DESC"
        return [dict(row) for row in self._db.all(query)]
