"""One participant's own folders on Google Drive: made once, shared with their readers, found again.

Each folder is made under an id that has been journaled before, so making it again is harmless. What an
earlier journal has made (a lost state directory, a new machine) is found by listing, folder by folder,
and taken over. Folders are shared one reader at a time, without e-mails; a reader once let in stays,
since a folder serves one purpose. Knows nothing of content.
"""

import base64
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from googleapiclient.errors import HttpError

from syft_flwr_cli.errors import TransportError, UsageError
from syft_flwr_cli.storage.crash_points import point
from syft_flwr_cli.transports.gdrive.client import DriveClient, is_verdict
from syft_flwr_cli.transports.gdrive.download import Remote
from syft_flwr_cli.transports.gdrive.errors import Verdict
from syft_flwr_cli.transports.gdrive.journal import THERE, FileRow, FolderRow, Journal
from syft_flwr_cli.transports.gdrive.listing_cache import ListingCache
from syft_flwr_cli.transports.gdrive.names import (
    FOLDER,
    MARK,
    ROOT_NAME,
    in_folder,
    invitation,
    place_of,
    quote,
)

__all__ = ["OwnFolders", "Sign", "list_all", "remote_of"]

ROOT = ""
LISTING = "id,name,mimeType,size,md5Checksum,createdTime,version,parents,owners(emailAddress),properties"
IDS_AT_ONCE = 100
PAGE = 1000

Sign = Callable[[bytes], bytes]


class OwnFolders:
    """The folders, and what lies in them. Thread-safe.

    Parameters
    ----------
    client : DriveClient
        Who asks.
    journal : Journal
        What is there.
    sign : Callable[[bytes], bytes] | None
        Signs the invitation that goes with a folder; at most 84 bytes.
    """

    def __init__(self, client: DriveClient, journal: Journal, sign: Sign | None) -> None:
        self._client = client
        self._journal = journal
        self._sign = sign
        self._lock = threading.RLock()
        self.cache = ListingCache(_own_file, time.monotonic)

    def find(self, key: str) -> FolderRow | None:
        """The folder of this key if there is one; makes none."""
        row = self._journal.folder(key)
        if row is None:
            self.root(make=False)
            row = self._journal.folder(key)
        return row if row is not None and row.state == THERE else None

    def folder(self, key: str, readers: Collection[str]) -> FolderRow:
        """The folder of this key, made and shared with ``readers`` if it is not yet."""
        row = self._journal.folder(key)
        if row is not None and row.state == THERE and row.readers is not None and row.readers >= set(readers):
            return row if row.listed else self._listed(row)
        with self._lock:
            row = self._journal.folder(key)
            if row is None or row.state != THERE:
                root = self.root(make=True)
                assert root is not None
                row = self._journal.folder(key) or self._journal.plan_folder(key, self.new_id())
                if row.state != THERE:
                    self._make(row, key, [root.id], f"make the folder {key}")
            self._share(row, readers)
            found = self._journal.folder(key)
            assert found is not None
        return found if found.listed else self._listed(found)

    def _listed(self, row: FolderRow) -> FolderRow:
        self.contents(row)
        return replace(row, listed=True)

    def _make(self, row: FolderRow, name: str, parents: list[str], doing: str) -> None:
        properties = {MARK: "1"}
        if self._sign is not None and row.key:
            signature = self._sign(invitation(self._client.email, row.key, row.id))
            properties["signature"] = base64.b64encode(signature).decode("ascii")
        meta = {"id": row.id, "name": name, "mimeType": FOLDER, "parents": parents, "properties": properties}
        point("gdrive.folder.planned")
        mark = self.cache.mark(row.key)
        request = self._client.api.files().create(body=meta, fields="id")
        try:
            self._client.call("files.create", request, doing)
        except HttpError as error:
            if not is_verdict(error, Verdict.TAKEN):
                raise
        else:
            self.cache.begin(row.key, row.id, (), mark)  # nothing is in it yet
        point("gdrive.folder.made")
        self._journal.folder_there(row.key)

    def _share(self, row: FolderRow, readers: Collection[str]) -> None:
        known = row.readers if row.readers is not None else self._permitted(row.id)
        for reader in sorted(set(readers) - known - {self._client.email}):
            body = {"type": "user", "role": "reader", "emailAddress": reader}
            request = self._client.api.permissions().create(
                fileId=row.id, body=body, sendNotificationEmail=False, fields="id"
            )
            self._client.call("permissions.create", request, f"share {row.key} with {reader}")
            point("gdrive.folder.shared")
            known = known | {reader}
            self._journal.folder_read_by(row.key, known)
        if row.readers is None or not known >= set(readers):
            self._journal.folder_read_by(row.key, known | set(readers))

    def _permitted(self, id: str) -> frozenset[str]:
        permissions = self._client.api.permissions()
        fields = "nextPageToken,permissions(emailAddress,role)"
        people: set[str] = set()
        token: str | None = None
        while True:
            request = permissions.list(fileId=id, fields=fields, pageSize=100, pageToken=token)
            answer = self._client.call("permissions.list", request, "see who reads a folder")
            people.update(
                one["emailAddress"].lower() for one in answer["permissions"] if "emailAddress" in one
            )
            token = answer.get("nextPageToken")
            if not token:
                return frozenset(people - {self._client.email})

    def root(self, *, make: bool) -> FolderRow | None:
        """The folder above all others: from the journal, found in My Drive, or made."""
        with self._lock:
            row = self._journal.folder(ROOT)
            if row is None:
                self._adopt()
                row = self._journal.folder(ROOT)
            if not make or (row is not None and row.state == THERE):
                return row
            self._check_account()
            row = row or self._journal.plan_folder(ROOT, self.new_id())
            self._make(row, ROOT_NAME, ["root"], f"make the folder {ROOT_NAME}")
            return self._journal.folder(ROOT)

    def _adopt(self) -> None:
        """Take over what an earlier journal has made."""
        q = f"{in_folder('root')} and mimeType = {quote(FOLDER)}"
        ours = [
            one
            for one in list_all(self._client, q, "look for the folder syft-flwr")
            if one["name"] == ROOT_NAME and one.get("properties", {}).get(MARK) == "1"
        ]
        if not ours:
            return
        root = min(ours, key=lambda one: (one["createdTime"], one["id"]))
        inside = list_all(
            self._client, f"{in_folder(root['id'])} and mimeType = {quote(FOLDER)}", "look around"
        )
        for folder in sorted(inside, key=lambda one: one["createdTime"]):
            if folder.get("properties", {}).get(MARK) == "1":
                self._journal.adopt_folder(folder["name"], folder["id"])
        self._journal.adopt_folder(ROOT, root["id"])

    def _check_account(self) -> None:
        """Peers look for folders owned by this participant's e-mail: it must be the account's own."""
        request = self._client.api.about().get(fields="user(emailAddress)")
        account = str(self._client.call("about.get", request, "ask who is logged in")["user"]["emailAddress"])
        if account.lower() != self._client.email:
            raise TransportError(
                f"The login for Google Drive is {account}'s, not {self._client.email}'s.",
                hint=f"Log in as the participant: syft-flwr login --email {self._client.email}; or take part "
                f"as {account.lower()}.",
            )

    def contents(self, folder: FolderRow) -> list[tuple[str, Remote]]:
        """What lies in a folder, with its path; the journal learns of it. Of twins the newest stays."""
        known = {row.path: row for row in self._journal.files_in(folder.key)}
        mark = self.cache.mark(folder.key)
        try:
            entries = list_all(self._client, in_folder(folder.id), f"list {folder.key}")
        except HttpError as error:
            if not is_verdict(error, Verdict.MISSING):
                raise
            self.cache.forget(folder.key)
            return []
        ours = [remote_of(entry) for entry in entries if "md5Checksum" in entry]
        newest: dict[str, Remote] = {}
        for remote in sorted(ours, key=lambda one: (one.created, one.id)):
            path = f"{folder.key}/{remote.name}"
            if not _is_path(path, folder.key):
                continue
            twin = newest.get(path)
            keep, drop = remote, twin
            if twin is not None and path in known and known[path].id == twin.id:
                keep, drop = twin, remote
            newest[path] = keep
            if drop is not None:
                self.delete(drop.id, f"remove a second {path}")
        # Other threads write meanwhile: only what was so before the listing may be corrected by it.
        for path, row in known.items():
            if path not in newest and row.state == THERE and self._journal.file(path) == row:
                self._journal.drop_file(path)
        for path, remote in newest.items():
            if path not in known and self._journal.file(path) is None:
                self._journal.put_file(FileRow(path, folder.key, remote.id, remote.size, remote.md5, THERE))
        self._journal.folder_listed(folder.key)
        self.cache.begin(folder.key, folder.id, newest.items(), mark)
        return list(newest.items())

    def new_id(self) -> str:
        """An id that nothing has yet."""
        while (id := self._journal.take_id()) is None:
            request = self._client.api.files().generateIds(count=IDS_AT_ONCE, space="drive", type="files")
            self._journal.add_ids(self._client.call("files.generateIds", request, "get ids for files")["ids"])
        return id

    def below(self, key: str) -> list[FolderRow]:
        """The folder ``key`` and those below it; all for an empty key."""
        self.root(make=False)
        return [
            row
            for row in self._journal.folders()
            if row.state == THERE and (not key or row.key == key or row.key.startswith(f"{key}/"))
        ]

    def delete(self, id: str, doing: str) -> None:
        """Delete a file of one's own for good; an absent one is no error."""
        try:
            self._client.call("files.delete", self._client.api.files().delete(fileId=id), doing)
        except HttpError as error:
            if not is_verdict(error, Verdict.MISSING):
                raise


def list_all(client: DriveClient, q: str, doing: str, patience: float | None = None) -> list[dict[str, Any]]:
    """All pages of a listing."""
    found: list[dict[str, Any]] = []
    token: str | None = None
    fields = f"nextPageToken,files({LISTING})"
    while True:
        request = client.api.files().list(q=q, pageSize=PAGE, pageToken=token, fields=fields)
        answer = client.call("files.list", request, doing, patience)
        found += answer.get("files", [])
        token = answer.get("nextPageToken")
        if not token:
            return found


def _is_path(path: str, key: str) -> bool:
    """Whether a file was made by us, not put there by hand."""
    try:
        return place_of(path).key == key
    except UsageError:
        return False


def _own_file(resource: Mapping[str, Any]) -> Remote | None:
    return remote_of(resource) if "md5Checksum" in resource else None


def remote_of(resource: Mapping[str, Any]) -> Remote:
    """A file of a listing."""
    return Remote(
        id=resource["id"],
        name=resource["name"],
        size=int(resource.get("size", 0)),
        md5=resource.get("md5Checksum", ""),
        created=datetime.fromisoformat(resource["createdTime"]).timestamp(),
        version=int(resource["version"]),
    )
