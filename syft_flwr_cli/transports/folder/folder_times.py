"""Whether a folder's modification time can be believed: learned for each mount, while a process runs.

On most file systems it moves when a file comes, so an unchanged one says that no file has come. On mounted object
stores it never moves, on some network mounts it moves late. So it is believed only where it was seen to move with
a new file, and never again where a file came and it had not moved. Thread-safe; asks no file system itself.
"""

import threading

__all__ = ["FolderTimes"]


class FolderTimes:
    """What was seen of the mounts of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._believed: dict[int, bool] = {}

    def believed(self, device: int) -> bool:
        """Whether an unchanged time of a folder on this device means that no file has come."""
        with self._lock:
            return self._believed.get(device, False)

    def saw(self, device: int, moved: bool) -> None:
        """A file has come to a folder on this device, and its time had ``moved``, or not."""
        with self._lock:
            self._believed[device] = moved and self._believed.get(device, True)
