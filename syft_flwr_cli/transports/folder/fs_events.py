"""File system events of a few folders, as far as the platform has them.

Folders are listened to one by one and not as a tree, so that a participant is not woken by what others do. All
folders of a process share what the platform gives: on Linux one inotify instance and one thread, however many
folders and transports there are. It promises no event: network file systems raise none for what others write, and
the number of watches is limited, so whoever listens also looks by itself now and then. Where events cannot be had
at all, `Events.listen` says so.
"""

import logging
import sys
import threading
from collections.abc import Callable
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Protocol

__all__ = ["Change", "Events", "Identity", "Listener", "Subscription"]

_log = logging.getLogger(__name__)

Identity = tuple[int, int]
"""Device and inode: what tells a folder from another that has taken its place."""


class Change(Enum):
    """What happened to a name in a folder."""

    MODIFIED = "it appeared or was written to"
    WHOLE = "it was moved here, from wherever, or its writer closed it"
    FOLDER = "it is a folder that came or went, or (without a name) anything may have happened"


Listener = Callable[[str, Change], None]
"""Called with a name and what happened to it, in a thread of the platform's; it must be quick."""


class Subscription(Protocol):
    """What a platform tells of one folder until it is closed."""

    @property
    def alive(self) -> bool:
        """Whether it still tells: not once the folder is gone."""
        ...

    def close(self) -> None:
        """Tell no more."""
        ...


class _WatchedDirectory:
    """One folder, and who listens to it."""

    def __init__(self, identity: Identity, listeners: tuple[Listener, ...]) -> None:
        self.identity = identity
        # Replaced, never changed: it is read by the platform's thread without a lock.
        self.listeners = listeners
        self.subscription: Subscription | None = None

    def changed(self, name: str, change: Change) -> None:
        for listener in self.listeners:
            listener(name, change)


class Events:
    """Listens to folders.

    Parameters
    ----------
    enabled : bool
        Whether to try at all.
    subscribe : callable, optional
        How to have the changes of one folder told; by default the platform's way.
    """

    def __init__(
        self, *, enabled: bool = True, subscribe: Callable[[Path, Listener], Subscription] | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._enabled = enabled
        self._warned = False
        self._subscribe = subscribe
        self._directories: dict[Path, _WatchedDirectory] = {}

    @property
    def enabled(self) -> bool:
        """Whether events can be had, as far as is known."""
        return self._enabled

    def listen(self, folder: Path, identity: Identity, listener: Listener) -> bool:
        """Tell ``listener`` what happens in ``folder``; False if events cannot be had.

        It may be called again, at little cost, to make sure that it is still this very folder that is
        listened to.
        """
        with self._lock:
            if not self._enabled:
                return False
            others: tuple[Listener, ...] = ()
            if (known := self._directories.get(folder)) is not None:
                others = tuple(other for other in known.listeners if other != listener)
                # Inode numbers are used again: a folder that was removed and made anew may look the same, but
                # whatever told us of the old one has ended.
                if known.identity == identity and known.subscription is not None and known.subscription.alive:
                    known.listeners = (*others, listener)
                    return True
                self._drop(folder)
            directory = _WatchedDirectory(identity, (*others, listener))
            try:
                if self._subscribe is None:
                    self._subscribe = _platform()
                directory.subscription = self._subscribe(folder, directory.changed)
            except (FileNotFoundError, NotADirectoryError):
                return True  # gone again: whoever listens finds out at its next look
            except OSError as error:
                if not self._warned:
                    self._warned = True
                    _log.warning("No file system events (%s): folders are looked at instead.", error)
                return False
            self._directories[folder] = directory
            return True

    def forget(self, folder: Path, listener: Listener) -> None:
        """Tell ``listener`` nothing more of ``folder``."""
        with self._lock:
            if (directory := self._directories.get(folder)) is None:
                return
            directory.listeners = tuple(other for other in directory.listeners if other != listener)
            if not directory.listeners:
                self._drop(folder)

    def close(self) -> None:
        """Stop listening to anything."""
        with self._lock:
            self._enabled = False
            for folder in list(self._directories):
                self._drop(folder)

    def _drop(self, folder: Path) -> None:
        subscription = self._directories.pop(folder).subscription
        if subscription is not None:
            subscription.close()


def _platform() -> Callable[[Path, Listener], Subscription]:
    inotify = sys.platform.startswith("linux")
    module = import_module(f"syft_flwr_cli.transports.folder.{'inotify' if inotify else 'observer'}")
    return module.subscribe if inotify else module.ObserverEvents().subscribe  # type: ignore[no-any-return]
