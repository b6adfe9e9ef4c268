"""A transport that hands every call to another: what each decorator of transports is built on.

A decorator is itself a `Transport` and can be put around another. It overrides `Around._write` and
`Around._read`, through which all calls that reach the store go, or the one method that concerns it. It does
not know which transport it is around.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import BinaryIO, TypeVar

from syft_flwr_cli.transports.base import Content, Cost, FileInfo, Properties, Transport, Watch

__all__ = ["Around"]

T = TypeVar("T")


class Around:
    """See the module's first paragraph."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    def _write(self, action: Callable[[], T]) -> T:
        """Carry out a call that changes the store."""
        return action()

    def _read(self, action: Callable[[], T]) -> T:
        """Carry out a call that only looks."""
        return action()

    @property
    def email(self) -> str:
        """Whose view this is."""
        return self._inner.email

    @property
    def properties(self) -> Properties:
        """What the transport inside is good at."""
        return self._inner.properties

    def prepare(self, path: str, readers: Collection[str]) -> None:
        """See `Transport.prepare`."""
        self._write(lambda: self._inner.prepare(path, readers))

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """See `Transport.publish`."""
        self._write(lambda: self._inner.publish(path, content, readers))

    def open(self, owner: str, path: str) -> BinaryIO:
        """See `Transport.open`."""
        return self._read(lambda: self._inner.open(owner, path))

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        """See `Transport.fetch`."""
        self._read(lambda: self._inner.fetch(owner, path, destination))

    def watch(self, owner: str, folder: str) -> Watch:
        """See `Transport.watch`."""
        return _WatchAround(self._read(lambda: self._inner.watch(owner, folder)), self._look)

    def token(self) -> int:
        """See `Transport.token`."""
        return self._inner.token()

    def wait(self, token: int, timeout: float) -> int:
        """See `Transport.wait`."""
        return self._inner.wait(token, timeout)

    def wake(self) -> None:
        """See `Transport.wake`."""
        self._inner.wake()

    def remove(self, path: str) -> None:
        """See `Transport.remove`."""
        self._write(lambda: self._inner.remove(path))

    def list_own(self, folder: str = "") -> list[tuple[str, FileInfo]]:
        """See `Transport.list_own`."""
        return self._read(lambda: self._inner.list_own(folder))

    def cost(self) -> Cost:
        """What the inner transport has cost."""
        return self._inner.cost()

    def close(self) -> None:
        """See `Transport.close`."""
        self._inner.close()

    def _look(self, look: Callable[[], list[FileInfo]]) -> list[FileInfo]:
        return self._read(look)


class _WatchAround:
    def __init__(
        self, inner: Watch, around: Callable[[Callable[[], list[FileInfo]]], list[FileInfo]]
    ) -> None:
        self._inner = inner
        self._around = around

    def new(self) -> list[FileInfo]:
        """See `Watch.new`."""
        return self._around(self._inner.new)

    def close(self) -> None:
        """See `Watch.close`."""
        self._inner.close()
