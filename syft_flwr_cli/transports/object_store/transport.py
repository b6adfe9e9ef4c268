"""An object store as a transport: one bucket, or a prefix of one, in which each participant has a space.

One writer per space, so nothing depends on conditional writes, which some compatible services ignore. A file is
one object, or parts and a marker (see `keys`), and is visible all at once either way. Nobody is woken by
the store: folders are listed by prefix, quickly after something happened and then ever less often. The readers named
to `publish` are checked but cannot be enforced here: who may read which space is for the policy of
the bucket, and the messages are sealed.
"""

import os
import secrets
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import obstore
from obstore.store import ObjectStore

from syft_flwr_cli.errors import NotThereError, TransportError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.transports.base import Content, Cost, FileInfo, Properties, Usage, Watch
from syft_flwr_cli.transports.object_store.errors import explained
from syft_flwr_cli.transports.object_store.keys import (
    PART_SIZE,
    decode,
    encode,
    object_key,
    parse_marker,
    part_key,
)
from syft_flwr_cli.transports.object_store.stream import open_object, open_parts
from syft_flwr_cli.transports.object_store.upload import Uploader
from syft_flwr_cli.transports.wakeup import WakeupSignal

__all__ = ["ObjectStoreTransport"]

CHUNK = 1 << 20
"""Bytes copied at once by `fetch`."""

QUICKEST = 0.2
"""Seconds between two looks right after something has happened: a listing is a paid request."""


class ObjectStoreTransport:
    """One participant's view of a bucket.

    Parameters
    ----------
    store : ObjectStore
        The bucket, below the federation's prefix.
    name : str
        The store as the user named it, for sentences.
    email : str
        Whose view this is.
    state_dir : Path
        Where unfinished uploads are noted.
    poll_interval : float
        Seconds between two looks at the most.
    part : int
        Bytes of a part of a large file.
    """

    def __init__(
        self,
        store: ObjectStore,
        name: str,
        email: str,
        state_dir: Path,
        poll_interval: float = 3.0,
        part: int = PART_SIZE,
    ) -> None:
        self._store, self._name, self._part = store, name, part
        self._email = names.check_email(email)
        self._signal = WakeupSignal(poll_interval, min(QUICKEST, poll_interval))
        self._uploader = Uploader(store, name, self._email, state_dir / "uploads", part)
        self._calls = 0
        self._lock = threading.Lock()
        self._large = self._sweep()

    @property
    def email(self) -> str:
        """Whose view this is."""
        return self._email

    @property
    def properties(self) -> Properties:
        """A request costs tens of milliseconds, so that larger arrays stay inside their message."""
        return Properties(inline_limit=256 * 1024, listing_cost=0.03, one_file=self._part)

    def prepare(self, path: str, readers: Collection[str]) -> None:
        """Nothing to do: the policy of the bucket decides who may read."""

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Write an object, or parts and then their marker."""
        for reader in readers:
            names.check_email(reader)
        if content.size == 0:
            raise ValueError(f"{path} is empty: its readers would never see it.")
        key = object_key(self._email, path)
        self._count()
        marker = self._uploader.put(key, content)
        with self._lock:
            before = self._large.pop(key, None)
            if marker is not None:
                self._large[key] = marker
        if marker is not None:
            self._delete(key)
        if before is not None and before != marker:
            self._delete_large(before)
        self._signal.reset_backoff()

    def open(self, owner: str, path: str) -> BinaryIO:
        """Open a file for streaming, with bounded memory."""
        key = object_key(owner, path)
        self._count()
        try:
            return cast(BinaryIO, open_object(self._store, self._name, key))
        except NotThereError:
            large = [found for found in self._list(f"{key},,") if parse_marker(found["path"])]
        if not large:
            raise NotThereError(f"{owner} has no file {path} (yet).", hint=f"Wait for {owner} to write it.")
        newest = max(large, key=lambda found: (found["last_modified"], found["path"]))
        marker = parse_marker(newest["path"])
        assert marker is not None
        return cast(BinaryIO, open_parts(self._store, self._name, names.check_email(owner), marker))

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        """Copy the file to ``destination``, all of it or nothing."""
        temporary = destination.with_name(f".{destination.name}.{secrets.token_hex(6)}.tmp")
        with self.open(owner, path) as source:
            try:
                with temporary.open("xb") as target:
                    temporary.chmod(0o600)
                    while chunk := source.read(CHUNK):
                        target.write(chunk)
                    target.flush()
                    os.fsync(target.fileno())
                temporary.replace(destination)
            except OSError as error:
                if isinstance(error, TransportError):
                    raise
                raise TransportError(
                    f"{destination} cannot be written: {error.strerror}.",
                    hint="Make room, or let the folder be written.",
                ) from error
            finally:
                temporary.unlink(missing_ok=True)

    def watch(self, owner: str, folder: str) -> Watch:
        """Begin to look at a folder; it need not be there."""
        return _PrefixWatch(self, object_key(owner, folder), self._signal)

    def token(self) -> int:
        """A number that grows whenever something may have changed."""
        return self._signal.token()

    def wait(self, token: int, timeout: float) -> int:
        """Wait until `token()` exceeds ``token`` or ``timeout`` seconds have passed; the token now."""
        return self._signal.wait(token, timeout)

    def wake(self) -> None:
        """Let every thread that waits look again."""
        self._signal.notify()

    def remove(self, path: str) -> None:
        """Remove a file of one's own, with its parts; an absent one is no error."""
        key = object_key(self._email, path)
        with self._lock:
            large = self._large.pop(key, None)
        if large is not None:
            self._delete_large(large)
        self._delete(key)

    def list_own(self, folder: str = "") -> list[tuple[str, FileInfo]]:
        """Every file of one's own below ``folder``, with its path, sorted by path."""
        start = object_key(self._email, folder) if folder else encode(self._email)
        own = f"{encode(self._email)}/"
        found: dict[str, FileInfo] = {}
        for item in self._list(f"{start}/"):
            key = item["path"].removeprefix(own)
            if not key.startswith(".parts/"):
                path, entry = _entry(key, item)
                found.setdefault(path, entry)
        return sorted(found.items())

    def cost(self) -> Cost:
        """Requests so far; each counts for one unit."""
        with self._lock:
            return Cost(self._calls, self._calls)

    def usage(self, folder: str = "") -> Usage:
        """How much of one's own lies below ``folder``."""
        sizes = [entry.size for _, entry in self.list_own(folder)]
        return Usage(files=len(sizes), bytes=sum(sizes))

    def close(self) -> None:
        """Let go those who wait."""
        self._signal.notify()

    def level(self, prefix: str) -> list[tuple[str, FileInfo, str]]:
        """The files right below a prefix: name, facts and version, oldest first."""
        self._count()
        with explained(self._name, f"list {prefix}"):
            listed = obstore.list_with_delimiter(self._store, f"{prefix}/")["objects"]
        files: dict[str, tuple[str, FileInfo, str]] = {}
        for item in listed:
            key = str(item["path"]).removeprefix(f"{prefix}/")
            large = parse_marker(key) is not None
            name, entry = _entry(key, item)
            if "/" in key or item["size"] == 0 or (large and name in files):
                continue
            files[name] = (name, entry, f"{key if large else item['e_tag']} {entry.created}")
        return sorted(files.values(), key=lambda found: (found[1].created, found[0]))

    def _sweep(self) -> dict[str, str]:
        """The markers of one's own by the key of their file; parts that belong to nothing are removed."""
        own = f"{encode(self._email)}/"
        large: dict[str, str] = {}
        uploads: dict[str, list[str]] = {}
        kept = self._uploader.unfinished()
        for item in self._list(own):
            key = str(item["path"])
            if key.startswith(f"{own}.parts/"):
                uploads.setdefault(key.removeprefix(f"{own}.parts/").split("/")[0], []).append(key)
            elif (marker := parse_marker(key)) is not None:
                large[encode(marker.name)] = key
                kept.add(marker.upload)
        lost = [key for upload, keys in uploads.items() if upload not in kept for key in keys]
        if lost:
            with explained(self._name, "remove parts of an upload that was given up"):
                obstore.delete(self._store, lost)
        return large

    def _list(self, prefix: str) -> Iterator[dict[str, Any]]:
        self._count()
        with explained(self._name, f"list {prefix}"):
            for page in obstore.list(self._store, _folder_of(prefix)):
                for item in page:
                    if str(item["path"]).startswith(prefix):
                        yield cast(dict[str, Any], item)

    def _delete(self, key: str) -> None:
        self._count()
        try:
            with explained(self._name, f"remove {key}"):
                obstore.delete(self._store, key)
        except NotThereError:
            return

    def _delete_large(self, key: str) -> None:
        self._delete(key)
        marker = parse_marker(key)
        assert marker is not None
        for number in range(marker.parts):
            self._delete(part_key(self._email, marker.upload, number))

    def _count(self) -> None:
        with self._lock:
            self._calls += 1


class _PrefixWatch:
    def __init__(self, transport: ObjectStoreTransport, prefix: str, signal: WakeupSignal) -> None:
        self._transport, self._prefix, self._signal = transport, prefix, signal
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()
        self._closed = False

    def new(self) -> list[FileInfo]:
        """What has appeared or changed since the last call, oldest first."""
        with self._lock:
            if self._closed:
                return []
            seen = self._transport.level(self._prefix)
            fresh = [entry for name, entry, tag in seen if self._known.get(name, "") != tag]
            self._known = {name: tag for name, _, tag in seen}
        if fresh:
            self._signal.reset_backoff()
        return fresh

    def close(self) -> None:
        """Look no more."""
        with self._lock:
            self._closed = True


def _folder_of(prefix: str) -> str:
    """The longest prefix that ends between two components: the client lists by whole components."""
    return prefix.rpartition("/")[0]


def _entry(key: str, item: Any) -> tuple[str, FileInfo]:
    marker = parse_marker(key)
    path, size = (marker.name, marker.size) if marker else (decode(key), int(item["size"]))
    return path, FileInfo(path.rsplit("/", 1)[-1], size, item["last_modified"].timestamp())
