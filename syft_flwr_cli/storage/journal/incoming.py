"""Requests to us, their responses, and the app's state after the newest: a data owner's rows.

One family of the journal's rows. A response and the state that it leaves are written together. Every step is
one of the table in `protocol.states`.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syft_flwr_cli.protocol.states import Event, Incoming, decide
from syft_flwr_cli.storage.journal.audit_queue import hear
from syft_flwr_cli.storage.sqlite import Table

__all__ = ["IncomingTable", "Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """A request to us, its sealed response once there is one, and the paths of the response's payloads."""

    id: str
    run: str
    sender: str
    state: Incoming
    digest: str
    created: float
    attempts: int
    response: bytes | None
    payloads: tuple[str, ...]
    type: str = ""


class IncomingTable(Table):
    """The rows of requests to us."""

    def claim(self, request: Request, audit: Mapping[str, Any]) -> Request:
        """Claim a request before it is executed; the row as it stands now.

        Survives a kill, not a power cut: what was not finished is executed again in either case.
        """
        with self._db.change("claim", synced=False) as db:
            before = db.execute("SELECT state, digest FROM requests WHERE id=?", (request.id,)).fetchone()
            state = Incoming.NEW if before is None else Incoming(before["state"])
            after, _ = decide(state, Event.CLAIM)
            if before is None:
                db.execute(
                    "INSERT INTO requests (id, run, sender, state, digest, created, type) VALUES (?,?,?,?,?,?,?)",
                    (
                        request.id,
                        request.run,
                        request.sender,
                        after,
                        request.digest,
                        request.created,
                        request.type,
                    ),
                )
            if before is None or before["digest"] != request.digest:
                hear(db, [audit])
            db.execute(
                "UPDATE requests SET attempts=attempts+1, state=?, digest=? WHERE id=?",
                (after, request.digest, request.id),
            )
            return _request(db.execute("SELECT * FROM requests WHERE id=?", (request.id,)).fetchone())

    def finish(
        self,
        mid: str,
        response: bytes,
        payloads: Sequence[str],
        state: bytes | None,
        now: float,
        audit: Sequence[Mapping[str, Any]],
        egress: Mapping[str, Any] | None = None,
    ) -> None:
        """Note the sealed response, the new state and what leaves, together, before the response is published."""
        with self._db.change("finish") as db:
            before = db.execute("SELECT state, run FROM requests WHERE id=?", (mid,)).fetchone()
            after, _ = decide(Incoming(before["state"]), Event.FINISH)
            db.execute(
                "UPDATE requests SET state=?, response=?, payloads=?, done=? WHERE id=?",
                (after, response, json.dumps(list(payloads)), now, mid),
            )
            if state is not None:
                db.execute("INSERT OR REPLACE INTO states VALUES (?,?)", (before["run"], state))
            if egress is not None:
                kept = (mid, before["run"], now, egress["bytes"], json.dumps(egress, sort_keys=True))
                db.execute("INSERT OR REPLACE INTO egress VALUES (?,?,?,?,?)", kept)
            hear(db, audit)

    def replace(
        self,
        request: Request,
        event: Event,
        response: bytes,
        now: float,
        audit: Sequence[Mapping[str, Any]],
        withheld: str | None = None,
    ) -> None:
        """Note the sealed error that takes the place of a response, before it is published.

        ``request`` has the digest of the request that it answers; ``withheld`` is why what was to leave does not.
        """
        with self._db.change() as db:
            before = db.execute("SELECT state FROM requests WHERE id=?", (request.id,)).fetchone()
            after, _ = decide(Incoming(before["state"]), event)
            db.execute(
                "UPDATE requests SET state=?, digest=?, response=?, payloads='[]', done=? WHERE id=?",
                (after, request.digest, response, now, request.id),
            )
            kept = db.execute("SELECT record FROM egress WHERE message=?", (request.id,)).fetchone()
            if withheld is not None and kept is not None:
                record = json.dumps({**json.loads(kept["record"]), "withheld": withheld}, sort_keys=True)
                db.execute("UPDATE egress SET record=? WHERE message=?", (record, request.id))
            hear(db, audit)

    def egress(self, run: str) -> list[dict[str, Any]]:
        """What left, or was withheld, in a run: one record a reply, the oldest first, with its message and time."""
        rows = self._db.all("SELECT * FROM egress WHERE run=? ORDER BY time, rowid", run)
        return [{"message": row["message"], "time": row["time"], **json.loads(row["record"])} for row in rows]

    def egress_bytes(self, run: str, besides: str = "") -> int:
        """How many bytes have left in a run, not counting the message ``besides``; what was withheld has not."""
        rows = self._db.all("SELECT bytes, record FROM egress WHERE run=? AND message!=?", run, besides)
        return sum(row["bytes"] for row in rows if "withheld" not in json.loads(row["record"]))

    def leaving(self, mid: str) -> dict[str, Any] | None:
        """The record of what an app made and leaves with the response to a request; None if nothing does."""
        row = self._db.one("SELECT record FROM egress WHERE message=?", mid)
        record: dict[str, Any] | None = None if row is None else json.loads(row["record"])
        return None if record is None or "withheld" in record else record

    def request(self, mid: str) -> Request | None:
        """One request to us."""
        row = self._db.one("SELECT * FROM requests WHERE id=?", mid)
        return _request(row) if row else None

    def requests(self, run: str, state: Incoming | None = None) -> list[Request]:
        """The requests of a run to us, oldest first; all, or those in one state."""
        if state is None:
            rows = self._db.all("SELECT * FROM requests WHERE run=? ORDER BY rowid", run)
        else:
            rows = self._db.all("SELECT * FROM requests WHERE run=? AND state=? ORDER BY rowid", run, state)
        return [_request(row) for row in rows]

    def payloads_in_use(self, run: str) -> set[str]:
        """Ids of the payloads that a response not yet consumed needs, or that the newest response has.

        The newest is kept in use though it was consumed: the next response may have the same contents.
        """
        unconsumed = "SELECT payloads FROM requests WHERE run=? AND state='done'"
        newest = "SELECT payloads FROM requests WHERE run=? AND done IS NOT NULL ORDER BY done DESC LIMIT 1"
        rows = [*self._db.all(unconsumed, run), *self._db.all(newest, run)]
        return {payload for row in rows for payload in json.loads(row["payloads"])}

    def count_requests(self, run: str, message_types: Sequence[str], until: str) -> int:
        """Which request of these types ``until`` is in its run, from 1, in the order in which they were claimed."""
        query = (
            f"SELECT COUNT(*) AS number FROM requests WHERE run=? AND type IN ({','.join('?' * len(message_types))})"
            " AND rowid<=(SELECT rowid FROM requests WHERE id=?)"
        )
        row = self._db.one(query, run, *message_types, until)
        return 0 if row is None else int(row["number"])

    def acknowledged(self, ids: Iterable[str]) -> list[Request]:
        """Note that responses were consumed; those that had not been noted before.

        Survives a kill, not a power cut: the request that says so is still there, or its answer is noted.
        """
        fresh: list[Request] = []
        with self._db.change("acknowledge", synced=False) as db:
            for mid in ids:
                row = db.execute("SELECT * FROM requests WHERE id=?", (mid,)).fetchone()
                if row is None or row["state"] != Incoming.DONE:
                    continue  # of an earlier installation, or noted before
                after, _ = decide(Incoming(row["state"]), Event.ACKNOWLEDGE)
                db.execute("UPDATE requests SET state=?, response=NULL WHERE id=?", (after, mid))
                fresh.append(_request(row))
        return fresh

    def state(self, run: str) -> bytes | None:
        """The latest state of a run."""
        row = self._db.one("SELECT state FROM states WHERE run=?", run)
        return bytes(row["state"]) if row else None


def end_incoming(db: sqlite3.Connection, run: str) -> None:
    """Within a transaction: a run is over: its state and responses are forgotten, what was claimed is not executed."""
    db.execute("DELETE FROM states WHERE run=?", (run,))
    after, _ = decide(Incoming.CLAIMED, Event.WITHDRAW)
    db.execute("UPDATE requests SET state=? WHERE run=? AND state=?", (after, run, Incoming.CLAIMED))
    db.execute("UPDATE requests SET response=NULL WHERE run=? AND response IS NOT NULL", (run,))


def _request(row: sqlite3.Row) -> Request:
    return Request(
        id=row["id"],
        run=row["run"],
        sender=row["sender"],
        state=Incoming(row["state"]),
        digest=row["digest"],
        created=row["created"],
        attempts=row["attempts"],
        response=row["response"],
        payloads=tuple(json.loads(row["payloads"])),
        type=row["type"],
    )
