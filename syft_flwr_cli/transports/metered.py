"""What is written through a transport, counted: for the report of a run and for benchmarks.

`Metered` is a decorator around any transport; `Traffic` is a value, and the difference of two is what went
through in between. It knows neither what the files mean nor what the store charges (`Transport.cost`).
"""

import threading
from collections.abc import Collection
from dataclasses import dataclass

from syft_flwr_cli.transports.around import Around
from syft_flwr_cli.transports.base import Content, Transport

__all__ = ["Metered", "Traffic"]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was written through a transport since it was opened; sizes in bytes."""

    files_written: int = 0
    bytes_written: int = 0

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        """What was written since ``earlier``."""
        return Traffic(self.files_written - earlier.files_written, self.bytes_written - earlier.bytes_written)


class Metered(Around):
    """Counts what is written; a call that failed counts for nothing."""

    def __init__(self, inner: Transport) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self._traffic = Traffic()

    def snapshot(self) -> Traffic:
        """What was written so far."""
        with self._lock:
            return self._traffic

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Count a file and its bytes as written."""
        super().publish(path, content, readers)
        with self._lock:
            now = self._traffic
            self._traffic = Traffic(now.files_written + 1, now.bytes_written + content.size)
