"""The payload files that we have written: where each lies, its content key, and whether it is there.

One family of the journal's rows, the same on both sides.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from syft_flwr_cli.storage.sqlite import Table

__all__ = ["PayloadRow", "PayloadTable"]


@dataclass(frozen=True, slots=True)
class PayloadRow:
    """A payload of ours: where it lies, its content key, and whether it is there."""

    run: str
    digest: bytes
    recipient: str
    id: str
    key: bytes
    size: int
    path: str
    state: str
    used: int


class PayloadTable(Table):
    """The rows of payloads."""

    def payload(self, run: str, digest: bytes, recipient: str) -> PayloadRow | None:
        """The payload with this content, if it was ever made in this run."""
        row = self._db.one(
            "SELECT * FROM payloads WHERE run=? AND digest=? AND recipient=?", run, digest, recipient
        )
        return _payload(row) if row else None

    def payloads(self, run: str | None = None) -> list[PayloadRow]:
        """The payloads of a run, or of all."""
        if run is None:
            return [_payload(row) for row in self._db.all("SELECT * FROM payloads")]
        return [_payload(row) for row in self._db.all("SELECT * FROM payloads WHERE run=?", run)]

    def put_payloads(self, rows: Sequence[PayloadRow]) -> None:
        """Note payloads: before they are written (``writing``), when they are there, when they are about to go."""
        if not rows:
            return
        with self._db.change("payload") as db:
            db.executemany(
                "INSERT OR REPLACE INTO payloads (run, digest, recipient, id, key, size, path, state, used)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                [(r.run, r.digest, r.recipient, r.id, r.key, r.size, r.path, r.state, r.used) for r in rows],
            )

    def drop_payloads(self, ids: Iterable[str]) -> None:
        """The payloads' files are gone."""
        with self._db.change("drop") as db:
            db.executemany("DELETE FROM payloads WHERE id=?", [(i,) for i in ids])


def _payload(row: sqlite3.Row) -> PayloadRow:
    return PayloadRow(
        run=row["run"],
        digest=bytes(row["digest"]),
        recipient=row["recipient"],
        id=row["id"],
        key=bytes(row["key"]),
        size=row["size"],
        path=row["path"],
        state=row["state"],
        used=row["used"],
    )
