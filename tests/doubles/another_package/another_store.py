"""A transport that another package offers: a table in one SQLite file that everybody can open.

It stands for any package that is installed beside this one. Nothing in ``syft_flwr_cli`` knows it; its entry point
is in the ``dist-info`` folder beside it, as an installer leaves it.
"""

import io
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.transports.base import (
    BytesContent,
    Content,
    Cost,
    FileInfo,
    Properties,
    TransientError,
    Transport,
    Watch,
)
from syft_flwr_cli.transports.folder import atomic_write, posix
from syft_flwr_cli.transports.spec import Opening, Option, TransportSpec
from syft_flwr_cli.transports.wakeup import WakeupSignal

SCHEMA = """CREATE TABLE IF NOT EXISTS files (
    number INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT, path TEXT, data BLOB, created REAL, readers TEXT,
    UNIQUE (owner, path))"""


class TableTransport:
    """One participant's view of the table."""

    def __init__(self, file: Path, email: str, poll_interval: float) -> None:
        self._file = file
        self._email = names.check_email(email)
        self._wakeup = WakeupSignal(min(poll_interval, 0.05))
        with self._table() as table:
            table.execute(SCHEMA)

    @property
    def email(self) -> str:
        return self._email

    @property
    def properties(self) -> Properties:
        return Properties(inline_limit=16 * 1024, listing_cost=0.001)

    def prepare(self, path: str, readers: Collection[str]) -> None:
        """Nothing to do: who may read is decided with each file."""

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        reading = " ".join(names.check_email(reader) for reader in readers)
        path = checked(path)
        if content.size == 0:
            raise ValueError(f"{path} is empty")
        data = b"".join(bytes(chunk) for chunk in content.chunks())
        if len(data) != content.size:
            raise ValueError(f"{content.size} bytes were promised, {len(data)} came")
        with self._table() as table:
            table.execute("DELETE FROM files WHERE owner = ? AND path = ?", (self._email, path))
            table.execute(
                "INSERT INTO files (owner, path, data, created, readers) VALUES (?, ?, ?, ?, ?)",
                (self._email, path, data, time.time(), f" {reading} "),
            )

    def open(self, owner: str, path: str) -> BinaryIO:
        return io.BytesIO(self._get(owner, path))

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        data = self._get(owner, path)
        try:
            with posix.entered(destination.parent.absolute(), ()) as folder:
                atomic_write.publish(destination.name, folder, BytesContent(data))
        except OSError as error:
            raise posix.explain(error, "write", destination) from error

    def watch(self, owner: str, folder: str) -> Watch:
        return TableWatch(self, names.check_email(owner), checked(folder))

    def token(self) -> int:
        return self._wakeup.token()

    def wait(self, token: int, timeout: float) -> int:
        return self._wakeup.wait(token, timeout)

    def wake(self) -> None:
        self._wakeup.notify()

    def remove(self, path: str) -> None:
        with self._table() as table:
            table.execute("DELETE FROM files WHERE owner = ? AND path = ?", (self._email, checked(path)))

    def list_own(self, folder: str = "") -> list[tuple[str, FileInfo]]:
        start = f"{checked(folder)}/" if folder else ""
        rows = self.rows("SELECT path, length(data), created FROM files WHERE owner = ?", self._email)
        return sorted(
            (path, FileInfo(path.rsplit("/", 1)[-1], size, created))
            for path, size, created in rows
            if path.startswith(start)
        )

    def cost(self) -> Cost:
        return Cost()

    def close(self) -> None:
        self._wakeup.notify()

    def rows(self, query: str, *values: object) -> list[tuple]:
        with self._table() as table:
            return table.execute(query, values).fetchall()

    def _get(self, owner: str, path: str) -> bytes:
        found = self.rows(
            "SELECT data, readers FROM files WHERE owner = ? AND path = ?",
            names.check_email(owner),
            checked(path),
        )
        for data, readers in found:
            if owner == self._email or f" {self._email} " in readers:
                return data
        raise NotThereError(f"{owner} has no file {path} (yet).", hint=f"Wait for {owner} to write it.")

    @contextmanager
    def _table(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._file, timeout=30.0)) as table, table:
                yield table
        except sqlite3.Error as error:
            raise TransientError(f"The table {self._file} fails: {error}.", hint="Try again.") from error


class TableWatch:
    """One folder of one owner."""

    def __init__(self, transport: TableTransport, owner: str, folder: str) -> None:
        self._transport, self._owner, self._folder = transport, owner, folder
        self._newest = 0
        self._closed = False
        self._lock = threading.Lock()

    def new(self) -> list[FileInfo]:
        with self._lock:
            if self._closed:
                return []
            found = self._transport.rows(
                "SELECT number, path, length(data), created, readers FROM files"
                " WHERE owner = ? AND number > ? ORDER BY number",
                self._owner,
                self._newest,
            )
            told = []
            for number, path, size, created, readers in found:
                self._newest = number
                folder, _, name = path.rpartition("/")
                mine = self._owner == self._transport.email or f" {self._transport.email} " in readers
                if folder == self._folder and mine:
                    told.append(FileInfo(name, size, created))
            return told

    def close(self) -> None:
        with self._lock:
            self._closed = True


def checked(path: str) -> str:
    for part in path.split("/"):
        names.check_component(part)
    return path


def opened(opening: Opening) -> Transport:
    return TableTransport(Path(opening.options["file"]), opening.email, opening.poll_interval)


SPEC = TransportSpec(
    name="table",
    aliases=("sqlite",),
    options=(
        Option(
            key="file",
            variable="ANOTHER_STORE_FILE",
            is_path=True,
            missing="The file with the table is not known.",
            hint="Set ANOTHER_STORE_FILE.",
        ),
    ),
    open=opened,
)
