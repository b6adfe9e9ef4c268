"""The journal of one participant for one app, put together from its families of rows.

Each family is a module beside this one and knows its own tables only; what touches several of them in one
transaction is here.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import DiskError
from syft_flwr_cli.storage.journal.audit_queue import AuditQueue, hear
from syft_flwr_cli.storage.journal.incoming import IncomingTable, end_incoming
from syft_flwr_cli.storage.journal.outgoing import OutgoingTable, end_outgoing
from syft_flwr_cli.storage.journal.payloads import PayloadTable
from syft_flwr_cli.storage.journal.rejected import RejectedTable
from syft_flwr_cli.storage.journal.runs import RunTable, forget_runs, note_end
from syft_flwr_cli.storage.journal.schema import MIGRATIONS
from syft_flwr_cli.storage.sqlite import Database

__all__ = ["Journal"]


class Journal(RunTable, OutgoingTable, PayloadTable, IncomingTable, RejectedTable, AuditQueue):
    """The journal of one participant for one app.

    Parameters
    ----------
    path : Path
        The SQLite file; made, with mode 0600, if it is not there, and migrated if it is of an earlier schema.

    Raises
    ------
    SyftFlwrError
        If the file is of a later version, or is damaged.
    DiskError
        If it cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(Database(path, MIGRATIONS, "journal", points="journal"))
        self._ended = False

    def close(self) -> None:
        """Close the file; nothing may be called after it."""
        if self._heard:
            with suppress(DiskError), self._db.change():  # what is heard twice is recognised
                pass
        self._db.close()

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

        What is left of it ends with it: its state, what its messages said and the keys in them are forgotten (see
        `erase`), and what was claimed will not be executed.
        """
        with self._db.change("end") as db:
            if not note_end(db, run, state, now, reason, result):
                return False
            hear(db, [audit])
            end_incoming(db, run)
            end_outgoing(db, run)
        self._ended = True
        return True

    def prune(self, before: float) -> int:
        """Forget runs that ended before ``before``, except the newest, with all that belongs to them; how many.

        Only that they are over is remembered (`is_past`): a request of theirs that turns up is not executed.
        """
        with self._db.change("prune") as db:
            runs = self.prunable(before)
            for table in ("sent", "payloads", "requests", "states", "acks"):
                db.executemany(f"DELETE FROM {table} WHERE run=?", [(run,) for run in runs])
            forget_runs(db, runs)
            db.execute("DELETE FROM quarantine WHERE seen<?", (before,))
        if runs:
            self._db.erase()
        return len(runs)

    def erase(self) -> None:
        """See that nothing that was forgotten can still be read from the files; not while a run goes on."""
        going_on = self._db.one("SELECT 1 FROM runs WHERE ended IS NULL LIMIT 1") is not None
        if not going_on and (self._ended or self._db.has_free_pages()):
            self._db.erase()
            self._ended = False

    def message_runs(self) -> dict[str, tuple[str, bool]]:
        """The run of every message that is known, and whether it is a stop signal."""
        query = "SELECT id, run, ordinal<0 AS stop FROM sent UNION ALL SELECT id, run, 0 FROM requests"
        return {row["id"]: (row["run"], bool(row["stop"])) for row in self._db.all(query)}
