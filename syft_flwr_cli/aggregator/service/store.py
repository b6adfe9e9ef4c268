"""What the service remembers: submitted runs, projects made of app bundles, and whose token is whose.

One SQLite file. A token is kept as its SHA-256 only. Rows are values; what may follow what is in ``states``.
"""

import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.aggregator.service.states import Event, State, decide
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.storage.sqlite import Database, Migration

__all__ = ["MAX_USER", "RunRecord", "ServiceStore", "TokenRecord"]

MAX_USER = 64

_MIGRATIONS = (
    Migration(
        """
        CREATE TABLE runs (
            run_id INTEGER PRIMARY KEY,
            place INTEGER NOT NULL UNIQUE,
            project TEXT NOT NULL,
            app_name TEXT NOT NULL,
            fab_id TEXT NOT NULL,
            fab_version TEXT NOT NULL,
            fab_hash TEXT NOT NULL,
            digest TEXT NOT NULL,
            federation TEXT NOT NULL,
            user TEXT NOT NULL,
            run_config TEXT NOT NULL,
            priority INTEGER NOT NULL,
            state TEXT NOT NULL,
            detail TEXT NOT NULL,
            submitted REAL NOT NULL,
            started REAL,
            began REAL,
            ended REAL,
            pid INTEGER,
            pid_began TEXT,
            server_run TEXT
        ) STRICT;
        CREATE INDEX runs_by_state ON runs (state);
        CREATE TABLE tokens (
            user TEXT PRIMARY KEY,
            digest TEXT NOT NULL,
            is_admin INTEGER NOT NULL,
            created REAL NOT NULL,
            withdrawn REAL
        ) STRICT
        """,
        "0.1.0",
    ),
    # A run's process is known by the lock that it holds.
    Migration("ALTER TABLE runs DROP COLUMN pid; ALTER TABLE runs DROP COLUMN pid_began", "0.1.0"),
    # The messages of a run carry the id that the service gave it; what has ended keeps what it was.
    Migration("ALTER TABLE runs RENAME COLUMN server_run TO former_id", "0.2.0"),
)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A submitted run. Times in seconds since 1970; ``began`` is when its process was started first.

    ``place`` is its number in the order of submission. ``former_id`` is what the messages of a run carry that was begun
    before they carried its own id.
    """

    run_id: int
    place: int
    project: Path
    app_name: str
    fab_id: str
    fab_version: str
    fab_hash: str
    digest: str
    federation: str
    user: str
    run_config: Mapping[str, Any]
    priority: int
    state: State
    detail: str
    submitted: float
    started: float | None = None
    began: float | None = None
    ended: float | None = None
    former_id: str | None = None

    @property
    def messages_run(self) -> str:
        """The id that the run's messages carry."""
        return self.former_id or str(self.run_id)


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """Whose token there is; seconds since 1970."""

    user: str
    is_admin: bool
    created: float
    withdrawn: float | None


class ServiceStore:
    """See the module's first paragraph. Thread-safe.

    Parameters
    ----------
    directory : Path
        The service's own directory, 0700.
    """

    def __init__(self, directory: Path) -> None:
        self._db = Database(directory / "service.sqlite3", _MIGRATIONS, "record of the service")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, run: RunRecord) -> RunRecord:
        """Take a run in, at the end of the queue; its record with its place."""
        with self._db.change() as db:
            place = int(db.execute("SELECT COALESCE(MAX(place), 0) + 1 FROM runs").fetchone()[0])
            db.execute(
                "INSERT INTO runs (run_id, place, project, app_name, fab_id, fab_version, fab_hash, digest, federation,"
                " user, run_config, priority, state, detail, submitted) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    *(run.run_id, place, str(run.project), run.app_name, run.fab_id, run.fab_version),
                    *(run.fab_hash, run.digest, run.federation, run.user, json.dumps(dict(run.run_config))),
                    *(run.priority, str(run.state), run.detail, run.submitted),
                ),
            )
        added = self.run(run.run_id)
        assert added is not None
        return added

    def run(self, run_id: int) -> RunRecord | None:
        """One run."""
        rows = self._rows("SELECT * FROM runs WHERE run_id = ?", (run_id,))
        return rows[0] if rows else None

    def runs(self, user: str | None = None, limit: int | None = None, skip: int = 0) -> list[RunRecord]:
        """The newest first; of one user, or of all."""
        where, values = ("WHERE user = ?", [user]) if user is not None else ("", [])
        return self._rows(
            f"SELECT * FROM runs {where} ORDER BY place DESC LIMIT ? OFFSET ?",
            [*values, -1 if limit is None else limit, skip],
        )

    def open_runs(self) -> list[RunRecord]:
        """Those that have not come to an end, in the order in which they are to be served."""
        return self._rows(
            "SELECT * FROM runs WHERE state IN ('queued', 'running', 'stopping') ORDER BY priority DESC, place",
            (),
        )

    def apply(self, run_id: int, event: Event, now: float, detail: str = "") -> RunRecord | None:
        """Write the state that follows; None if there is no such run. `NoSuchStepError` if nothing follows."""
        with self._db.change() as db:
            row = db.execute("SELECT state FROM runs WHERE run_id = ?", (run_id,)).fetchone()
            if row is None:
                return None
            after, _ = decide(State(row["state"]), event)
            db.execute(
                "UPDATE runs SET state = ?, detail = ?, ended = CASE WHEN ? THEN ? ELSE ended END WHERE run_id = ?",
                (str(after), detail, after.is_final, now, run_id),
            )
        return self.run(run_id)

    def set_started(self, run_id: int, now: float) -> None:
        """Note when its process was started first."""
        with self._db.change() as db:
            db.execute(
                "UPDATE runs SET started = COALESCE(started, ?), began = COALESCE(began, ?) WHERE run_id = ?",
                (now, now, run_id),
            )

    def set_detail(self, run_id: int, detail: str) -> None:
        """Note what it is waiting for."""
        with self._db.change(synced=False) as db:
            db.execute("UPDATE runs SET detail = ? WHERE run_id = ?", (detail, run_id))

    def add_token(self, user: str, is_admin: bool, now: float) -> str:
        """A new token for a user, in place of the one before.

        Raises
        ------
        UsageError
            If the name is empty or too long.
        """
        if not user.isprintable() or not 0 < len(user) <= MAX_USER:
            raise UsageError(
                f"{user[:80]!r} is no user's name.", hint=f"Take 1 to {MAX_USER} printable characters."
            )
        token = secrets.token_urlsafe(32)
        with self._db.change() as db:
            db.execute(
                "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, NULL)",
                (user, _digest(token), is_admin, now),
            )
        return token

    def withdraw_token(self, user: str, now: float) -> None:
        """End a user's token.

        Raises
        ------
        UsageError
            If the user has none.
        """
        with self._db.change() as db:
            changed = db.execute(
                "UPDATE tokens SET withdrawn = ? WHERE user = ? AND withdrawn IS NULL", (now, user)
            ).rowcount
        if not changed:
            raise UsageError(f"{user} has no token.", hint="See whose there are: syft-flwr serve token list")

    def tokens(self) -> list[TokenRecord]:
        """Every user's token, without the token."""
        rows = self._db.all("SELECT * FROM tokens ORDER BY user")
        return [
            TokenRecord(row["user"], bool(row["is_admin"]), row["created"], row["withdrawn"]) for row in rows
        ]

    def user_of(self, token: str) -> TokenRecord | None:
        """Whose token this is; None if it is nobody's, or was withdrawn."""
        digest = _digest(token)
        rows = self._db.all("SELECT * FROM tokens WHERE withdrawn IS NULL")
        found = None
        for row in rows:
            if hmac.compare_digest(row["digest"], digest):
                found = TokenRecord(row["user"], bool(row["is_admin"]), row["created"], None)
        return found

    def _rows(self, query: str, values: Sequence[Any]) -> list[RunRecord]:
        return [_run(row) for row in self._db.all(query, *values)]


def _run(row: sqlite3.Row) -> RunRecord:
    fields = {name: row[name] for name in row.keys()}  # noqa: SIM118
    fields["project"] = Path(fields["project"])
    fields["run_config"] = json.loads(fields["run_config"])
    fields["state"] = State(fields["state"])
    return RunRecord(**fields)


def _digest(token: str) -> str:
    return hashlib.sha256(f"syft-flwr/service-token/1\0{token}".encode()).hexdigest()
