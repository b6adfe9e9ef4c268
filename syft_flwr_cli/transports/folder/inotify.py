"""Events of folders on Linux: one inotify instance and one thread for all folders of a process.

watchdog's own reader of inotify (`watchdog.observers.inotify_c`) is used without its observers, which have a thread
for each folder and do not tell a file that was moved in from elsewhere from one that is being created. The kernel
says both: what was renamed into a folder, from wherever, is whole. When the kernel had to drop events, each folder
is told that anything may have happened.
"""

import os
from pathlib import Path

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from syft_flwr_cli.transports.folder.fs_events import Change, Listener

__all__ = ["subscribe"]

_GONE = (
    InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_UNMOUNT
    | InotifyConstants.IN_IGNORED
)

# Neither reading nor each single write, which would only wake us for nothing. Added to what another part of the
# process may listen for in the same folder: the kernel keeps one mask for both.
_WANTED = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_MASK_ADD
)


def subscribe(folder: Path, listener: Listener) -> "Inotify":
    """Have ``listener`` told of what happens in ``folder``.

    Raises
    ------
    OSError
        If the folder is not there, or the kernel's limits are reached.
    """
    return Inotify(folder, listener)


class Inotify:
    """What the kernel tells of one folder."""

    def __init__(self, folder: Path, listener: Listener) -> None:
        self._listener = listener
        self._alive = True
        self._id = CallbackId(id(self))
        self._reader = InotifyFD.get_instance()
        self._descriptor: WatchDescriptor = self._reader.add_callback(
            os.fsencode(folder), _WANTED, self, self._id
        )
        if self._descriptor == -1:
            raise PermissionError(f"{folder} may not be read")

    @property
    def alive(self) -> bool:
        """Whether the folder is still there, where it was."""
        return self._alive

    def close(self) -> None:
        """Tell no more."""
        self._alive = False
        self._reader.remove_callbacks([(self._descriptor, self._id)])

    def on_event(self, event: InotifyEvent) -> None:
        """Pass on what the kernel says (in the reader's thread)."""
        if event.mask & _GONE:
            self._lost()
        elif event.is_directory:
            self._listener(os.fsdecode(event.name), Change.FOLDER)
        elif event.is_moved_to or event.is_close_write:
            self._listener(os.fsdecode(event.name), Change.WHOLE)
        elif event.is_create:
            self._listener(os.fsdecode(event.name), Change.MODIFIED)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The kernel watches the folder no more."""
        self._lost()

    def on_queue_overflow(self) -> None:
        """The kernel had to drop events."""
        self._listener("", Change.FOLDER)

    def _lost(self) -> None:
        if self._alive:
            self._alive = False
            self._listener("", Change.FOLDER)
