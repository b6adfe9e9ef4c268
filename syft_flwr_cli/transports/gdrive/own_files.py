"""One participant's own files on Google Drive: written under journaled ids, replaced, removed.

A file's id is drawn and journaled before it is made, so making it again is harmless: a 409 on our own id
is a success once size and checksum agree. What has been published before is asked after, not assumed.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from googleapiclient.errors import HttpError

from syft_flwr_cli.storage.crash_points import point
from syft_flwr_cli.transports.base import Content
from syft_flwr_cli.transports.gdrive.client import DriveClient, is_verdict
from syft_flwr_cli.transports.gdrive.download import Remote
from syft_flwr_cli.transports.gdrive.errors import Verdict
from syft_flwr_cli.transports.gdrive.folders import OwnFolders, remote_of
from syft_flwr_cli.transports.gdrive.journal import PLANNED, THERE, FileRow, FolderRow, Journal
from syft_flwr_cli.transports.gdrive.names import place_of
from syft_flwr_cli.transports.gdrive.upload import Spooled, Uploader, spooled

__all__ = ["OwnFiles"]

BELIEVED = 600.0
"""Seconds after which a folder is listed again although nothing speaks against what is remembered."""

APART = 60.0
"""Seconds between two such listings, so that many folders do not fall due together."""


class OwnFiles:
    """What is one's own. Thread-safe.

    Parameters
    ----------
    client : DriveClient
        Who asks.
    journal : Journal
        What is there.
    folders : OwnFolders
        Where it lies.
    spool : Path
        Where large content waits while it is sent.
    """

    def __init__(self, client: DriveClient, journal: Journal, folders: OwnFolders, spool: Path) -> None:
        self._client = client
        self._journal = journal
        self._folders = folders
        self._spool = spool
        self._uploader = Uploader(client)
        self._guard = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}
        self._listed = float("-inf")

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Have ``content`` lie at ``path``, readable by ``readers``; see `Transport.publish`."""
        place = place_of(path)
        with self._alone(path), self._uncertain(place.key):
            try:
                self._publish(path, place.key, place.name, content, readers)
            except HttpError as error:
                # Somebody has deleted our folders by hand: look what is left, and make them anew.
                if not is_verdict(error, Verdict.MISSING):
                    raise
                self._journal.forget_own()
                self._folders.cache.record(None)
                self._publish(path, place.key, place.name, content, readers)

    def _publish(self, path: str, key: str, name: str, content: Content, readers: Collection[str]) -> None:
        folder = self._folders.folder(key, readers)
        row = self._journal.file(path)
        doing = f"write {path}"
        token = hashlib.sha256(path.encode()).hexdigest()[:32]
        with spooled(content, self._spool, f"{token}.up") as ready:
            if row is not None and row.state == THERE:
                if self._is_there(row, ready):
                    return
                # Another content: replaced under its id, or anew if somebody has deleted it.
                if self._is_alive(row.id):
                    self._replace(replace(row, size=ready.size, md5=ready.md5, state=PLANNED), ready, doing)
                    return
                row = None
            if row is None:
                row = FileRow(path, key, self._folders.new_id(), ready.size, ready.md5, PLANNED)
            elif (row.size, row.md5) != (ready.size, ready.md5):
                row = replace(row, size=ready.size, md5=ready.md5, session=None)
            self._journal.put_file(row)
            point("gdrive.publish.planned")
            self._create(row, folder.id, name, ready, doing)

    def _create(self, row: FileRow, folder: str, name: str, ready: Spooled, doing: str) -> None:
        made: dict[str, Any] | None = None
        meta = {"id": row.id, "name": name, "parents": [folder], "mimeType": "application/octet-stream"}
        try:
            made = self._uploader.send(ready, None, meta, doing, row.session, self._keeper(row))
        except HttpError as error:
            if not is_verdict(error, Verdict.TAKEN):
                raise
            # It has been made by a call whose answer was lost. Or it was made and deleted since.
            if not self._is_alive(row.id):
                row = replace(row, id=self._folders.new_id(), session=None)
                self._journal.put_file(row)
                self._create(row, folder, name, ready, doing)
                return
            if not self._is_there(row, ready):
                self._replace(replace(row, session=None), ready, doing)
                return
        self._settle(row, made)

    def _replace(self, row: FileRow, ready: Spooled, doing: str) -> None:
        # A row that is planned, of a file that exists, is compared and replaced again after a crash.
        self._journal.put_file(row)
        point("gdrive.replace.planned")
        made = self._uploader.send(ready, row.id, {}, doing, row.session, self._keeper(row))
        self._settle(row, made)

    def _settle(self, row: FileRow, made: dict[str, Any] | None) -> None:
        if made is None or not made.keys() >= {"name", "createdTime", "version"}:
            self._folders.cache.forget(row.key)
        else:
            self._folders.cache.written(row.key, row.path, remote_of(made))
        point("gdrive.publish.written")
        self._journal.put_file(replace(row, state=THERE, session=None))
        point("gdrive.publish.done")

    def _keeper(self, row: FileRow) -> Callable[[str | None], None]:
        return lambda session: self._journal.put_file(replace(row, session=session))

    def _is_there(self, row: FileRow, ready: Spooled) -> bool:
        """Whether Drive has just this content under the row's id."""
        if row.state == THERE and (row.size, row.md5) != (ready.size, ready.md5):
            return False
        found = self._look(row.id)
        return found is not None and (int(found.get("size", -1)), found.get("md5Checksum")) == (
            ready.size,
            ready.md5,
        )

    def _is_alive(self, id: str) -> bool:
        return self._look(id) is not None

    def _look(self, id: str) -> dict[str, Any] | None:
        request = self._client.api.files().get(fileId=id, fields="id,size,md5Checksum,trashed")
        try:
            found: dict[str, Any] = self._client.call("files.get", request, "look at a file")
        except HttpError as error:
            if not is_verdict(error, Verdict.MISSING):
                raise
            return None
        return None if found.get("trashed") else found

    def remove(self, path: str) -> None:
        """Delete the file at ``path`` for good; an absent one is no error."""
        key = place_of(path).key
        with self._alone(path):
            row = self._journal.file(path)
            if row is None:
                folder = self._folders.find(key)
                if folder is None or folder.listed:
                    return
                self._folders.contents(folder)
                row = self._journal.file(path)
            if row is None:
                return
            point("gdrive.remove.begin")
            with self._uncertain(key):
                self._folders.delete(row.id, f"remove {path}")
            self._folders.cache.removed(key, path, row.id)
            point("gdrive.remove.deleted")
            self._journal.drop_file(path)

    def remote(self, path: str) -> Remote | None:
        """A file of one's own, to be read back."""
        row = self._journal.file(path)
        if row is None:
            folder = self._folders.find(place_of(path).key)
            if folder is not None and not folder.listed:
                self._folders.contents(folder)
                row = self._journal.file(path)
        if row is None or row.state != THERE:
            return None
        return Remote(row.id, place_of(path).name, row.size, row.md5, 0.0, 0)

    def list_cached(self, key: str, believed: Callable[[], bool]) -> list[tuple[str, Remote]]:
        """Every file whose folder is ``key`` or below it, with its path, as Drive has them.

        What is remembered of a folder is taken for true if ``believed`` says that memory can be; but now
        and then, one after the other, folders are listed all the same.
        """
        return [item for folder in self._folders.below(key) for item in self._contents(folder, believed)]

    def _contents(self, folder: FolderRow, believed: Callable[[], bool]) -> list[tuple[str, Remote]]:
        now = time.monotonic()
        known = self._folders.cache.files(folder.key)
        old = known is not None and known[1] > BELIEVED and now - self._listed > APART
        if known is not None and not old and believed():
            known = self._folders.cache.files(folder.key)  # as it is now that the feed has been heard
            if known is not None:
                return known[0]
        self._listed = now
        return self._folders.contents(folder)

    @contextmanager
    def _uncertain(self, key: str) -> Iterator[None]:
        """What fails may have been done all the same."""
        try:
            yield
        except BaseException:
            self._folders.cache.forget(key)
            raise

    @contextmanager
    def _alone(self, path: str) -> Iterator[None]:
        with self._guard:
            lock = self._busy.setdefault(path, threading.Lock())
        with lock:
            yield
