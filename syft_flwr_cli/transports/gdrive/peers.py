"""What peers have put on Google Drive for us: their folders found once, their files known by id.

A folder is found because its owner shares it with us: it must carry our mark, belong to the very account
of a peer that we were asked to look at and, where keys are known, hold an invitation that the peer has
signed. Nobody else's folders are asked for. After that only ids count. The change feed tells of news
at one call however many peers there are; it is believed only as a hint: folders are listed in turn, those
first from which something is awaited, and more of them as long as the feed has not proved itself.
"""

import base64
import binascii
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from googleapiclient.errors import HttpError

from syft_flwr_cli.transports.gdrive.changes import Changes
from syft_flwr_cli.transports.gdrive.client import DriveClient, is_verdict
from syft_flwr_cli.transports.gdrive.download import Remote
from syft_flwr_cli.transports.gdrive.errors import Verdict
from syft_flwr_cli.transports.gdrive.folders import list_all, remote_of
from syft_flwr_cli.transports.gdrive.journal import Journal
from syft_flwr_cli.transports.gdrive.names import FOLDER, MARK, in_folder, invitation, shared_by

__all__ = ["ChangeListener", "Check", "Followed", "Listener", "Peers"]

UNPROVED = 4
"""Folders that are listed at each look while the feed has not told of something that we look for."""

PROVED = 8
"""One folder is listed at every so many looks once it has."""

OWNERS_AT_ONCE = 20
"""Owners that one search names, so that it stays well below the 2048 characters of an address."""

Listener = Callable[[Remote], None]
"""Hears of a file."""

ChangeListener = Callable[[Sequence[dict[str, Any]] | None], None]
"""Hears all that the feed tells; None if it has missed something."""

Check = Callable[[str, bytes, bytes], bool | None]
"""Owner, statement, signature: whether it holds; None if the owner's key is not known yet."""


@dataclass(slots=True)
class Followed:
    """A folder of a peer that we were asked about."""

    owner: str
    key: str
    id: str | None = None
    files: dict[str, Remote] = field(default_factory=dict)
    listed: float = float("-inf")
    awaited: bool = False
    listeners: list[Listener] = field(default_factory=list)


class Peers:
    """The folders of peers. Thread-safe.

    Parameters
    ----------
    client : DriveClient
        Who asks.
    journal : Journal
        Where the ids of found folders are kept.
    own : Callable[[str], str | None]
        The id of one's own folder of a key.
    check : Check | None
        Checks the signature of an invitation.
    on_changes : Callable[[Sequence[dict] | None], None]
        Hears all that the feed tells.
    fresh : float
        Seconds for which "it is not there" is believed without asking again.
    patience : float
        Seconds for which looking is tried again before it counts as failed.
    """

    def __init__(
        self,
        client: DriveClient,
        journal: Journal,
        own: Callable[[str], str | None],
        check: Check | None,
        on_changes: ChangeListener,
        fresh: float,
        patience: float,
    ) -> None:
        self._client = client
        self._journal = journal
        self._own = own
        self._check = check
        self._on_changes = on_changes
        self._fresh = fresh
        self._patience = patience
        self._lock = threading.RLock()
        self._network = threading.RLock()
        self._folders: dict[tuple[str, str], Followed] = {}
        self._searched: dict[str, float] = {}
        self._feed = Changes(client, patience)
        self._feed_works = False
        self._feed_heard = float("-inf")
        self._untold: set[str] = set()
        self._turn = 0

    # -- asked by the transport ---------------------------------------------------------------------

    def follow(self, owner: str, key: str) -> Followed:
        """From now on, know what is in this folder."""
        with self._lock:
            one = self._folders.get((owner, key))
            if one is None:
                one = Followed(owner, key, self._journal.found(owner, key))
                self._folders[owner, key] = one
            return one

    def subscribe(self, one: Followed, listener: Listener) -> None:
        """Tell ``listener`` of every file there is, and of every one that appears or changes."""
        with self._lock:
            one.listeners.append(listener)
            one.awaited = True
            for remote in sorted(one.files.values(), key=lambda remote: (remote.created, remote.name)):
                listener(remote)

    def unsubscribe(self, one: Followed, listener: Listener) -> None:
        """Tell it no more."""
        with self._lock:
            if listener in one.listeners:
                one.listeners.remove(listener)
            one.awaited = bool(one.listeners)

    def locate(self, owner: str, key: str, name: str) -> Remote | None:
        """The file of this name, if it is there: known, or found by looking."""
        one = self.follow(owner, key)
        with self._lock:
            known = one.files.get(name)
        if known is not None:
            return known
        if one.id is None:
            self.search([owner])
        if one.id is not None and time.monotonic() - one.listed > self._fresh:
            self.refresh(one)
        with self._lock:
            return one.files.get(name)

    def forget(self, one: Followed, remote: Remote) -> None:
        """What is known of a file has proved wrong."""
        with self._lock:
            if one.files.get(remote.name) == remote:
                del one.files[remote.name]
            one.listed = float("-inf")

    def await_from(self, people: Collection[str]) -> None:
        """We have written to these people: an answer may come."""
        with self._lock:
            for one in self._folders.values():
                if one.owner in people and one.listeners:
                    one.awaited = True

    # -- looking -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Follow the feed from here on: before the first listing, so that nothing comes between them."""
        with self._network:
            self._feed.begin()

    def catch_up(self, within: float) -> bool | None:
        """Hear the feed unless that was done ``within`` so many seconds; whether there are news, or None if
        the feed is not to be relied on."""
        with self._network:
            if not self._feed_works:
                return None
            if time.monotonic() - self._feed_heard <= within:
                return False
            news = self._hear_feed()
            return news if self._feed_works else None

    def tick(self) -> bool:
        """One look for news, at a cost that does not grow with the number of peers; whether there are any."""
        with self._network:
            news = self._search_next()
            news |= self._hear_feed()
            for one in self._due():
                news |= self.refresh(one, hinted=False)
            return news

    def search(self, owners: Sequence[str]) -> bool:
        """Look for folders that these peers share with us; whether one was found that was asked for."""
        now = time.monotonic()
        with self._lock:
            asked = [owner for owner in owners if now - self._searched.get(owner, -1e9) > self._fresh]
            asked = [owner for owner in asked if owner != self._client.email]
        if not asked:
            return self._find_own() if self._client.email in owners else False
        resources = list_all(
            self._client, shared_by(asked), "look for what peers share", patience=self._patience
        )
        found = False
        with self._lock:
            self._searched.update(dict.fromkeys(asked, time.monotonic()))
            for resource in sorted(resources, key=lambda one: one["createdTime"], reverse=True):
                found |= self._found(resource)
        return found

    def refresh(self, one: Followed, *, hinted: bool = True) -> bool:
        """List a folder; whether anything in it is new.

        ``hinted`` is False where the feed ought to have told of news: if it does not do so the next time
        it is heard either, it is not relied on.
        """
        with self._lock:
            id, before = one.id, set(one.files)
        if id is None:
            return False
        try:
            resources = list_all(
                self._client, in_folder(id), f"list {one.key} of {one.owner}", patience=self._patience
            )
        except HttpError as error:
            if not is_verdict(error, Verdict.MISSING):
                raise
            with self._lock:
                self._journal.lose(one.owner, one.key)
                one.id, one.files, one.listed = None, {}, float("-inf")
            return False
        with self._lock:
            first = one.listed == float("-inf")
            one.listed = time.monotonic()
            there = [remote_of(each) for each in resources if _is_file_of(each, one.owner)]
            for name in before - {remote.name for remote in there}:
                one.files.pop(name, None)
            news = self._take(one, there)
            if not hinted and not first:
                self._untold |= news
            return bool(news)

    def _search_next(self) -> bool:
        """Search for the folders of some of the peers of whom one is missing."""
        with self._lock:
            missing = {one.owner for one in self._folders.values() if one.id is None}
            turn = sorted(missing, key=lambda owner: self._searched.get(owner, -1e9))
        return self.search(turn[:OWNERS_AT_ONCE]) if turn else False

    def _due(self) -> list[Followed]:
        """The folders to list now: never listed ones, and the next in turn."""
        with self._lock:
            heard = [one for one in self._folders.values() if one.id is not None and one.listeners]
            never = [one for one in heard if one.listed == float("-inf")]
            self._turn = (self._turn + 1) % PROVED
            count = UNPROVED if not self._feed_works else 1 if self._turn == 0 else 0
            turn = sorted(heard, key=lambda one: (not one.awaited, one.listed))
            return never or turn[:count]

    def _hear_feed(self) -> bool:
        changes, news = self._feed.read(), False
        self._feed_heard = time.monotonic()
        self._on_changes(changes)
        with self._lock:
            if changes is None:
                for one in self._folders.values():
                    one.listed = float("-inf")
            for change in changes or ():
                news |= self._hint(change)
            if self._untold - {str(change.get("fileId")) for change in changes or ()}:
                self._feed_works = False
            self._untold.clear()
        return news

    def _hint(self, change: dict[str, Any]) -> bool:
        """Take a change for what it may be; whether it is news."""
        resource = change.get("file") or {}
        if change.get("removed") or resource.get("trashed"):
            for one in self._folders.values():
                gone = [name for name, remote in one.files.items() if remote.id == change.get("fileId")]
                for name in gone:
                    del one.files[name]
            return False
        if resource.get("mimeType") == FOLDER:
            return self._found(resource)
        parents = resource.get("parents") or [None]
        for one in self._folders.values():
            if one.id is not None and one.id == parents[0] and _is_file_of(resource, one.owner):
                self._feed_works = True
                return bool(self._take(one, [remote_of(resource)]))
        return False

    def _found(self, resource: dict[str, Any]) -> bool:
        """Take a folder as a peer's if it is one that we were asked about."""
        properties = resource.get("properties", {})
        if resource.get("mimeType") != FOLDER or properties.get(MARK) != "1":
            return False
        owners = [one.get("emailAddress", "").lower() for one in resource.get("owners", [])]
        one = self._folders.get((owners[0] if owners else "", resource["name"]))
        if one is None or one.owner == self._client.email or one.id is not None:
            return False
        if not self._is_invited(one, resource["id"], properties.get("signature")):
            return False
        one.id, one.files, one.listed = resource["id"], {}, float("-inf")
        self._journal.find(one.owner, one.key, resource["id"])
        return True

    def _is_invited(self, one: Followed, id: str, signature: str | None) -> bool:
        if self._check is None:
            return True
        try:
            raw = base64.b64decode(signature or "", validate=True)
        except binascii.Error:
            return False
        return self._check(one.owner, invitation(one.owner, one.key, id), raw) is not False

    def _find_own(self) -> bool:
        with self._lock:
            mine = [one for one in self._folders.values() if one.owner == self._client.email and not one.id]
        for one in mine:
            one.id = self._own(one.key)
        return any(one.id for one in mine)

    def _take(self, one: Followed, there: Sequence[Remote]) -> set[str]:
        """Note files, tell of those that are new or have changed; their ids. Of twins the newer counts."""
        news: set[str] = set()
        for remote in sorted(there, key=lambda remote: (remote.created, remote.name)):
            known = one.files.get(remote.name)
            if known is None or _is_newer(remote, known):
                one.files[remote.name] = remote
                news.add(remote.id)
                for listener in one.listeners:
                    listener(remote)
        if news:
            one.awaited = False
        return news


def _is_newer(remote: Remote, known: Remote) -> bool:
    """Whether it is a later version of a file, or a later file of the same name."""
    if remote.id == known.id:
        return remote.version > known.version and remote != replace(known, version=remote.version)
    return remote.created >= known.created


def _is_file_of(resource: dict[str, Any], owner: str) -> bool:
    """Whether it is a file with content, and the owner's own: others may be let into a folder too."""
    owners = [one.get("emailAddress", "").lower() for one in resource.get("owners", [])]
    return owners == [owner] and "md5Checksum" in resource and int(resource.get("size", 0)) > 0
