"""The one way to a SQLite file of ours: how it is opened, migrated, changed, read and refused.

`Database` opens a file for its owner: private, in WAL mode, its schema brought up to date by numbered
migrations in one transaction, so that a crash leaves the old schema or the new one. A file of a later
schema is refused with a sentence that says which version of syft-flwr reads it. `read_only` opens a file
for looking only: it takes no lock, makes no file and migrates nothing. Rows are mapped by name. This
module knows no table but the one in which it notes its migrations.
"""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import DiskError, SyftFlwrError
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.paths import make_private_dir, sync_directory

__all__ = ["Database", "Migration", "Table", "read_only", "schema_of"]

_NOTES = "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, needs TEXT NOT NULL) STRICT"
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,30}")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from a schema to the next.

    Parameters
    ----------
    script : str
        SQL statements, separated by semicolons; none holds one itself.
    needs : str
        The version of syft-flwr that first reads the schema that this step leads to.
    """

    script: str
    needs: str

    def statements(self) -> list[str]:
        """The statements of the script."""
        return [one.strip() for one in self.script.split(";") if one.strip()]


class Database:
    """A SQLite file of ours, open for reading and writing. Thread-safe.

    Parameters
    ----------
    path : Path
        The file; made, with mode 0600 in a directory 0700, if it is not there.
    migrations : sequence of Migration
        Migration ``n`` (from 1) leads to schema ``n``; the file has the last one afterwards.
    what : str
        What the file is, for sentences: ``journal``.
    points : str
        The first part of the names of its crash points; none if empty.

    Raises
    ------
    SyftFlwrError
        If the file has a later schema, or is damaged.
    DiskError
        If it cannot be opened or written.
    """

    def __init__(self, path: Path, migrations: Sequence[Migration], what: str, *, points: str = "") -> None:
        self.path = path
        self._what = what
        self._points = points
        self._lock = threading.RLock()
        self._before_commit: list[Callable[[sqlite3.Connection], None]] = []
        make_private_dir(path.parent)
        path.touch(mode=0o600)
        with self._explained():
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            try:
                self._open(migrations)
            except BaseException:
                self._db.close()
                raise

    def _open(self, migrations: Sequence[Migration]) -> None:
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        # What is deleted is overwritten where that costs no writing; `erase` sees to the rest.
        self._db.execute("PRAGMA secure_delete=FAST")
        if schema_of(self._db, self.path, migrations, self._what) < len(migrations):
            self._migrate(migrations)

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have done it while this one waited for its turn.
            before = schema_of(self._db, self.path, migrations, self._what)
            self._arrive("migrate" if before else "create")
            self._db.execute(_NOTES)
            for version, migration in enumerate(migrations, 1):
                if version > before:
                    for statement in migration.statements():
                        self._db.execute(statement)
                self._db.execute("INSERT OR REPLACE INTO migrations VALUES (?,?)", (version, migration.needs))
            self._db.execute(f"PRAGMA user_version={len(migrations)}")
            self._db.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise
        sync_directory(self.path.parent)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise DiskError(
                f"The {self._what} {self.path} cannot be opened ({error}).",
                hint="Free some space there, or correct its permissions, and try again.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise SyftFlwrError(
                f"The {self._what} {self.path} cannot be read ({error}).",
                hint="Restore it from a backup, or move it away to begin with an empty one; "
                "what was done is still in the audit log.",
            ) from error

    def before_commit(self, action: Callable[[sqlite3.Connection], None]) -> None:
        """Have ``action`` done as the last step of every transaction."""
        self._before_commit.append(action)

    @contextmanager
    def change(self, name: str = "", *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction, committed at the end, or rolled back if anything is raised.

        Parameters
        ----------
        name : str
            The second part of the names of its crash points.
        synced : bool
            Wait for the disk. If not, a power cut may lose it, in order with what follows it.
        """
        with self._lock:
            try:
                self._db.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                for action in self._before_commit:
                    action(self._db)
                self._arrive(f"{name}.before-commit" if name else "")
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self._rollback()
                raise DiskError(
                    f"The {self._what} {self.path} cannot be written ({error}).",
                    hint="Free some space there, or correct its permissions; nothing is lost meanwhile.",
                ) from error
            except BaseException:
                self._rollback()
                raise
            self._arrive(f"{name}.after-commit" if name else "")

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _arrive(self, point: str) -> None:
        if self._points and point:
            crash_points.point(f"{self._points}.{point}")

    def all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Every row that a query gives."""
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def one(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first row that a query gives."""
        with self._lock:
            row: sqlite3.Row | None = self._db.execute(query, values).fetchone()
            return row

    def has_free_pages(self) -> bool:
        """Whether something was deleted whose place in the file has not been used again."""
        row = self.one("PRAGMA freelist_count")
        return bool(row and row["freelist_count"])

    def erase(self) -> None:
        """See that nothing that was deleted can still be read from the file or its write-ahead log.

        Left for the next time if another process has the file open, or there is no room to do it.
        """
        with self._lock, suppress(sqlite3.OperationalError):
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file; nothing may be called after it."""
        with self._lock:
            self._db.close()


class Table:
    """The base of the families of rows: each is some tables of one database."""

    def __init__(self, db: Database) -> None:
        self._db = db


def schema_of(db: sqlite3.Connection, path: Path, migrations: Sequence[Migration], what: str) -> int:
    """The number of a file's schema; 0 while it has none.

    Raises
    ------
    SyftFlwrError
        If it is later than the last of ``migrations``.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version <= len(migrations):
        return version
    needs = "a newer version"
    with suppress(sqlite3.DatabaseError, TypeError):
        named = db.execute("SELECT needs FROM migrations WHERE version=?", (version,)).fetchone()[0]
        if _VERSION.fullmatch(str(named)):
            needs = f"{named} or later"
    raise SyftFlwrError(
        f"The {what} {path} was written by a newer version of syft-flwr: it has schema {version}, and this "
        f"version reads up to schema {len(migrations)}.",
        hint=f"Upgrade syft-flwr on this machine ({needs} is needed). Type: pip install --upgrade syft-flwr-cli",
    )


@contextmanager
def read_only(path: Path, *, timeout: float = 5.0) -> Iterator[sqlite3.Connection]:
    """Open a file for looking only, while somebody else may write to it.

    Parameters
    ----------
    path : Path
        The file; it must be there.
    timeout : float
        Seconds to wait for a lock.

    Raises
    ------
    sqlite3.Error
        If it cannot be read.
    """
    # While somebody has it open, or after a kill, its write-ahead log lies beside it and belongs to it. Where
    # there is none nobody writes, and only "immutable" keeps SQLite from making files of its own.
    alone = not path.with_name(path.name + "-wal").exists()
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=timeout)
    db.row_factory = sqlite3.Row
    try:
        yield db
    finally:
        db.close()
