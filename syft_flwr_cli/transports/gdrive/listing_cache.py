"""What lies in one's own folders on Google Drive, remembered so that asking again need not list them again.

Begun by a listing (or by the making of a folder, when there is nothing in it), kept true by one's own writes
and by what the change feed tells of others' hands. It is a memory and no proof: whoever asks decides how
long it is believed. What is not certain is forgotten, and then listed. Thread-safe; makes no calls.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syft_flwr_cli.transports.gdrive.download import Remote

__all__ = ["ListingCache", "Read"]

Read = Callable[[Mapping[str, Any]], Remote | None]
"""A resource as a file with content; None if it is none."""


@dataclass(slots=True)
class _Listing:
    folder: str
    listed: float
    files: dict[str, Remote] = field(default_factory=dict)


class ListingCache:
    """The files of one's own folders, by the key of the folder and the path of the file.

    Parameters
    ----------
    read : Callable[[Mapping[str, Any]], Remote | None]
        Reads a file of the feed.
    clock : Callable[[], float]
        Seconds, never going back.
    """

    def __init__(self, read: Read, clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._listings: dict[str, _Listing] = {}
        self._writes: dict[str, int] = {}
        self._heard = 0
        self._removed: set[str] = set()
        self._following = False

    def follow(self) -> None:
        """The feed tells of everything from here on: what is listed after this may be remembered."""
        with self._lock:
            self._following = True

    def mark(self, key: str) -> tuple[int, int]:
        """To be taken before a folder is listed, and given to `begin`."""
        with self._lock:
            return self._writes.get(key, 0), self._heard

    def begin(
        self, key: str, folder: str, files: Iterable[tuple[str, Remote]], mark: tuple[int, int]
    ) -> None:
        """A listing; forgotten at once if there was a write, or news in the feed, while it was made."""
        with self._lock:
            self._listings.pop(key, None)
            if self._following and (self._writes.get(key, 0), self._heard) == mark:
                self._listings[key] = _Listing(folder, self._clock(), dict(files))

    def files(self, key: str) -> tuple[list[tuple[str, Remote]], float] | None:
        """What lies there, and how many seconds ago it was listed; None if that is not known."""
        with self._lock:
            listing = self._listings.get(key)
            return (list(listing.files.items()), self._clock() - listing.listed) if listing else None

    def written(self, key: str, path: str, remote: Remote) -> None:
        """We have put this file there."""
        with self._lock:
            self._writes[key] = self._writes.get(key, 0) + 1
            if listing := self._listings.get(key):
                listing.files[path] = remote

    def removed(self, key: str, path: str, id: str) -> None:
        """We have deleted this file."""
        with self._lock:
            self._writes[key] = self._writes.get(key, 0) + 1
            listing = self._listings.get(key)
            if listing and listing.files.get(path) and listing.files.pop(path).id == id:
                self._removed.add(id)  # the feed may be late and still show it

    def forget(self, key: str) -> None:
        """Something may have been written there, or not."""
        with self._lock:
            self._writes[key] = self._writes.get(key, 0) + 1
            self._listings.pop(key, None)

    def record(self, changes: Sequence[Mapping[str, Any]] | None) -> None:
        """What the feed tells; None if it has missed something."""
        with self._lock:
            if changes is None:
                self._listings.clear()
            self._heard += changes is None or bool(changes)
            for change in changes or ():
                self._hear(change)

    def _hear(self, change: Mapping[str, Any]) -> None:
        id, resource = str(change.get("fileId")), change.get("file") or {}
        gone = bool(change.get("removed") or resource.get("trashed"))
        parent = None if gone else (resource.get("parents") or [None])[0]
        if gone:
            self._removed.discard(id)
        for key, listing in list(self._listings.items()):
            if gone and listing.folder == id:
                del self._listings[key]
                continue
            known = {remote.id: path for path, remote in listing.files.items()}.get(id)
            if known is not None and parent != listing.folder:
                del listing.files[known]
            elif parent == listing.folder and id not in self._removed:
                self._put(key, listing, known, self._read(resource))

    def _put(self, key: str, listing: _Listing, known: str | None, remote: Remote | None) -> None:
        """A file in one of our folders: new, changed, or as it was."""
        if remote is None:
            return
        path = f"{key}/{remote.name}"
        if known not in (None, path) or (known is None and path in listing.files):
            del self._listings[key]  # renamed, or a second of that name: a listing settles it
        elif known is None or remote.version > listing.files[path].version:
            listing.files[path] = remote
