"""What Google Drive is asked: calls, quota units and bytes by kind; and how fast it may be written to.

Units are those of Google's table for the Drive API (reads 5, lists 100, downloads 200, changes 50,
anything else 5), the chunks of a resumable upload costing nothing beyond its beginning. Knows no network.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Calls", "Meter", "Pacer"]

_UNITS = {
    "files.get": 5,
    "files.download": 200,
    "files.list": 100,
    "files.create": 50,
    "files.update": 50,
    "files.delete": 50,
    "permissions.create": 50,
    "permissions.delete": 50,
    "permissions.list": 100,
    "changes.list": 100,
    "upload.chunk": 0,
}
_OTHER = 5


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one kind: how many, quota units, bytes of content sent and received."""

    count: int = 0
    units: int = 0
    sent: int = 0
    received: int = 0

    def __add__(self, other: "Calls") -> "Calls":
        return Calls(
            self.count + other.count,
            self.units + other.units,
            self.sent + other.sent,
            self.received + other.received,
        )

    def __sub__(self, other: "Calls") -> "Calls":
        return Calls(
            self.count - other.count,
            self.units - other.units,
            self.sent - other.sent,
            self.received - other.received,
        )


class Meter:
    """Counts. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[str, Calls] = {}

    def count(self, kind: str, *, sent: int = 0) -> None:
        """One more call, answered or not, with so many bytes in its body."""
        self._add(kind, Calls(1, _UNITS.get(kind, _OTHER), sent))

    def received(self, kind: str, size: int) -> None:
        """So many bytes of content have come back."""
        self._add(kind, Calls(received=size))

    def _add(self, kind: str, one: Calls) -> None:
        with self._lock:
            self._kinds[kind] = self._kinds.get(kind, Calls()) + one

    def snapshot(self) -> Mapping[str, Calls]:
        """What was counted so far, by kind."""
        with self._lock:
            return dict(self._kinds)


class Pacer:
    """Lets writes through at a sustained rate, a few at once after a rest.

    Parameters
    ----------
    rate : float
        Writes a second; ``inf`` for no limit.
    burst : int
        How many may go at once.
    pause : Callable[[float], None]
        Sleeps, or raises when the transport is closed.
    clock : Callable[[], float]
        Seconds, never going back.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        pause: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spacing = 1.0 / rate
        self._burst = burst
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._next = float("-inf")

    def write(self) -> None:
        """Wait until one more write may be made."""
        with self._lock:
            now = self._clock()
            self._next = max(self._next, now - self._spacing * self._burst) + self._spacing
            delay = self._next - now
        if delay > 0:
            self._pause(delay)
