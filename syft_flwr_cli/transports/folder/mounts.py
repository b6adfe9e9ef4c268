"""What a mount can be relied on for, learned while a process runs: events, and the times of its folders.

On most file systems a folder's modification time moves when a file comes, so an unchanged one says that no file has
come. On mounted object stores it never moves, on some network mounts it moves late. So it is believed only where it
was seen to move with a new file, and never again where a file came and it had not moved. Events are relied on where
one has come. Mounts are told apart by their device. Thread-safe; asks no file system itself.
"""

import threading

__all__ = ["Mounts"]


class Mounts:
    """What was seen of the mounts of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[int, bool] = {}
        self._events: set[int] = set()

    def times_tell(self, device: int) -> bool:
        """Whether an unchanged time of a folder on this device means that no file has come."""
        with self._lock:
            return self._times.get(device, False)

    def file_came(self, device: int, moved: bool) -> None:
        """A file has come to a folder on this device, and the folder's time had ``moved``, or not."""
        with self._lock:
            self._times[device] = moved and self._times.get(device, True)

    def events_come(self, device: int) -> bool:
        """Whether an event has told of a file on this device."""
        with self._lock:
            return device in self._events

    def event_came(self, device: int) -> None:
        """An event has told of a file on this device."""
        with self._lock:
            self._events.add(device)
