"""A shared directory as a transport: ``{root}/{owner}/`` is the space of one participant.

Anything that makes a directory appear on several machines will do: a local disk, NFS, SMB, a folder
that a sync client carries. A file is written under a temporary name in its folder, synced, renamed
and the folder synced, so that a reader sees all of it or nothing and a crash of the machine takes
nothing back. Readers are woken by file system events, with a scan as the fallback. The readers named
to `publish` cannot be enforced here: everybody whom the directory is shared with can read the sealed
files, and nobody but their owner can write them as far as file modes reach.
"""

import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from syft_flwr_cli.errors import NotThereError, TransportError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.storage.crash_points import point
from syft_flwr_cli.transports.base import Content, Cost, FileInfo, Properties, TransientError, Watch
from syft_flwr_cli.transports.folder import atomic_write, posix
from syft_flwr_cli.transports.folder.fs_events import Events
from syft_flwr_cli.transports.folder.mounts import Mounts
from syft_flwr_cli.transports.folder.sync_artifacts import is_conflict, is_rejected
from syft_flwr_cli.transports.folder.watch import FolderWatch
from syft_flwr_cli.transports.wakeup import WakeupSignal

__all__ = ["FolderTransport"]

AWAITED = 256
"""Folders at the most in which a file was looked for in vain and that are listened to for that."""


class FolderTransport:
    """One participant's view of a shared directory.

    Parameters
    ----------
    root : Path
        The shared directory. It is made if the directory above it is there.
    email : str
        Whose view this is.
    poll_interval : float
        Seconds between two looks where no event comes: the ceiling.
    events : bool
        Whether to use file system events.
    inside : str
        Folder inside every owner's space that all paths start from, for stores that prescribe one.
    ignored : Collection[str]
        Names of files that belong to the store and are never told of.
    after_rename : Callable[[int], None], optional
        What else to do with a file once it is in place, given a descriptor to read and write it.

    Raises
    ------
    TransportError
        If the directory cannot be used.
    """

    def __init__(
        self,
        root: Path,
        email: str,
        poll_interval: float = 3.0,
        *,
        events: bool = True,
        inside: str = "",
        ignored: Collection[str] = (),
        after_rename: Callable[[int], None] | None = None,
    ) -> None:
        self._root = root.absolute()
        self._email = names.check_email(email)
        self._inside = tuple(names.check_component(part) for part in inside.split("/")) if inside else ()
        self._ignored = frozenset(ignored)
        self._after_rename = after_rename
        self._poll_interval = poll_interval
        self._wakeup = WakeupSignal(poll_interval)
        self._events = Events(enabled=events)
        self._mounts = Mounts()
        self._lasting: set[tuple[str, ...]] = set()
        self._awaiting = threading.Lock()
        self._awaited: dict[tuple[str, ...], FolderWatch] = {}
        self._prepare()

    @property
    def email(self) -> str:
        """Whose view this is."""
        return self._email

    @property
    def root(self) -> Path:
        """The shared directory."""
        return self._root

    @property
    def properties(self) -> Properties:
        """A file costs about as much as a hundred kilobytes inside another one do."""
        return Properties(inline_limit=64 * 1024, listing_cost=0.0001)

    def prepare(self, path: str, readers: Collection[str]) -> None:
        """Nothing to do: everybody whom the directory is shared with may read."""

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Write, sync, rename, sync the folder. ``readers`` are checked, but cannot be enforced."""
        for reader in readers:
            names.check_email(reader)
        if content.size == 0:
            raise ValueError(f"{path} is empty: its readers would never see it.")
        *folder, name = self._parts(self._email, path)
        try:
            with self._own_folder(folder) as here:
                atomic_write.publish(name, here, content, self._after_rename)
        except OSError as error:
            raise self._explain(error, "write", self._root.joinpath(*folder, name)) from error
        self._wakeup.mark_active()
        if not self._events.enabled:
            self._wakeup.reset_backoff()

    def open(self, owner: str, path: str) -> BinaryIO:
        """Open a plain file, reached through no symbolic link in the owner's space."""
        *folder, name = self._parts(owner, path)
        with self._reading(owner, path, folder), posix.entered(self._root, folder) as here:
            return os.fdopen(posix.open_plain_file(name, here), "rb")

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        """Link the file to ``destination``, or copy it where the system does not allow that."""
        *folder, name = self._parts(owner, path)
        with self._reading(owner, path, folder), posix.entered(self._root, folder) as here:
            with os.fdopen(posix.open_plain_file(name, here), "rb") as source:
                try:
                    with posix.entered(destination.parent.absolute(), ()) as there:
                        atomic_write.fetch(source, name, here, destination.name, there)
                except OSError as error:
                    raise posix.explain(error, "write", destination) from error

    def watch(self, owner: str, folder: str) -> Watch:
        """Begin to look at a folder; it is waited for if it is not there."""
        parts = self._parts(owner, folder) if folder else [names.check_email(owner), *self._inside]
        return FolderWatch(
            self._root,
            parts,
            self._events,
            self._wakeup,
            self._poll_interval,
            self._ignored,
            mounts=self._mounts,
        )

    def token(self) -> int:
        """A number that grows whenever something may have changed."""
        return self._wakeup.token()

    def wait(self, token: int, timeout: float) -> int:
        """Wait until `token()` exceeds ``token`` or ``timeout`` seconds have passed; the token now."""
        return self._wakeup.wait(token, timeout)

    def wake(self) -> None:
        """Let every thread that waits look again."""
        self._wakeup.notify()

    def remove(self, path: str) -> None:
        """Remove a file of one's own; an absent one is no error. A crash may bring it back."""
        *folder, name = self._parts(self._email, path)
        point("remove.begin")
        try:
            with posix.entered(self._root, folder) as here:
                os.unlink(name, dir_fd=here)
        except OSError as error:
            if error.errno not in posix.MISSING:
                raise self._explain(error, "remove", self._root.joinpath(*folder, name)) from error
        point("remove.done")

    def list_own(self, folder: str = "") -> list[tuple[str, FileInfo]]:
        """Every file of one's own below ``folder``, with its path, sorted by path."""
        inner = [names.check_component(part) for part in folder.split("/")] if folder else []
        start = self._root.joinpath(self._email, *self._inside, *inner)
        try:
            return sorted(self._published(start, folder), key=lambda item: item[0])
        except OSError as error:
            raise self._explain(error, "look into", start) from error

    def cost(self) -> Cost:
        """Nothing: there is no service to ask."""
        return Cost()

    def close(self) -> None:
        """Stop listening, and let go those who wait."""
        with self._awaiting:
            self._awaited.clear()
        self._events.close()
        self._wakeup.notify()

    def _is_control(self, name: str) -> bool:
        """Whether a file of this name was not published, but belongs to the store."""
        return name.startswith(".") or name in self._ignored or is_conflict(name) or is_rejected(name)

    def _parts(self, owner: str, path: str) -> list[str]:
        """The components of a file's way from the root."""
        inner = [names.check_component(part) for part in path.split("/")]
        return [names.check_email(owner), *self._inside, *inner]

    @contextmanager
    def _own_folder(self, parts: Sequence[str]) -> Iterator[int]:
        """Enter a folder of one's own, making it (and making it last) the first time.

        Not the space itself: where that was and is no more, something was unmounted, and what would be
        written would lie hidden below it when it comes back.
        """
        (self._root / self._email).stat()
        if tuple(parts) not in self._lasting or not posix.is_folder(self._root.joinpath(*parts)):
            posix.make_folder(self._root, parts)
            self._lasting.add(tuple(parts))
        with posix.entered(self._root, parts) as here:
            yield here

    @contextmanager
    def _reading(self, owner: str, path: str, folder: Sequence[str]) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in posix.MISSING:
                if owner != self._email:
                    self._await(folder)
                raise NotThereError(
                    f"{owner} has no file {path} (yet).",
                    hint=f"Wait for {owner} to write it, and for it to arrive in {self._root}.",
                ) from error
            raise self._explain(error, "read", self._root / owner / path) from error

    def _await(self, folder: Sequence[str]) -> None:
        """Wake those who wait when something comes into a folder in which a file was looked for in vain."""
        key = tuple(folder)
        with self._awaiting:
            watch = self._awaited.pop(key, None)
            if watch is None:
                watch = FolderWatch(
                    self._root, key, self._events, self._wakeup, self._poll_interval, mounts=self._mounts
                )
            self._awaited[key] = watch
            idle = [self._awaited.pop(next(iter(self._awaited))) for _ in range(len(self._awaited) - AWAITED)]
        for one in idle:
            one.close()
        with suppress(TransportError):
            watch.new()

    def _explain(self, error: OSError, doing: str, place: Path) -> TransportError:
        if error.errno not in posix.DEAD and not posix.is_folder(self._root / self._email):
            gone = self._root / self._email if posix.is_folder(self._root) else self._root
            return TransientError(
                f"The folder {gone} is gone.",
                hint="Mount it again or bring it back; what was there before goes on from there.",
            )
        return posix.explain(error, doing, place)

    def _published(self, here: Path, path: str) -> Iterator[tuple[str, FileInfo]]:
        try:
            entries = os.scandir(here)
        except FileNotFoundError:
            self._root.stat()
            return
        with entries:
            for entry in entries:
                inner = f"{path}/{entry.name}" if path else entry.name
                if entry.is_dir(follow_symlinks=False):
                    yield from self._published(here / entry.name, inner)
                    continue
                if self._is_control(entry.name):
                    continue
                with suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(facts.st_mode):
                        yield inner, FileInfo(entry.name, facts.st_size, facts.st_mtime)

    def _prepare(self) -> None:
        """Make one's own space, make sure that it can be written, sweep out what dead processes left."""
        own = self._root / self._email
        try:
            if not _is_there(self._root):
                posix.make_folder(self._root.parent, [self._root.name])
            posix.make_folder(self._root, [self._email])
        except OSError as error:
            if error.errno in posix.MISSING:
                raise TransportError(
                    f"The folder {self._root} cannot be used: {_obstacle(self._root)}.",
                    hint=f"Make {self._root}, or mount what belongs there, or give another --root.",
                ) from error
            raise posix.explain(error, "make", own) from error
        as_we_are = os.access in os.supports_effective_ids
        if not os.access(own, os.W_OK | os.X_OK, effective_ids=as_we_are):
            raise TransportError(
                f"The folder {own} cannot be written.",
                hint=f"Ask its owner for access (chmod, chown), or give another --root than {self._root}.",
            )
        now = time.time()
        for _, _, files, folder in os.fwalk(own, follow_symlinks=False):
            for name in filter(atomic_write.is_temporary, files):
                with suppress(OSError):
                    atomic_write.sweep(name, folder, now)


def _is_there(place: Path) -> bool:
    """Whether there is anything; `OSError` if that cannot be said, as where a mount has died."""
    try:
        place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _obstacle(root: Path) -> str:
    for place in reversed([root, *root.parents]):
        if not place.exists():
            return f"{place} is not there"
        if not place.is_dir():
            return f"{place} is no folder"
    return "it was there only for a moment"
