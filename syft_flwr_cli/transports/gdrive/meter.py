"""What Google Drive is asked: calls, quota units and bytes by kind; and how fast it may be written to.

Units are those of Google's table for the Drive API (reads 5, lists 100, downloads 200, changes 50,
anything else 5), the chunks of a resumable upload costing nothing beyond its beginning. Knows no network.
"""

import threading
import time
from collections.abc import Callable, Mapping

from syft_flwr_cli.transports.base import CallCosts

__all__ = ["Meter", "Pacer"]

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


class Meter:
    """Counts. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[str, CallCosts] = {}

    def count(self, kind: str, *, sent: int = 0) -> None:
        """One more call, answered or not, with so many bytes in its body."""
        self._add(kind, CallCosts(1, _UNITS.get(kind, _OTHER), sent))

    def received(self, kind: str, size: int) -> None:
        """So many bytes of content have come back."""
        self._add(kind, CallCosts(received=size))

    def _add(self, kind: str, one: CallCosts) -> None:
        with self._lock:
            self._kinds[kind] = self._kinds.get(kind, CallCosts()) + one

    def snapshot(self) -> Mapping[str, CallCosts]:
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
