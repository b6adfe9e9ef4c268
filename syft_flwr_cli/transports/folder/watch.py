"""Looking at one folder again and again: events where there are any, a scan where there are none.

An event names a file, and that file alone is looked at, so that a look costs time in proportion to
what is new. Because events get lost and some file systems have none, the folder is also scanned:
seldom where events prove reliable, soon after something happened where they do not, and never while
the folder's modification time shows that nothing can have changed, where that time can be believed (see
``mounts``). A folder that is not there yet, or not any more, is waited for at the nearest folder above it.

A file is told of when it is whole. One that was moved in, from wherever, is whole at once: an event says so, or
its status is newer than its content. Any other (a sync client that writes under the
final name) is whole when its writer closes it or, where nobody says so, has left it alone for a while. What is no
file (a link, a pipe, a folder) or stays empty is told of as that, by its status alone, and never opened.
"""

import math
import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from syft_flwr_cli.transports.base import FileInfo
from syft_flwr_cli.transports.folder import posix
from syft_flwr_cli.transports.folder.fs_events import Change, Events, Identity
from syft_flwr_cli.transports.folder.mounts import Mounts
from syft_flwr_cli.transports.folder.sync_artifacts import is_leftover
from syft_flwr_cli.transports.wakeup import WakeupSignal

__all__ = ["FolderWatch"]

QUIET = 0.5
"""Seconds for which a file that is written in place is left alone before it counts as whole."""

QUIET_WITHOUT_EVENTS = 0.2
"""The same where events have proved silent: there a file is mostly uploaded whole before it can be seen."""

FRESH = 10.0
"""Seconds after which a file's age says that nobody writes it any more."""

SETTLED = 10.0
"""Seconds without a change after which only a new modification time of the folder speaks for one; far
more than the grain of that time on the coarsest file systems, 2 s."""

FULL = 60.0
"""Seconds after which a folder is scanned even if nothing speaks for it."""

FULL_WITHOUT_EVENTS = 5.0
"""The same where events have proved silent: a time that has told the truth so far may still be late once."""

ACTIVE_POLL = 0.25
"""Seconds between two looks where no event has been seen to come, while something is going on."""

GRAIN = 2.0
"""Seconds: two changes that are closer to each other may leave a folder with one time."""

EMPTY = 60.0
"""Seconds after which a file that holds nothing is not one that a sync client has just begun."""

_ODD = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class _Mark(NamedTuple):
    """What changes when a file does."""

    size: int
    modified: int
    inode: int


class _Scanned(NamedTuple):
    """The folder as it was when it was last scanned."""

    state: tuple[int, int, int]
    """Device, inode, time of modification."""
    since: float
    """When this state was first seen, and nothing new in it."""
    at: float
    settled: bool
    """Whether it had been like this for long enough that any change would show in it."""
    names: frozenset[str]
    """What was in it."""


_Found = tuple[int, str, FileInfo]
"""A file to tell of, with what it is sorted by."""


class FolderWatch:
    """The `Watch` of one folder.

    Parameters
    ----------
    root : Path
        The folder that holds everybody's spaces.
    parts : Sequence[str]
        The owner, then the components of the folder in its space.
    events : Events
        Where events come from.
    wakeup : WakeupSignal
        What to notify when there may be something new.
    ceiling : float
        Seconds between two scans where events work.
    ignored : Collection[str]
        Names that are never told of.
    clock : Callable[[], float]
        Seconds, from wherever.
    mounts : Mounts, optional
        What is known of the mounts, shared by all watches of a transport.
    """

    def __init__(
        self,
        root: Path,
        parts: Sequence[str],
        events: Events,
        wakeup: WakeupSignal,
        ceiling: float,
        ignored: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
        mounts: Mounts | None = None,
    ) -> None:
        self._root = root
        self._parts = tuple(parts)
        self._events = events
        self._wakeup = wakeup
        self._ceiling = ceiling
        self._ignored = ignored
        self._clock = clock
        self._mounts = mounts or Mounts()
        self._lock = threading.Lock()
        # Taken by the observer's thread too, and never held while anything else is waited for.
        self._hint_lock = threading.Lock()
        self._hints: dict[str, bool] = {}
        self._dirty = True
        self._awaited: str | None = None
        self._watched_path: Path | None = None
        self._subscribed: tuple[int, Identity] | None = None
        self._events_unreliable = False
        self._device = 0
        self._closed = False
        self._known: dict[str, _Mark] = {}
        self._pending: dict[str, tuple[_Mark, float]] = {}
        self._last: _Scanned | None = None
        self._next_scan = -math.inf
        self._idle_until = -math.inf
        with self._lock:
            self._subscribe()

    def new(self) -> list[FileInfo]:
        """What has appeared or changed since the last call, oldest first."""
        if self._clock() < self._idle_until:
            return []  # with a thousand peers, nearly every look is this one
        with self._lock:
            if self._closed:
                return []
            with self._hint_lock:
                hints, self._hints = self._hints, {}
                dirty, self._dirty = self._dirty, False
            now = self._clock()
            polled = self._events_unreliable or not self._mounts.events_come(self._device)
            if polled and self._wakeup.active:
                self._wakeup.expect(ACTIVE_POLL)
            scan = dirty or polled or now >= self._next_scan
            has_unsettled = any(mark.size for mark, _ in self._pending.values())
            if not (scan or hints or has_unsettled):
                return []
            if scan:
                self._next_scan = now + self._ceiling / 2
                self._subscribe()
            found = self._look(hints, scan, now)
            files = any(not entry.file_type_error for _, _, entry in found)
            if scan and files and not (dirty or hints):
                self._events_unreliable = True  # nobody told us
            elif hints and self._events.enabled:
                # Also of a file that a scan has found already: while no event has come, scans may be quicker.
                self._mounts.event_came(self._device)
                self._events_unreliable = False
            if files and polled:
                self._wakeup.reset_backoff()
            with self._hint_lock:
                idle = not (polled or self._events_unreliable or self._dirty or self._hints or self._pending)
                self._idle_until = self._next_scan if idle else -math.inf
            return [entry for _, _, entry in sorted(found, key=itemgetter(0, 1))]

    def close(self) -> None:
        """Look no more."""
        with self._lock:
            self._closed = True
            if self._watched_path is not None:
                self._events.forget(self._watched_path, self._record)
                self._watched_path = None

    def _record(self, name: str, change: Change) -> None:
        """Take note of an event (in the platform's thread)."""
        with self._hint_lock:
            self._idle_until = -math.inf
            if not name:
                self._dirty = True
            elif self._awaited is not None:
                if name != self._awaited:
                    return
                self._dirty = True
            elif change is Change.FOLDER:
                self._dirty = True
            elif self._passed_over(name):
                return
            else:
                self._hints[name] = self._hints.get(name, False) or change is Change.WHOLE
        self._wakeup.notify()

    def _passed_over(self, name: str) -> bool:
        return name in self._ignored or is_leftover(name)

    def _subscribe(self) -> None:
        """Listen at the folder, or at the nearest one above it; where that is new, look twice: it may grow."""
        while True:
            depth, identity = self._deepest()
            if identity is None:
                self._events_unreliable = True
                return
            self._device = identity[0]
            place = self._root.joinpath(*self._parts[:depth])
            with self._hint_lock:
                self._awaited = self._parts[depth] if depth < len(self._parts) else None
            if not self._events.listen(place, identity, self._record):
                self._events_unreliable = True
            if self._watched_path is not None and self._watched_path != place:
                self._events.forget(self._watched_path, self._record)
            self._watched_path = place
            before, self._subscribed = self._subscribed, (depth, identity)
            if before == self._subscribed or self._deepest() == self._subscribed:
                return

    def _deepest(self) -> tuple[int, Identity | None]:
        """How many components of the way are there, and which folder the last of them is."""
        for depth in range(len(self._parts), -1, -1):
            with suppress(OSError), posix.entered(self._root, self._parts[:depth]) as folder:
                facts = os.fstat(folder)
                return depth, (facts.st_dev, facts.st_ino)
        return 0, None

    def _look(self, hints: dict[str, bool], scan: bool, now: float) -> list[_Found]:
        """Look at the files that events named and, if so wished, at all."""
        try:
            folder = posix.open_folder(self._root, self._parts)
        except OSError as error:
            return self._failed(error)
        try:
            found = self._look_at(folder, hints, now)
            if scan:
                found += self._scan(folder, now)
            return found
        except OSError as error:
            # What was found already will not be returned, so all is told of again.
            self._known.clear()
            return self._failed(error)
        finally:
            os.close(folder)

    def _failed(self, error: OSError) -> list[_Found]:
        self._last = None
        with self._hint_lock:
            self._dirty = True
        if error.errno in posix.MISSING:
            return []
        raise posix.explain(error, "look into", self._root.joinpath(*self._parts)) from error

    def _look_at(self, folder: int, hints: dict[str, bool], now: float) -> list[_Found]:
        """Look at the files that were named, and at those that may have been left alone for long enough."""
        names = {name: False for name, (mark, _) in self._pending.items() if mark.size}
        found = []
        for name, whole in {**names, **hints}.items():
            try:
                facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                self._known.pop(name, None)
                self._pending.pop(name, None)
                continue
            found += self._judge(name, facts, whole, now)
        return found

    def _scan(self, folder: int, now: float) -> list[_Found]:
        """Look at every file, unless nothing can have changed."""
        before, last = _state(folder), self._last
        if last is not None and last.state == before and last.settled and self._mounts.times_tell(before[0]):
            full = FULL_WITHOUT_EVENTS if self._events_unreliable else FULL
            if now - last.at < full:
                return []
        found, seen = [], set()
        with os.scandir(folder) as entries:
            for entry in entries:
                if self._passed_over(entry.name):
                    continue
                with suppress(FileNotFoundError):
                    found += self._judge(entry.name, entry.stat(follow_symlinks=False), False, now)
                    seen.add(entry.name)
        for gone in self._known.keys() - seen:
            del self._known[gone]
        for gone in self._pending.keys() - seen:
            del self._pending[gone]
        if last is not None and last.state[:2] == before[:2] and seen - last.names:
            after = _state(folder)
            if after != last.state or now - last.at > GRAIN:
                self._mounts.file_came(before[0], after != last.state)
        # Our own clock, not the one of the file system: that may be another machine's.
        since = last.since if last is not None and last.state == before and not found else now
        settled = not self._pending and now - since >= SETTLED
        self._last = _Scanned(before, since, now, settled, frozenset(seen))
        return found

    def _judge(self, name: str, facts: os.stat_result, whole: bool, now: float) -> list[_Found]:
        """The file if it is to be told of: new or changed, and whole; or else what lies in its place."""
        if stat.S_ISDIR(facts.st_mode) and "." not in name:
            return []  # named like a folder, and not in the place of a file
        if not stat.S_ISREG(facts.st_mode):
            # What happens inside a folder is no change of it.
            mark = _Mark(-1, stat.S_IFMT(facts.st_mode), facts.st_ino)
            return self._tell(name, mark, facts, _ODD.get(stat.S_IFMT(facts.st_mode), "a device"))
        mark = _Mark(facts.st_size, facts.st_mtime_ns, facts.st_ino)
        if self._known.get(name) == mark:
            self._pending.pop(name, None)
            return []
        placed = whole or facts.st_ctime_ns > facts.st_mtime_ns or time.time() - facts.st_mtime > FRESH
        if mark.size == 0 or not placed:
            before, since = self._pending.get(name, (mark, now))
            if before != mark:
                since = now
            quiet = QUIET_WITHOUT_EVENTS if self._events_unreliable else QUIET
            if now - since < (quiet if mark.size else EMPTY):
                self._pending[name] = (mark, since)
                if mark.size:
                    self._wakeup.expect(quiet)
                return []
        return self._tell(name, mark, facts, "" if mark.size else "an empty file")

    def _tell(self, name: str, mark: _Mark, facts: os.stat_result, odd: str) -> list[_Found]:
        self._pending.pop(name, None)
        if self._known.get(name) == mark:
            return []
        self._known[name] = mark
        return [(facts.st_mtime_ns, name, FileInfo(name, max(0, mark.size), facts.st_mtime, odd))]


def _state(folder: int) -> tuple[int, int, int]:
    facts = os.fstat(folder)
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns
