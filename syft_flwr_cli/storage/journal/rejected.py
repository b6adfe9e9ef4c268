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
        *,
        times: int = 1,
    ) -> bool:
        """Note a refused file, or ``times`` of them; True the first time this content is refused at this place.

        Survives a kill, not a power cut: the file is still there and is refused again.
        """
        with self._db.change("quarantine", synced=False) as db:
            done = db.execute(
                "INSERT OR IGNORE INTO quarantine (digest, owner, path, reason, sentence, seen, times)"
                " VALUES (?,?,?,?,?,?,?)",
                (digest, owner, path, reason, sentence, now, times),
            )
            if done.rowcount:
                hear(db, [audit])
                return True
            db.execute(
                "UPDATE quarantine SET times=times+? WHERE owner=? AND path=? AND digest=?",
                (times, owner, path, digest),
            )
            return False

    def refused(self) -> list[dict[str, Any]]:
        """What was refused, the newest first."""
        query = "SELECT owner, path, reason, sentence, seen, times FROM quarantine ORDER BY seen DESC"
        return [dict(row) for row in self._db.all(query)]
