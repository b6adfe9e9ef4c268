"""File system events of a few folders, as far as the platform has them.

A thin layer over one watchdog observer (inotify, FSEvents, kqueue), started with the first folder
that is listened to. Folders are listened to one by one and not as a tree, so that a participant is
not woken by what others do. It promises no event: network file systems raise none for what others
write, and the number of watches is limited, so whoever listens also looks by itself now and then.
Where events cannot be had at all, `Events.listen` says so.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

__all__ = ["Events", "Identity", "Listener", "News"]

_log = logging.getLogger(__name__)

Identity = tuple[int, int]
"""Device and inode: what tells a folder from another that has taken its place."""


class News(Enum):
    """What happened to a name in a folder."""

    STIRRED = "it appeared or was written to"
    WHOLE = "it was moved here, or its writer closed it"
    FOLDER = "it is a folder, or the folder itself, that came or went"


Listener = Callable[[str, News], None]
"""Called with a name and what happened to it, in a thread of the observer; it must be quick."""

# What comes of reading, and each single write, would only wake us for nothing. Elsewhere than on
# Linux a finished write is told of as a modification, so nothing can be left out.
_WANTED: list[type[FileSystemEvent]] | None = (
    [FileCreatedEvent, FileMovedEvent, FileClosedEvent, DirCreatedEvent, DirMovedEvent, DirDeletedEvent]
    if sys.platform == "linux"
    else None
)


class _Station(FileSystemEventHandler):
    """One folder, and who listens to it."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        self.folder = folder
        self.identity = identity
        # Replaced, never changed: it is read by the observer's thread without a lock.
        self.listeners: tuple[Listener, ...] = ()
        self.gone = False

    def dispatch(self, event: FileSystemEvent) -> None:
        kind = event.event_type
        if kind in ("opened", "closed_no_write") or (event.is_directory and kind == "modified"):
            return
        if event.is_directory:
            news = News.FOLDER
        else:
            news = News.WHOLE if kind in ("moved", "closed") else News.STIRRED
        path = event.dest_path or event.src_path
        name = Path(os.fsdecode(path)).name
        if event.is_directory and kind == "deleted" and Path(os.fsdecode(path)) == self.folder:
            self.gone = True
        for listener in self.listeners:
            listener(name, news)


class Events:
    """Listens to folders.

    Parameters
    ----------
    enabled : bool
        Whether to try at all.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._lock = threading.Lock()
        self._enabled = enabled
        self._warned = False
        self._observer: BaseObserver | None = None
        self._stations: dict[Path, tuple[_Station, ObservedWatch]] = {}

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
            if folder in self._stations:
                station, observed = self._stations[folder]
                others = tuple(other for other in station.listeners if other != listener)
                if station.identity == identity and not station.gone and self._alive(observed):
                    station.listeners = (*others, listener)
                    return True
                self._drop(folder)
            station = _Station(folder, identity)
            station.listeners = (*others, listener)
            try:
                if self._observer is None:
                    observer = Observer()
                    observer.start()
                    self._observer = observer
                observed = self._observer.schedule(station, str(folder), event_filter=_WANTED)
            except FileNotFoundError:
                return True  # gone again: whoever listens finds out at its next look
            except OSError as error:
                if not self._warned:
                    self._warned = True
                    _log.warning("No file system events (%s): folders are looked at instead.", error)
                return False
            self._stations[folder] = (station, observed)
            return True

    def forget(self, folder: Path, listener: Listener) -> None:
        """Tell ``listener`` nothing more of ``folder``."""
        with self._lock:
            if folder not in self._stations:
                return
            station, _ = self._stations[folder]
            station.listeners = tuple(other for other in station.listeners if other != listener)
            if not station.listeners:
                self._drop(folder)

    def close(self) -> None:
        """Stop listening to anything."""
        with self._lock:
            self._enabled = False
            self._stations.clear()
            observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()

    def _alive(self, observed: ObservedWatch) -> bool:
        # Inode numbers are used again: a folder that was removed and made anew may look the same, but
        # whatever told us of the old one has ended.
        emitters = self._observer.emitters if self._observer is not None else ()
        return any(emitter.watch == observed and emitter.is_alive() for emitter in emitters)

    def _drop(self, folder: Path) -> None:
        _, observed = self._stations.pop(folder)
        if self._observer is not None:
            self._observer.unschedule(observed)
