"""Google Drive as a transport: everybody's outbox is a folder in their own My Drive.

A peer's folder is found because it is shared with us by its owner, and by nothing else; ids are drawn
and journaled before anything is made, so that whatever was cut short is made once and not twice. See
``docs/google-drive.md`` for what lies where. No call is made before the first method is called.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from googleapiclient.errors import HttpError

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.storage.paths import make_private_dir
from syft_flwr_cli.transports.base import CallCosts, Content, Cost, FileInfo, Properties, Watch
from syft_flwr_cli.transports.gdrive.client import DriveClient, is_verdict
from syft_flwr_cli.transports.gdrive.download import ChangedError, Downloader, Remote
from syft_flwr_cli.transports.gdrive.errors import Verdict, explain
from syft_flwr_cli.transports.gdrive.folders import OwnFolders, Sign
from syft_flwr_cli.transports.gdrive.journal import Journal
from syft_flwr_cli.transports.gdrive.names import folder_key, place_of
from syft_flwr_cli.transports.gdrive.own_files import OwnFiles
from syft_flwr_cli.transports.gdrive.peers import Check, Followed, Listener, Peers
from syft_flwr_cli.transports.gdrive.poller import Pace, Poller

__all__ = ["DriveTransport"]

T = TypeVar("T")

INLINE_LIMIT = 1 << 20
ONE_FILE = 4_900_000  # what one multipart request takes, with its envelope around it
ABANDONED = 7 * 24 * 3600.0
LOOKING_PATIENCE = 20.0
CLOSING_PATIENCE = 2.0
HEARD = 8
"""How many times the longest pause the feed may not have been heard for, to be relied on unheard."""

LOOKUPS = 8
"""How often a file is looked up that its owner replaces while it is read."""


class DriveTransport:
    """One participant's view of Google Drive.

    Parameters
    ----------
    client : DriveClient
        The participant's calls.
    state_dir : Path
        Where ids, sessions and half-way files are kept from one process to the next.
    floor, ceiling : float
        The shortest and the longest time between two looks, in seconds.
    sign : callable, optional
        Signs the invitation of a folder of ours; at most 84 bytes.
    check : callable, optional
        Checks a peer's invitation; None where its key is not known yet.
    """

    def __init__(
        self,
        client: DriveClient,
        state_dir: Path,
        *,
        floor: float,
        ceiling: float,
        sign: Sign | None = None,
        check: Check | None = None,
    ) -> None:
        self._client = client
        self._ceiling = ceiling
        spool = make_private_dir(state_dir / "spool")
        _sweep(spool)
        self._journal = Journal(state_dir)
        self._counted: Mapping[str, CallCosts] = {}
        self._saving = threading.Lock()
        self._follows = False
        folders = OwnFolders(client, self._journal, sign)
        self._own = OwnFiles(client, self._journal, folders, spool)
        self._downloads = Downloader(client, spool)
        patience = min(LOOKING_PATIENCE, client.tuning.patience)

        def own_folder(key: str) -> str | None:
            row = folders.find(key)
            return row.id if row else None

        self._cache = folders.cache
        self._peers = Peers(
            client, self._journal, own_folder, check, self._cache.record, min(floor, 2.0), patience
        )
        self._poller = Poller(self._look, Pace(floor, ceiling), client.jitter)

    @property
    def email(self) -> str:
        """Whose view this is."""
        return self._client.email

    @property
    def properties(self) -> Properties:
        """Each file costs calls, so small arrays are better bundled, up to what one request carries."""
        return Properties(inline_limit=INLINE_LIMIT, listing_cost=0.3, one_file=ONE_FILE)

    def prepare(self, path: str, readers: Collection[str]) -> None:
        """Nothing to do: who may read is decided with each file."""

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Put a file into its folder, shared with ``readers``; see `Transport.publish`."""
        people = {check_email(reader) for reader in readers}
        if content.size == 0:
            raise ValueError(f"{path} is empty: its readers would never see it.")
        try:
            self._follow()
            self._own.publish(path, content, people)
        except HttpError as error:
            raise explain(error, f"write {path}", self.email) from error
        finally:
            self._save_calls()
        self._peers.await_from(people)
        self._poller.wrote()

    def open(self, owner: str, path: str) -> BinaryIO:
        """Open a file for streaming; a large one is brought here first."""
        return self._reading(owner, path, self._downloads.open)

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        """Download a file to ``destination``, going on where an earlier try was cut."""
        target = destination.absolute()
        self._reading(owner, path, lambda remote, doing: self._downloads.fetch(remote, target, doing))

    def watch(self, owner: str, folder: str) -> Watch:
        """Begin to look at a folder of ``owner``; it need not be there yet."""
        key, prefix = folder_key(folder)
        return _DriveWatch(self, self._peers.follow(check_email(owner), key), prefix)

    def token(self) -> int:
        """A number that grows whenever something may have changed."""
        return self._poller.token()

    def wait(self, token: int, timeout: float) -> int:
        """Wait until `token()` exceeds ``token`` or ``timeout`` seconds have passed; the token now."""
        return self._poller.wait(token, timeout)

    def wake(self) -> None:
        """Let every thread that waits look again."""
        self._poller.ring()

    def remove(self, path: str) -> None:
        """Delete a file of one's own for good, past the bin; an absent one is no error."""
        try:
            self._own.remove(path)
        except HttpError as error:
            raise explain(error, f"remove {path}", self.email) from error

    def list_own(self, folder: str = "") -> list[tuple[str, FileInfo]]:
        """Every file of one's own below ``folder``, as Drive has it, with its path, sorted by path.

        While the change feed can be relied on, folders that have been listed before are not listed again.
        """
        key, prefix = folder_key(folder) if folder else ("", "")
        start = f"{key}/{prefix}" if prefix else ""
        try:
            lying = self._own.list_cached(key, self._catch_up)
        except HttpError as error:
            raise explain(error, f"list {folder or 'one’s own files'}", self.email) from error
        return sorted(
            (path, FileInfo(path.rpartition("/")[2], remote.size, remote.created))
            for path, remote in lying
            if path.startswith(start)
        )

    def close(self) -> None:
        """Let go of the thread, the connections and the journal."""
        if self._client.closed:
            return
        self._client.close()
        ended = self._poller.close(CLOSING_PATIENCE)
        self._save_calls()
        if ended:  # or else a call without an answer still wants to write down what it has cost
            self._journal.close()

    def cost(self) -> Cost:
        """Calls and quota units of this process so far."""
        kinds = self.calls().values()
        return Cost(sum(kind.count for kind in kinds), sum(kind.units for kind in kinds))

    def calls(self) -> Mapping[str, CallCosts]:
        """What this process has asked of Drive so far, by kind; `read_calls` tells of all processes."""
        return self._client.meter.snapshot()

    # -- for the watches -----------------------------------------------------------------------------

    def listen(self, followed: Followed, listener: Listener) -> None:
        """Let a watch hear of a folder, and look at it a first time."""
        self._peers.subscribe(followed, listener)
        try:
            self._follow()
            if followed.id is None:
                self._peers.search([followed.owner])
            if followed.id is not None and followed.listed == float("-inf"):
                self._peers.refresh(followed)
        except HttpError as error:
            raise explain(error, f"look into {followed.key} of {followed.owner}", self.email) from error

    def unlisten(self, followed: Followed, listener: Listener) -> None:
        """Let it hear no more."""
        self._peers.unsubscribe(followed, listener)

    def raise_failure(self) -> None:
        """Raise what has gone wrong with looking, once."""
        self._poller.raise_failure()

    # -- inside --------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Follow the feed from here on: before anything is listed or made that is to be remembered."""
        if not self._follows:
            self._peers.begin()
            self._cache.follow()
            self._follows = True

    def _catch_up(self) -> bool:
        """Whether memory may be believed; the feed is heard before, unless that was not long ago."""
        news = self._peers.catch_up(HEARD * self._ceiling)
        if news:
            self._poller.ring()
        return news is not None

    def _look(self) -> bool:
        try:
            return self._peers.tick()
        except HttpError as error:
            raise explain(error, "look for news", self.email) from error
        finally:
            self._save_calls()

    def _reading(self, owner: str, path: str, read: Callable[[Remote, str], T]) -> T:
        """Find a file and read it; again if what was known of it is out of date."""
        owner, place = check_email(owner), place_of(path)
        doing = f"read {path} of {owner}"
        for tries_left in reversed(range(LOOKUPS)):
            remote = None
            try:
                remote = self._find(owner, path)
                if remote is None:
                    break
                return read(remote, doing)
            except HttpError as error:
                if not is_verdict(error, Verdict.MISSING):
                    raise explain(error, doing, self.email) from error
            except ChangedError:
                if not tries_left:
                    raise
            self._mistaken(owner, place.key, remote)
        raise NotThereError(
            f"{owner} has no file {path} on Google Drive (yet).",
            hint=f"Wait for {owner} to write it; the folder must be shared with {self.email}.",
        )

    def _find(self, owner: str, path: str) -> Remote | None:
        place = place_of(path)
        if owner == self.email:
            return self._own.remote(path)
        return self._peers.locate(owner, place.key, place.name)

    def _mistaken(self, owner: str, key: str, remote: Remote | None) -> None:
        if remote is not None and owner != self.email:
            self._peers.forget(self._peers.follow(owner, key), remote)

    def _save_calls(self) -> None:
        with self._saving:
            now = self.calls()
            fresh = {kind: one - self._counted.get(kind, CallCosts()) for kind, one in now.items()}
            fresh = {kind: one for kind, one in fresh.items() if one.count or one.received}
            if fresh:
                self._counted = now
                self._journal.add_calls(fresh)


class _DriveWatch:
    """One folder of one peer."""

    def __init__(self, transport: DriveTransport, followed: Followed, prefix: str) -> None:
        self._transport = transport
        self._followed = followed
        self._prefix = prefix
        self._news: deque[Remote] = deque()
        self._begun = False
        self._closed = False

    def new(self) -> list[FileInfo]:
        """What has appeared or changed since the last call, oldest first; asks Drive the first time only."""
        if self._closed:
            return []
        if not self._begun:
            self._begun = True
            self._transport.listen(self._followed, self._heard)
        else:
            self._transport.raise_failure()
        latest: dict[str, Remote] = {}
        while self._news:
            remote = self._news.popleft()
            latest[remote.name] = remote
        told = sorted(latest.values(), key=lambda remote: (remote.created, remote.name))
        return [FileInfo(one.name.removeprefix(self._prefix), one.size, one.created) for one in told]

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        self._transport.unlisten(self._followed, self._heard)

    def _heard(self, remote: Remote) -> None:
        inner = remote.name.removeprefix(self._prefix)
        if remote.name.startswith(self._prefix) and "/" not in inner:
            self._news.append(remote)


def _sweep(spool: Path) -> None:
    """Remove what half-way transfers of long ago have left."""
    oldest = time.time() - ABANDONED
    for left in spool.iterdir():
        with suppress(OSError):
            if left.stat().st_mtime < oldest:
                left.unlink()
