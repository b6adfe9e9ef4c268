"""Events of folders on platforms without inotify: one watchdog observer (FSEvents, kqueue) for all folders.

Elsewhere than on Linux a finished write is told of as a modification and a file that is moved in as created, so a
file is whole when its times or a moment of quiet say so (see ``watch``).
"""

import os
import threading
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from syft_flwr_cli.transports.folder.fs_events import Change, Listener

__all__ = ["ObserverEvents"]


class ObserverEvents:
    """One observer, which runs while any folder is listened to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._observer: BaseObserver | None = None
        self._folders = 0

    def subscribe(self, folder: Path, listener: Listener) -> "Observed":
        """Have ``listener`` told of what happens in ``folder``; `OSError` if that cannot be."""
        with self._lock:
            if self._observer is None:
                observer = Observer()
                observer.start()
                self._observer = observer
            handler = _Handler(folder, listener)
            watch = self._observer.schedule(handler, str(folder))
            self._folders += 1
            return Observed(self, self._observer, watch, handler)

    def release(self, observer: BaseObserver, watch: ObservedWatch) -> None:
        """Listen to one folder less."""
        with self._lock:
            observer.unschedule(watch)
            self._folders -= 1
            if self._folders:
                return
            self._observer = None
        observer.stop()
        observer.join()


class Observed:
    """What the observer tells of one folder."""

    def __init__(
        self, events: ObserverEvents, observer: BaseObserver, watch: ObservedWatch, handler: "_Handler"
    ) -> None:
        self._events, self._observer, self._watch, self._handler = events, observer, watch, handler

    @property
    def alive(self) -> bool:
        """Whether the folder is still there and somebody tells of it."""
        emitters = self._observer.emitters
        return not self._handler.gone and any(
            emitter.watch == self._watch and emitter.is_alive() for emitter in emitters
        )

    def close(self) -> None:
        """Tell no more."""
        self._events.release(self._observer, self._watch)


class _Handler(FileSystemEventHandler):
    def __init__(self, folder: Path, listener: Listener) -> None:
        self._folder = folder
        self._listener = listener
        self.gone = False

    def dispatch(self, event: FileSystemEvent) -> None:
        kind = event.event_type
        if kind in ("opened", "closed_no_write") or (event.is_directory and kind == "modified"):
            return
        path = Path(os.fsdecode(event.dest_path or event.src_path))
        if event.is_directory and kind == "deleted" and path == self._folder:
            self.gone = True
            self._listener("", Change.FOLDER)
        elif event.is_directory:
            self._listener(path.name, Change.FOLDER)
        else:
            whole = kind in ("moved", "closed")
            self._listener(path.name, Change.WHOLE if whole else Change.MODIFIED)
