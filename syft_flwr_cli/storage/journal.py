"""The journal: what was sent, received and done, in SQLite, so that it survives ``kill -9`` and a power cut.

One file per participant and app. Every method that changes something is one transaction, committed
before it returns: with fsync (WAL, ``synchronous=FULL``), or, where it says so, to become lasting with the
next that is synced. What the audit log must hear of goes into the same transaction and is handed over
afterwards; after a power cut it may have heard of what happens once more. Content keys of payloads and opened
replies lie in it: the file is 0600 in the participant's own directory. It knows neither Flower nor files nor
keys of participants; times are passed in.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import DiskError, SyftFlwrError
from syft_flwr_cli.protocol.states import Event, Incoming, Outgoing, advance
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.paths import make_private_dir, sync_directory

__all__ = ["Answer", "Journal", "PayloadRow", "Place", "Request", "Run", "Sent"]

SCHEMA_VERSION = 1

PAST_RUNS = 10_000
"""Of how many forgotten runs it is remembered that they are over."""

_SCHEMA = """
CREATE TABLE about (id TEXT NOT NULL) STRICT;
INSERT INTO about VALUES (lower(hex(randomblob(8))));
CREATE TABLE runs (
  run TEXT PRIMARY KEY, role TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
  ended REAL, reason TEXT, facts TEXT NOT NULL DEFAULT '{}', result TEXT, told INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE past_runs (n INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE sent (
  id TEXT PRIMARY KEY, run TEXT NOT NULL, recipient TEXT NOT NULL, ordinal INTEGER NOT NULL,
  state TEXT NOT NULL, digest BLOB NOT NULL, outline TEXT NOT NULL, meta TEXT NOT NULL,
  created REAL NOT NULL, expires REAL NOT NULL, body BLOB, envelope BLOB,
  digests TEXT NOT NULL DEFAULT '[]', refs TEXT NOT NULL DEFAULT '[]', reply BLOB, replied REAL,
  turn INTEGER NOT NULL DEFAULT 0, UNIQUE (run, recipient, ordinal)
) STRICT;
CREATE INDEX sent_open ON sent (run, state);
CREATE INDEX sent_turn ON sent (run, turn);
CREATE TABLE payloads (
  run TEXT NOT NULL, digest BLOB NOT NULL, recipient TEXT NOT NULL, id TEXT NOT NULL, key BLOB NOT NULL,
  size INTEGER NOT NULL, path TEXT NOT NULL, state TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, digest, recipient)
) STRICT;
CREATE TABLE requests (
  id TEXT PRIMARY KEY, run TEXT NOT NULL, sender TEXT NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL,
  created REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, response BLOB, payloads TEXT NOT NULL DEFAULT '[]',
  done REAL, type TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX requests_of_run ON requests (run, state);
CREATE TABLE states (run TEXT PRIMARY KEY, state BLOB NOT NULL) STRICT;
CREATE TABLE acks (
  run TEXT NOT NULL, recipient TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (run, recipient, id)
) STRICT;
CREATE TABLE quarantine (
  digest TEXT NOT NULL, owner TEXT NOT NULL, path TEXT NOT NULL, reason TEXT NOT NULL, sentence TEXT NOT NULL,
  seen REAL NOT NULL, times INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (owner, path, digest)
) STRICT;
CREATE TABLE audit_pending (n INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL) STRICT;
"""


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


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of ours.

    ``reply`` is the opened body of its answer, ``digests`` are of every envelope issued, and ``turn`` says as
    the how-manieth of its run it ended (0 while it is open).
    """

    id: str
    run: str
    recipient: str
    ordinal: int
    state: Outgoing
    digest: bytes
    outline: Mapping[str, str]
    meta: Mapping[str, Any]
    created: float
    expires: float
    body: bytes | None
    envelope: bytes | None
    digests: tuple[str, ...]
    refs: tuple[str, ...]
    reply: bytes | None
    replied: float | None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request of ours stands: the how-manieth to its recipient, and when among all of the journal."""

    id: str
    recipient: str
    ordinal: int
    position: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request of ours: the opened body, when it came, and what the audit log hears of it."""

    id: str
    reply: bytes
    when: float
    audit: Mapping[str, Any]


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


class Journal:
    """The journal of one participant for one app.

    Parameters
    ----------
    path : Path
        The SQLite file; made, with mode 0600, if it is not there.

    Raises
    ------
    SyftFlwrError
        If the file is of a later version, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._heard = 0
        self._path = path
        make_private_dir(path.parent)
        path.touch(mode=0o600)
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                crash_points.point("journal.create")
                self._db.executescript(
                    f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;"
                )
                sync_directory(path.parent)
            elif version > SCHEMA_VERSION:
                raise SyftFlwrError(
                    f"The journal {path} was written by a newer version of syft-flwr.",
                    hint="Upgrade syft-flwr on this machine.",
                )
            self._id: str = self._db.execute("SELECT id FROM about").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise DiskError(
                f"The journal {path} cannot be opened ({error}).",
                hint="Free some space there, or correct its permissions, and try again.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise SyftFlwrError(
                f"The journal {path} cannot be read ({error}).",
                hint="Restore it from a backup, or move it away to begin with an empty one; "
                "what was done is still in the audit log.",
            ) from error

    def close(self) -> None:
        """Close the file; nothing may be called after it."""
        with self._lock:
            if self._heard:
                with suppress(sqlite3.Error):  # what is heard twice is recognised
                    self._db.execute("DELETE FROM audit_pending WHERE n<=?", (self._heard,))
            self._db.close()

    @contextmanager
    def _change(self, what: str, *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction; with ``synced`` false a power cut may lose it, in order with what follows it."""
        with self._lock:
            self._db.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("DELETE FROM audit_pending WHERE n<=?", (self._heard,))
                crash_points.point(f"journal.{what}.before-commit")
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self._rollback()
                raise DiskError(
                    f"The journal {self._path} cannot be written ({error}).",
                    hint="Free some space there, or correct its permissions; nothing is lost meanwhile.",
                ) from error
            except BaseException:
                self._rollback()
                raise
            crash_points.point(f"journal.{what}.after-commit")

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def _one(self, query: str, *values: Any) -> Any:
        with self._lock:
            return self._db.execute(query, values).fetchone()

    # Runs

    def begin_run(
        self, run: str, role: str, now: float, facts: Mapping[str, Any], audit: Mapping[str, Any]
    ) -> None:
        """Note that a run begins; noting it again changes nothing."""
        with self._change("run") as db:
            done = db.execute(
                "INSERT OR IGNORE INTO runs (run, role, state, created, facts) VALUES (?, ?, 'running', ?, ?)",
                (run, role, now, json.dumps(facts)),
            )
            if done.rowcount:
                _hear(db, [audit])

    def end_run(
        self,
        run: str,
        state: str,
        now: float,
        reason: str,
        audit: Mapping[str, Any],
        result: Mapping[str, Any] | None = None,
    ) -> bool:
        """Note that a run ended (``finished``, ``failed`` or ``stopped``); False if it had already.

        What is left of it ends with it: its state is forgotten, and what was claimed will not be executed.
        """
        with self._change("end") as db:
            done = db.execute(
                "UPDATE runs SET state=?, ended=?, reason=?, result=? WHERE run=? AND ended IS NULL",
                (state, now, reason, None if result is None else json.dumps(result), run),
            )
            if done.rowcount:
                _hear(db, [audit])
                db.execute("DELETE FROM states WHERE run=?", (run,))
                after = advance(Incoming.CLAIMED, Event.WITHDRAW)
                db.execute(
                    "UPDATE requests SET state=? WHERE run=? AND state=?", (after, run, Incoming.CLAIMED)
                )
            return bool(done.rowcount)

    def untold_run(self, role: str) -> Run | None:
        """The newest run in this role, if it is complete and nobody has been told yet."""
        row = self._one(f"{_RUN} WHERE role=? ORDER BY rowid DESC LIMIT 1", role)
        run = _run(row) if row else None
        return run if run is not None and run.state == "finished" and not run.told else None

    def tell_run(self, run: str) -> None:
        """Note that the end of a run has been told: repeating the command does not tell it again."""
        with self._change("tell") as db:
            db.execute("UPDATE runs SET told=1 WHERE run=?", (run,))

    def set_run_facts(self, run: str, facts: Mapping[str, Any]) -> None:
        """Replace a run's facts."""
        with self._change("facts") as db:
            db.execute("UPDATE runs SET facts=? WHERE run=?", (json.dumps(facts), run))

    def run(self, run: str) -> Run | None:
        """One run, if it is known."""
        row = self._one(f"{_RUN} WHERE run=?", run)
        return _run(row) if row else None

    def runs(self) -> list[Run]:
        """All runs, the newest first."""
        return [_run(row) for row in self._all(f"{_RUN} ORDER BY rowid DESC")]

    def unfinished_run(self, role: str) -> Run | None:
        """The newest run in this role that has not ended."""
        # By the order of their rows: a clock that was set back must not change which run is the newest.
        row = self._one(f"{_RUN} WHERE role=? AND ended IS NULL ORDER BY rowid DESC LIMIT 1", role)
        return _run(row) if row else None

    # Requests of ours

    def add_sent(self, rows: Sequence[Sent], audit: Sequence[Mapping[str, Any]]) -> None:
        """Add requests before they are published."""
        with self._change("push") as db:
            db.executemany(
                "INSERT INTO sent (id, run, recipient, ordinal, state, digest, outline, meta, created, expires, body,"
                " envelope, digests, refs) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                [
                    (
                        s.id,
                        s.run,
                        s.recipient,
                        s.ordinal,
                        s.state,
                        s.digest,
                        json.dumps(dict(s.outline)),
                        json.dumps(dict(s.meta)),
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
            _hear(db, audit)

    def seal_sent(
        self, mid: str, envelope: bytes, digest: str, expires: float, audit: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Note the sealed bytes of a request, before they are published (again, with a new expiry)."""
        with self._change("seal") as db:
            state, digests = db.execute("SELECT state, digests FROM sent WHERE id=?", (mid,)).fetchone()
            after = advance(Outgoing(state), Event.SEAL)
            db.execute(
                "UPDATE sent SET state=?, envelope=?, digests=?, expires=? WHERE id=?",
                (after, envelope, json.dumps([*json.loads(digests), digest]), expires, mid),
            )
            _hear(db, audit)

    def answer(self, answers: Sequence[Answer]) -> None:
        """Note answers, before Flower sees them. Each will be acknowledged with the next request.

        Survives a kill, not a power cut: then it lies where it lay, unacknowledged, and is taken again. The
        next request, whose transaction is synced, makes it last.
        """
        with self._change("answer", synced=False) as db:
            for item in answers:
                state, run, recipient, meta = db.execute(
                    "SELECT state, run, recipient, meta FROM sent WHERE id=?", (item.id,)
                ).fetchone()
                after = advance(Outgoing(state), Event.ANSWER)
                carried = json.loads(meta).get("acks", ())
                db.executemany(
                    "DELETE FROM acks WHERE run=? AND recipient=? AND id=?",
                    [(run, recipient, a) for a in carried],
                )
                if after is Outgoing.ANSWERED:
                    db.execute(
                        "UPDATE sent SET state=?, reply=?, replied=?, envelope=NULL, body=NULL,"
                        f" turn={_NEXT_TURN} WHERE id=?",
                        (after, item.reply, item.when, run, item.id),
                    )
                db.execute("INSERT OR IGNORE INTO acks VALUES (?,?,?)", (run, recipient, item.id))
                _hear(db, [item.audit])

    def give_up(self, ids: Iterable[str], event: Event, audit: Sequence[Mapping[str, Any]]) -> None:
        """Note that requests were not answered in time (`Event.DEADLINE`) or are withdrawn."""
        with self._change("give-up") as db:
            for mid in ids:
                state, run = db.execute("SELECT state, run FROM sent WHERE id=?", (mid,)).fetchone()
                after = advance(Outgoing(state), event)
                db.execute(
                    f"UPDATE sent SET state=?, envelope=NULL, body=NULL, turn={_NEXT_TURN} WHERE id=?",
                    (after, run, mid),
                )
            _hear(db, audit)

    def sent(self, mid: str) -> Sent | None:
        """One request of ours."""
        row = self._one(f"{_SENT} WHERE id=?", mid)
        return _sent(row) if row else None

    def sent_at(self, run: str, recipient: str, ordinal: int) -> Sent | None:
        """The request that went to ``recipient`` as its ``ordinal``-th in this run."""
        row = self._one(f"{_SENT} WHERE run=? AND recipient=? AND ordinal=?", run, recipient, ordinal)
        return _sent(row) if row else None

    def places(self, run: str) -> list[Place]:
        """The requests that a run has pushed so far, in that order; not its stop signals."""
        rows = self._all(
            "SELECT id, recipient, ordinal, rowid FROM sent WHERE run=? AND ordinal>=0 ORDER BY rowid", run
        )
        return [Place(*row) for row in rows]

    def open_sent(self, run: str) -> list[Sent]:
        """The requests of a run that are neither answered nor given up, oldest first; not its stop signals."""
        rows = self._all(
            f"{_SENT} WHERE run=? AND ordinal>=0 AND state IN ('waiting', 'sealed') ORDER BY rowid", run
        )
        return [_sent(row) for row in rows]

    def count_sent(self, run: str) -> dict[str, int]:
        """How many requests of a run are in which state."""
        return dict(self._all("SELECT state, COUNT(*) FROM sent WHERE run=? GROUP BY state", run))

    def drop_sent(self, ids: Iterable[str], audit: Sequence[Mapping[str, Any]]) -> None:
        """Forget requests: the run goes another way, and their places are taken by others."""
        with self._change("forget") as db:
            db.executemany("DELETE FROM sent WHERE id=?", [(mid,) for mid in ids])
            _hear(db, audit)

    def due_acks(self, run: str, recipient: str, limit: int = 1000) -> list[str]:
        """Ids of consumed responses of ``recipient`` that have not been acknowledged yet."""
        query = "SELECT id FROM acks WHERE run=? AND recipient=? LIMIT ?"
        return [row[0] for row in self._all(query, run, recipient, limit)]

    # Payloads of ours

    def payload(self, run: str, digest: bytes, recipient: str) -> PayloadRow | None:
        """The payload with this content, if it was ever made in this run."""
        row = self._one(f"{_PAYLOAD} WHERE run=? AND digest=? AND recipient=?", run, digest, recipient)
        return PayloadRow(*row) if row else None

    def payloads(self, run: str | None = None) -> list[PayloadRow]:
        """The payloads of a run, or of all."""
        if run is None:
            return [PayloadRow(*row) for row in self._all(_PAYLOAD)]
        return [PayloadRow(*row) for row in self._all(f"{_PAYLOAD} WHERE run=?", run)]

    def put_payloads(self, rows: Sequence[PayloadRow]) -> None:
        """Note payloads: before they are written (``writing``), when they are there, when they are about to go."""
        if not rows:
            return
        with self._change("payload") as db:
            db.executemany(
                "INSERT OR REPLACE INTO payloads (run, digest, recipient, id, key, size, path, state, used)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                [(r.run, r.digest, r.recipient, r.id, r.key, r.size, r.path, r.state, r.used) for r in rows],
            )

    def drop_payloads(self, ids: Iterable[str]) -> None:
        """The payloads' files are gone."""
        with self._change("drop") as db:
            db.executemany("DELETE FROM payloads WHERE id=?", [(i,) for i in ids])

    # Requests to us

    def claim(self, request: Request, audit: Mapping[str, Any]) -> Request:
        """Claim a request before it is executed; the row as it stands now.

        Survives a kill, not a power cut: what was not finished is executed again in either case.
        """
        with self._change("claim", synced=False) as db:
            done = db.execute(
                "INSERT OR IGNORE INTO requests (id, run, sender, state, digest, created, type)"
                " VALUES (?,?,?,?,?,?,?)",
                (
                    request.id,
                    request.run,
                    request.sender,
                    Incoming.CLAIMED,
                    request.digest,
                    request.created,
                    request.type,
                ),
            )
            if done.rowcount:
                _hear(db, [audit])
            db.execute(
                "UPDATE requests SET attempts=attempts+1, digest=? WHERE id=? AND state='claimed'",
                (request.digest, request.id),
            )
            return _request(db.execute(f"{_REQUEST} WHERE id=?", (request.id,)).fetchone())

    def finish(
        self,
        mid: str,
        response: bytes,
        payloads: Sequence[str],
        state: bytes | None,
        now: float,
        audit: Sequence[Mapping[str, Any]],
    ) -> None:
        """Note the sealed response and the new state, together, before the response is published."""
        with self._change("finish") as db:
            before, run = db.execute("SELECT state, run FROM requests WHERE id=?", (mid,)).fetchone()
            after = advance(Incoming(before), Event.FINISH)
            db.execute(
                "UPDATE requests SET state=?, response=?, payloads=?, done=? WHERE id=?",
                (after, response, json.dumps(list(payloads)), now, mid),
            )
            if state is not None:
                db.execute("INSERT OR REPLACE INTO states VALUES (?,?)", (run, state))
            _hear(db, audit)

    def request(self, mid: str) -> Request | None:
        """One request to us."""
        row = self._one(f"{_REQUEST} WHERE id=?", mid)
        return _request(row) if row else None

    def requests(self, run: str) -> list[Request]:
        """The requests of a run to us, oldest first."""
        return [_request(row) for row in self._all(f"{_REQUEST} WHERE run=? ORDER BY rowid", run)]

    def payloads_in_use(self, run: str) -> set[str]:
        """Ids of the payloads that a response not yet consumed needs, or that the newest response has.

        The newest is kept in use though it was consumed: the next response may have the same contents.
        """
        query = (
            "SELECT payloads FROM requests WHERE run=? AND (state='done' OR id="
            "(SELECT id FROM requests WHERE run=? AND done IS NOT NULL ORDER BY done DESC LIMIT 1))"
        )
        return {payload for (text,) in self._all(query, run, run) for payload in json.loads(text)}

    def count_requests(self, run: str, message_type: str, until: str) -> int:
        """Which request of its type ``until`` is in its run, from 1, in the order in which they were claimed."""
        query = (
            "SELECT COUNT(*) FROM requests WHERE run=? AND type=?"
            " AND rowid<=(SELECT rowid FROM requests WHERE id=?)"
        )
        return int(self._one(query, run, message_type, until)[0])

    def acknowledged(self, ids: Iterable[str]) -> list[Request]:
        """Note that responses were consumed; those that had not been noted before.

        Survives a kill, not a power cut: the request that says so is still there, or its answer is noted.
        """
        fresh: list[Request] = []
        with self._change("acknowledge", synced=False) as db:
            for mid in ids:
                row = db.execute(f"{_REQUEST} WHERE id=?", (mid,)).fetchone()
                if row is None or row[3] != Incoming.DONE:
                    continue
                after = advance(Incoming(row[3]), Event.ACKNOWLEDGE)
                db.execute("UPDATE requests SET state=?, response=NULL WHERE id=?", (after, mid))
                fresh.append(_request(row))
        return fresh

    def state(self, run: str) -> bytes | None:
        """The latest state of a run."""
        row = self._one("SELECT state FROM states WHERE run=?", run)
        return bytes(row[0]) if row else None

    # What was refused

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
        with self._change("quarantine") as db:
            done = db.execute(
                "INSERT OR IGNORE INTO quarantine (digest, owner, path, reason, sentence, seen) VALUES (?,?,?,?,?,?)",
                (digest, owner, path, reason, sentence, now),
            )
            if done.rowcount:
                _hear(db, [audit])
                return True
            db.execute(
                "UPDATE quarantine SET times=times+1 WHERE owner=? AND path=? AND digest=?",
                (owner, path, digest),
            )
            return False

    def refused(self) -> list[dict[str, Any]]:
        """What was refused, the newest first."""
        rows = self._all(
            "SELECT owner, path, reason, sentence, seen, times FROM quarantine ORDER BY seen DESC"
        )
        keys = ("owner", "path", "reason", "sentence", "seen", "times")
        return [dict(zip(keys, row, strict=True)) for row in rows]

    # What the audit log must hear

    def hear(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Have the audit log hear of something that changes nothing else."""
        with self._change("hear") as db:
            _hear(db, entries)

    def audit_pending(self) -> list[tuple[int, dict[str, Any]]]:
        """What the audit log has not heard yet, oldest first, each with an event id of its own."""
        query = "SELECT n, entry FROM audit_pending WHERE n>? ORDER BY n LIMIT 500"
        rows = self._all(query, self._heard)
        # A power cut may take back numbers that the log has heard, and give them to others: hence the content.
        return [
            (n, {**json.loads(entry), "eid": f"{self._id}:{n}:{sha256(entry.encode()).hexdigest()[:12]}"})
            for n, entry in rows
        ]

    def audit_waits(self) -> bool:
        """Whether there is anything that the audit log has not heard yet."""
        return self._one("SELECT 1 FROM audit_pending WHERE n>? LIMIT 1", self._heard) is not None

    def audit_heard(self, last: int) -> None:
        """The audit log has heard everything up to ``last``; written down with the next change.

        Losing this to a crash is harmless: the log recognises what it has heard by its event id.
        """
        self._heard = max(self._heard, last)

    # Forgetting

    def prunable(self, before: float) -> list[str]:
        """The runs that `prune` would forget."""
        newest = "(SELECT rowid FROM runs ORDER BY rowid DESC LIMIT 1)"
        query = f"SELECT run FROM runs WHERE ended<? AND rowid<>{newest}"
        return [row[0] for row in self._all(query, before)]

    def prune(self, before: float) -> int:
        """Forget runs that ended before ``before``, except the newest, with all that belongs to them; how many.

        Only that they are over is remembered (`is_past`): a request of theirs that turns up is not executed.
        """
        with self._change("prune") as db:
            runs = [(run,) for run in self.prunable(before)]
            for table in ("sent", "payloads", "requests", "states", "acks", "runs"):
                db.executemany(f"DELETE FROM {table} WHERE run=?", runs)
            db.executemany("INSERT OR IGNORE INTO past_runs (run) VALUES (?)", runs)
            db.execute("DELETE FROM past_runs WHERE n<=(SELECT MAX(n) FROM past_runs)-?", (PAST_RUNS,))
            db.execute("DELETE FROM quarantine WHERE seen<?", (before,))
        if runs:
            with self._lock, suppress(sqlite3.OperationalError):  # another process has it open: next time
                self._db.execute("VACUUM")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(runs)

    def is_past(self, run: str) -> bool:
        """Whether this run was over long ago, so that nothing else is remembered of it."""
        return self._one("SELECT 1 FROM past_runs WHERE run=?", run) is not None

    def message_runs(self) -> dict[str, tuple[str, bool]]:
        """The run of every message that is known, and whether it is a stop signal."""
        rows = self._all("SELECT id, run, ordinal<0 FROM sent UNION ALL SELECT id, run, 0 FROM requests")
        return {mid: (run, bool(stop)) for mid, run, stop in rows}


_RUN = "SELECT run, role, state, created, ended, reason, facts, result, told FROM runs"
_SENT = (
    "SELECT id, run, recipient, ordinal, state, digest, outline, meta, created, expires, body, envelope,"
    " digests, refs, reply, replied, turn FROM sent"
)
_NEXT_TURN = "(SELECT MAX(turn)+1 FROM sent WHERE run=?)"
_PAYLOAD = "SELECT run, digest, recipient, id, key, size, path, state, used FROM payloads"
_REQUEST = "SELECT id, run, sender, state, digest, created, attempts, response, payloads, type FROM requests"


def _hear(db: sqlite3.Connection, entries: Iterable[Mapping[str, Any]]) -> None:
    db.executemany(
        "INSERT INTO audit_pending (entry) VALUES (?)",
        [(json.dumps(dict(entry), sort_keys=True),) for entry in entries if entry],
    )


def _run(row: Any) -> Run:
    result = None if row[7] is None else json.loads(row[7])
    return Run(row[0], row[1], row[2], row[3], row[4], row[5], json.loads(row[6]), result, bool(row[8]))


def _sent(row: Any) -> Sent:
    return Sent(
        id=row[0],
        run=row[1],
        recipient=row[2],
        ordinal=row[3],
        state=Outgoing(row[4]),
        digest=bytes(row[5]),
        outline=json.loads(row[6]),
        meta=json.loads(row[7]),
        created=row[8],
        expires=row[9],
        body=row[10],
        envelope=row[11],
        digests=tuple(json.loads(row[12])),
        refs=tuple(json.loads(row[13])),
        reply=row[14],
        replied=row[15],
        turn=row[16],
    )


def _request(row: Any) -> Request:
    return Request(
        row[0],
        row[1],
        row[2],
        Incoming(row[3]),
        row[4],
        row[5],
        row[6],
        row[7],
        tuple(json.loads(row[8])),
        row[9],
    )
