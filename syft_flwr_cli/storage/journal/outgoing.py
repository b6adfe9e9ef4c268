"""Requests of ours and their answers, and which answers are still to be acknowledged: an aggregator's rows.

One family of the journal's rows. A request's bytes are here before it is published, an answer before Flower
sees it. Every step is one of the table in `protocol.states`.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from syft_flwr_cli.protocol.states import Action, Event, Outgoing, decide
from syft_flwr_cli.storage.journal.audit_queue import hear
from syft_flwr_cli.storage.sqlite import Table

__all__ = ["Answer", "OutgoingTable", "RequestMeta", "RequestPosition", "RequestRow"]

_NEXT_TURN = "(SELECT MAX(turn)+1 FROM sent WHERE run=?)"


@dataclass(frozen=True, slots=True)
class RequestMeta:
    """What is noted of a request beside its content.

    Parameters
    ----------
    response_timeout : float
        Seconds for which it may be answered. (Stored as ``allowance``.)
    type : str
        Flower's message type.
    label : str
        What a person calls it: its round, or its group.
    round : int, optional
        Its round, where the message tells it.
    acks : tuple of str
        The responses of its recipient that it acknowledges.
    skipped : bool
        Whether a call went on without its answer.
    """

    response_timeout: float
    type: str = ""
    label: str = ""
    round: int | None = None
    acks: tuple[str, ...] = ()
    skipped: bool = False

    def stored(self) -> str:
        """As the column holds it."""
        fields = {"label": self.label, "type": self.type, "round": self.round}
        return json.dumps({**fields, "allowance": self.response_timeout, "acks": self.acks})

    @classmethod
    def read(cls, text: str) -> Self:
        """From what the column holds, also as earlier versions wrote it."""
        found = json.loads(text)
        return cls(
            response_timeout=float(found.get("allowance", 0.0)),
            type=str(found.get("type") or ""),
            label=str(found.get("label") or ""),
            round=found.get("round"),
            acks=tuple(found.get("acks", ())),
            skipped=found.get("skipped") is True,
        )


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request of ours. (The columns of the table are called ``ordinal`` and ``turn``.)

    ``sequence_number`` says which request to this recipient it is in its run, ``reply`` is the opened body of
    its answer, ``digests`` are of every envelope issued, and ``completion_order`` says as which of its run it
    ended, from 1 (0 while it is open).
    """

    id: str
    run: str
    recipient: str
    sequence_number: int
    state: Outgoing
    digest: bytes
    outline: Mapping[str, str]
    meta: RequestMeta
    created: float
    expires: float
    body: bytes | None
    envelope: bytes | None
    digests: tuple[str, ...]
    refs: tuple[str, ...]
    reply: bytes | None
    replied: float | None
    completion_order: int = 0


@dataclass(frozen=True, slots=True)
class RequestPosition:
    """Which request to its recipient a request is in its run, and its position among all of the journal."""

    id: str
    recipient: str
    sequence_number: int
    position: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request of ours: the opened body, when it came, and what the audit log hears of it."""

    id: str
    reply: bytes
    when: float
    audit: Mapping[str, Any]


class OutgoingTable(Table):
    """The rows of requests of ours."""

    def add_sent(self, rows: Sequence[RequestRow], audit: Sequence[Mapping[str, Any]]) -> None:
        """Add requests before they are published."""
        with self._db.change("push") as db:
            db.executemany(
                "INSERT INTO sent (id, run, recipient, ordinal, state, digest, outline, meta, created, expires, body,"
                " envelope, digests, refs) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                [
                    (
                        s.id,
                        s.run,
                        s.recipient,
                        s.sequence_number,
                        s.state,
                        s.digest,
                        json.dumps(dict(s.outline)),
                        s.meta.stored(),
                        s.created,
                        s.expires,
                        s.body,
                        s.envelope,
                        json.dumps(s.digests),
                        json.dumps(s.refs),
                    )
                    for s in rows
                ],
            )
            hear(db, audit)

    def seal_sent(
        self, mid: str, envelope: bytes, digest: str, expires: float, audit: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Note the sealed bytes of a request, before they are published (again, with a new expiry)."""
        with self._db.change("seal") as db:
            row = db.execute("SELECT state, digests FROM sent WHERE id=?", (mid,)).fetchone()
            after, _ = decide(Outgoing(row["state"]), Event.SEAL)
            db.execute(
                "UPDATE sent SET state=?, envelope=?, digests=?, expires=? WHERE id=?",
                (after, envelope, json.dumps([*json.loads(row["digests"]), digest]), expires, mid),
            )
            hear(db, audit)

    def answer(self, answers: Sequence[Answer]) -> None:
        """Note answers, before Flower sees them. Each will be acknowledged with the next request.

        Survives a kill, not a power cut: then it lies where it lay, unacknowledged, and is taken again. The
        next request, whose transaction is synced, makes it last.
        """
        with self._db.change("answer", synced=False) as db:
            for item in answers:
                query = "SELECT state, run, recipient, meta FROM sent WHERE id=?"
                row = db.execute(query, (item.id,)).fetchone()
                run, recipient = row["run"], row["recipient"]
                after, actions = decide(Outgoing(row["state"]), Event.ANSWER)
                carried = RequestMeta.read(row["meta"]).acks
                db.executemany(
                    "DELETE FROM acks WHERE run=? AND recipient=? AND id=?",
                    [(run, recipient, a) for a in carried],
                )
                if Action.KEEP_REPLY in actions:
                    db.execute(
                        "UPDATE sent SET state=?, reply=?, replied=?, envelope=NULL, body=NULL,"
                        f" turn={_NEXT_TURN} WHERE id=?",
                        (after, item.reply, item.when, run, item.id),
                    )
                if Action.ACKNOWLEDGE in actions:
                    db.execute("INSERT OR IGNORE INTO acks VALUES (?,?,?)", (run, recipient, item.id))
                hear(db, [item.audit])

    def give_up(
        self, ids: Iterable[str], event: Event, audit: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, tuple[Action, ...]]:
        """Note that requests end without an answer (by ``event``); what is to be done about those that did.

        One whose answer was noted meanwhile stays answered. ``audit`` is what the audit log hears, by id.
        """
        ended: dict[str, tuple[Action, ...]] = {}
        with self._db.change("give-up") as db:
            for mid in ids:
                row = db.execute("SELECT state, run FROM sent WHERE id=?", (mid,)).fetchone()
                before = Outgoing(row["state"])
                after, actions = decide(before, event)
                if after is before:
                    continue
                ended[mid] = actions
                db.execute(
                    f"UPDATE sent SET state=?, envelope=NULL, body=NULL, turn={_NEXT_TURN} WHERE id=?",
                    (after, row["run"], mid),
                )
                hear(db, [audit.get(mid, {})])
        return ended

    def skip_sent(self, ids: Iterable[str]) -> None:
        """Note that a call went on without the answers to these requests, which stay open; all or none.

        A run that is taken up again goes on without them at the same place, whatever has come meanwhile.
        """
        with self._db.change("skip") as db:
            db.executemany(
                "UPDATE sent SET meta=json_set(meta, '$.skipped', json('true')) WHERE id=?",
                [(mid,) for mid in ids],
            )

    def skipped_sent(self, ids: Collection[str]) -> set[str]:
        """Those of ``ids`` without whose answers a call went on (see `skip_sent`)."""
        query = "SELECT id FROM sent WHERE id IN (SELECT value FROM json_each(?)) AND json_extract(meta, '$.skipped')"
        return {row["id"] for row in self._db.all(query, json.dumps(list(ids)))}

    def sent(self, mid: str) -> RequestRow | None:
        """One request of ours."""
        row = self._db.one("SELECT * FROM sent WHERE id=?", mid)
        return _sent(row) if row else None

    def sent_at(self, run: str, recipient: str, sequence_number: int) -> RequestRow | None:
        """The request that went to ``recipient`` as its ``sequence_number``-th in this run."""
        row = self._db.one(
            "SELECT * FROM sent WHERE run=? AND recipient=? AND ordinal=?", run, recipient, sequence_number
        )
        return _sent(row) if row else None

    def positions(self, run: str) -> list[RequestPosition]:
        """The requests that a run has pushed so far, in that order; not its stop signals."""
        query = "SELECT id, recipient, ordinal, rowid FROM sent WHERE run=? AND ordinal>=0 ORDER BY rowid"
        rows = self._db.all(query, run)
        return [RequestPosition(row["id"], row["recipient"], row["ordinal"], row["rowid"]) for row in rows]

    def open_sent(self, run: str) -> list[RequestRow]:
        """The requests of a run that are neither answered nor given up, oldest first; not its stop signals."""
        rows = self._db.all(
            "SELECT * FROM sent WHERE run=? AND ordinal>=0 AND state IN ('waiting', 'sealed') ORDER BY rowid",
            run,
        )
        return [_sent(row) for row in rows]

    def drop_sent(self, ids: Iterable[str], audit: Sequence[Mapping[str, Any]]) -> None:
        """Forget requests: the run goes another way, and their places are taken by others."""
        with self._db.change("forget") as db:
            db.executemany("DELETE FROM sent WHERE id=?", [(mid,) for mid in ids])
            hear(db, audit)

    def due_acks(self, run: str, recipient: str, limit: int = 1000) -> list[str]:
        """Ids of consumed responses of ``recipient`` that have not been acknowledged yet."""
        query = "SELECT id FROM acks WHERE run=? AND recipient=? LIMIT ?"
        return [row["id"] for row in self._db.all(query, run, recipient, limit)]


def end_outgoing(db: sqlite3.Connection, run: str) -> None:
    """Within a transaction: a run is over, so nobody will ask for what its messages said, nor for their keys.

    Stop signals stay as they are: they may have to be published again.
    """
    db.execute(
        "UPDATE sent SET body=NULL, envelope=NULL, reply=NULL, outline='{}' WHERE run=? AND ordinal>=0",
        (run,),
    )
    db.execute("DELETE FROM acks WHERE run=?", (run,))


def _sent(row: sqlite3.Row) -> RequestRow:
    return RequestRow(
        id=row["id"],
        run=row["run"],
        recipient=row["recipient"],
        sequence_number=row["ordinal"],
        state=Outgoing(row["state"]),
        digest=bytes(row["digest"]),
        outline=json.loads(row["outline"]),
        meta=RequestMeta.read(row["meta"]),
        created=row["created"],
        expires=row["expires"],
        body=row["body"],
        envelope=row["envelope"],
        digests=tuple(json.loads(row["digests"])),
        refs=tuple(json.loads(row["refs"])),
        reply=row["reply"],
        replied=row["replied"],
        completion_order=row["turn"],
    )
