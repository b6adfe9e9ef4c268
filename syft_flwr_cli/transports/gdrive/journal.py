"""What one participant has on Google Drive and where its peers' folders are: ids, written down first.

Names are no keys on Drive, so the id of everything is drawn and journaled before it is made, and kept.
A row says ``planned`` until the making has been confirmed; whoever finds it so makes it again under the
same id. A small SQLite file, safe against a crash of the machine and several processes. No network.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.storage.sqlite import Database, Migration, read_only, schema_of
from syft_flwr_cli.transports.base import CallCosts

__all__ = ["PLANNED", "THERE", "FileRow", "FolderRow", "Journal", "read_calls"]

PLANNED, THERE = "planned", "there"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ids (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS folders (
    key TEXT PRIMARY KEY, id TEXT NOT NULL, state TEXT NOT NULL,
    readers TEXT, listed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, key TEXT NOT NULL, id TEXT NOT NULL, size INTEGER NOT NULL,
    md5 TEXT NOT NULL, state TEXT NOT NULL, session TEXT);
CREATE INDEX IF NOT EXISTS files_by_key ON files (key);
CREATE TABLE IF NOT EXISTS found (owner TEXT, key TEXT, id TEXT NOT NULL, PRIMARY KEY (owner, key));
CREATE TABLE IF NOT EXISTS calls (
    kind TEXT PRIMARY KEY, count INTEGER, units INTEGER, sent INTEGER, received INTEGER);
"""
# "IF NOT EXISTS", because the first files of this kind bear no number of their schema.
_MIGRATIONS = (Migration(_SCHEMA, needs="0.1.0"),)
_WHAT = "record of Google Drive files"
_CALLS = "SELECT * FROM calls ORDER BY kind"


@dataclass(frozen=True, slots=True)
class FolderRow:
    """A Drive folder of one's own. ``readers`` is None while it is not known who they are; ``listed``
    says whether every file in it is in the journal."""

    key: str
    id: str
    state: str
    readers: frozenset[str] | None
    listed: bool


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of one's own; ``session`` is the address of an upload that has begun."""

    path: str
    key: str
    id: str
    size: int
    md5: str
    state: str
    session: str | None = None


class Journal:
    """The rows. Thread-safe.

    Parameters
    ----------
    directory : Path
        Where ``drive.sqlite3`` lies; made, 0700.
    """

    def __init__(self, directory: Path) -> None:
        self._db = Database(directory / "drive.sqlite3", _MIGRATIONS, _WHAT)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- ids ---------------------------------------------------------------------------------------

    def add_ids(self, ids: Sequence[str]) -> None:
        """Keep ids that Google has drawn for us."""
        with self._db.change(synced=False) as db:
            db.executemany("INSERT OR IGNORE INTO ids VALUES (?)", [(id,) for id in ids])

    def take_id(self) -> str | None:
        """An id that nobody else gets; None if there is none left."""
        with self._db.change(synced=False) as db:
            row = db.execute(
                "DELETE FROM ids WHERE id = (SELECT id FROM ids LIMIT 1) RETURNING id"
            ).fetchone()
        return str(row["id"]) if row else None

    # -- one's own folders -------------------------------------------------------------------------

    def folder(self, key: str) -> FolderRow | None:
        """The folder of this key; the root's is empty."""
        row = self._db.one("SELECT * FROM folders WHERE key = ?", key)
        return _folder(row) if row else None

    def folders(self) -> list[FolderRow]:
        """Every folder but the root."""
        rows = self._db.all("SELECT * FROM folders WHERE key != '' ORDER BY key")
        return [_folder(row) for row in rows]

    def plan_folder(self, key: str, id: str) -> FolderRow:
        """Intend to make a folder; if another process already does, its row."""
        self._run("INSERT OR IGNORE INTO folders VALUES (?, ?, ?, '[]', 1)", key, id, PLANNED, lasting=True)
        row = self.folder(key)
        assert row is not None
        return row

    def adopt_folder(self, key: str, id: str) -> None:
        """A folder that an earlier journal has made: who reads it and what is in it is not known."""
        self._run("INSERT OR REPLACE INTO folders VALUES (?, ?, ?, NULL, 0)", key, id, THERE)

    def folder_there(self, key: str) -> None:
        """The folder has been made."""
        self._run("UPDATE folders SET state = ? WHERE key = ?", THERE, key)

    def folder_read_by(self, key: str, readers: Collection[str]) -> None:
        """Who the folder is shared with now."""
        self._run("UPDATE folders SET readers = ? WHERE key = ?", json.dumps(sorted(readers)), key)

    def folder_listed(self, key: str) -> None:
        """Everything in the folder is in the journal."""
        self._run("UPDATE folders SET listed = 1 WHERE key = ?", key)

    def forget_own(self) -> None:
        """Forget folders and files: what they say is not so any more."""
        with self._db.change(synced=False) as db:
            db.execute("DELETE FROM folders")
            db.execute("DELETE FROM files")

    # -- one's own files ---------------------------------------------------------------------------

    def file(self, path: str) -> FileRow | None:
        """The file of this path."""
        row = self._db.one("SELECT * FROM files WHERE path = ?", path)
        return _file(row) if row else None

    def files_in(self, key: str) -> list[FileRow]:
        """The files of a folder."""
        return [_file(row) for row in self._db.all("SELECT * FROM files WHERE key = ?", key)]

    def put_file(self, row: FileRow) -> None:
        """Write a file down, over what was known of its path."""
        self._run(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(row.path, row.key, row.id, row.size, row.md5, row.state, row.session),
            lasting=row.state == PLANNED,
        )

    def drop_file(self, path: str) -> None:
        """Forget a file."""
        self._run("DELETE FROM files WHERE path = ?", path)

    # -- peers' folders ----------------------------------------------------------------------------

    def found(self, owner: str, key: str) -> str | None:
        """The id of a peer's folder."""
        row = self._db.one("SELECT id FROM found WHERE owner = ? AND key = ?", owner, key)
        return str(row["id"]) if row else None

    def find(self, owner: str, key: str, id: str) -> None:
        """Keep the id of a peer's folder."""
        self._run("INSERT OR REPLACE INTO found VALUES (?, ?, ?)", owner, key, id)

    def lose(self, owner: str, key: str) -> None:
        """A peer's folder is not there any more."""
        self._run("DELETE FROM found WHERE owner = ? AND key = ?", owner, key)

    # -- what it has cost --------------------------------------------------------------------------

    def add_calls(self, calls: Mapping[str, CallCosts]) -> None:
        """Add to what has been counted over all processes."""
        rows = [(kind, one.count, one.units, one.sent, one.received) for kind, one in calls.items()]
        with self._db.change(synced=False) as db:
            db.executemany(
                "INSERT INTO calls VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind) DO UPDATE SET "
                "count = count + excluded.count, units = units + excluded.units, "
                "sent = sent + excluded.sent, received = received + excluded.received",
                rows,
            )

    def calls(self) -> dict[str, CallCosts]:
        """What has been counted over all processes."""
        return _calls(self._db.all(_CALLS))

    def _run(self, statement: str, *values: object, lasting: bool = False) -> None:
        """Write; if ``lasting``, it and all before it survive a crash of the machine.

        Only intentions must last: what else is lost is found out again, and the log keeps its order.
        """
        with self._db.change(synced=lasting) as db:
            db.execute(statement, values)


def read_calls(directory: Path) -> dict[str, CallCosts]:
    """What the processes that used ``directory`` have asked of Drive so far; empty if none has."""
    file = directory.absolute() / "drive.sqlite3"
    if not file.exists():
        return {}
    # Only for looking: whoever asks must not keep a run waiting, nor make anything.
    with read_only(file, timeout=30.0) as db:
        schema_of(db, file, _MIGRATIONS, _WHAT)
        return _calls(db.execute(_CALLS).fetchall())


def read_size(directory: Path) -> int | None:
    """Bytes of the files that the processes that used ``directory`` have in Drive; None if none has used it."""
    file = directory.absolute() / "drive.sqlite3"
    if not file.exists():
        return None
    with read_only(file, timeout=30.0) as db:
        schema_of(db, file, _MIGRATIONS, _WHAT)
        row = db.execute(
            "SELECT COALESCE(SUM(size), 0) AS size FROM files WHERE state = ?", (THERE,)
        ).fetchone()
        return int(row["size"])


def _calls(rows: Sequence[sqlite3.Row]) -> dict[str, CallCosts]:
    return {row["kind"]: CallCosts(row["count"], row["units"], row["sent"], row["received"]) for row in rows}


def _file(row: sqlite3.Row) -> FileRow:
    return FileRow(
        path=row["path"],
        key=row["key"],
        id=row["id"],
        size=row["size"],
        md5=row["md5"],
        state=row["state"],
        session=row["session"],
    )


def _folder(row: sqlite3.Row) -> FolderRow:
    known = None if row["readers"] is None else frozenset(json.loads(row["readers"]))
    return FolderRow(row["key"], row["id"], row["state"], known, bool(row["listed"]))
