"""The newest entries of a mapping: what is remembered for a while and may be forgotten.

A process may run for as long as its run does, with thousands of rounds and data owners, so nothing in it grows with
the number of messages. Whoever remembers something here gets by without what was forgotten.
"""

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Recent"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """A mapping that keeps its newest entries. Thread-safe.

    Parameters
    ----------
    limit : int
        How many stay.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: dict[Key, Value] = {}
        self._lock = threading.Lock()

    def __setitem__(self, key: Key, value: Value) -> None:
        """Remember an entry, as the newest."""
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = value
            if len(self._entries) > self._limit:
                del self._entries[next(iter(self._entries))]

    def get(self, key: Key) -> Value | None:
        """The value of ``key``; None if there is none, or it was forgotten."""
        return self._entries.get(key)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)
