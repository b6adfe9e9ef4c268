"""Decorators around any transport: try again, count, fail on purpose.

Each is itself a `Transport` and can be put around another. `Retrying` makes passing failures pass,
`Metered` counts what goes through (for reports and benchmarks), `Faulty` fails repeatably from a seed
(for tests). None of them knows which transport it is around.
"""

import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

import tenacity

from syft_flwr_cli.transports.base import (
    Content,
    Cost,
    Entry,
    Properties,
    TransientError,
    Transport,
    Usage,
    Watch,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Faulty", "Metered", "Retrying", "Traffic"]

T = TypeVar("T")


class _Around:
    """A transport that hands every call to another; ``_call`` is where a decorator comes in."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    def _call(self, action: Callable[[], T]) -> T:
        return action()

    @property
    def email(self) -> str:
        """Whose view this is."""
        return self._inner.email

    @property
    def properties(self) -> Properties:
        """What the transport inside is good at."""
        return self._inner.properties

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """See `Transport.publish`."""
        self._call(lambda: self._inner.publish(path, content, readers))

    def open(self, owner: str, path: str) -> BinaryIO:
        """See `Transport.open`."""
        return self._call(lambda: self._inner.open(owner, path))

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        """See `Transport.fetch`."""
        self._call(lambda: self._inner.fetch(owner, path, destination))

    def watch(self, owner: str, folder: str) -> Watch:
        """See `Transport.watch`."""
        return _WatchAround(self._call(lambda: self._inner.watch(owner, folder)), self._look)

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
        self._call(lambda: self._inner.remove(path))

    def list_own(self, folder: str = "") -> list[tuple[str, Entry]]:
        """See `Transport.list_own`."""
        return self._call(lambda: self._inner.list_own(folder))

    def cost(self) -> Cost:
        """What the inner transport has cost."""
        return self._inner.cost()

    def usage(self, folder: str = "") -> Usage:
        """See `Transport.usage`."""
        return self._call(lambda: self._inner.usage(folder))

    def close(self) -> None:
        """See `Transport.close`."""
        self._inner.close()

    def _look(self, look: Callable[[], list[Entry]]) -> list[Entry]:
        return self._call(look)


class _WatchAround:
    def __init__(self, inner: Watch, around: Callable[[Callable[[], list[Entry]]], list[Entry]]) -> None:
        self._inner = inner
        self._around = around

    def new(self) -> list[Entry]:
        """See `Watch.new`."""
        return self._around(self._inner.new)

    def close(self) -> None:
        """See `Watch.close`."""
        self._inner.close()


class Retrying(_Around):
    """Tries again what failed with a `TransientError`, with growing, random pauses.

    Nothing else is tried again: a file that is not there yet is waited for by whoever knows for how
    long, and a full disk or a missing permission does not mend itself.

    Parameters
    ----------
    inner : Transport
        What may fail.
    patience : float
        Seconds after which the last error is raised.
    first, longest : float
        Seconds of the first pause at the most, and of any pause.
    sleep : Callable[[float], None]
        How to pause.
    """

    def __init__(
        self,
        inner: Transport,
        patience: float = 30.0,
        first: float = 0.05,
        longest: float = 5.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(inner)
        self._policy = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            wait=tenacity.wait_random_exponential(multiplier=first, max=longest),
            stop=tenacity.stop_after_delay(patience),
            sleep=sleep,
            reraise=True,
        )

    def _call(self, action: Callable[[], T]) -> T:
        return self._policy.copy()(action)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has gone through a transport since it was opened; sizes in bytes."""

    files_written: int = 0
    bytes_written: int = 0
    files_read: int = 0
    bytes_read: int = 0
    files_removed: int = 0
    opens: int = 0
    fetches: int = 0
    listings: int = 0
    waits: int = 0

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        """What has gone through since ``earlier``."""
        return Traffic(*(getattr(self, f.name) - getattr(earlier, f.name) for f in fields(self)))


class Metered(_Around):
    """Counts what goes through; a call that failed counts for nothing."""

    def __init__(self, inner: Transport) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self._traffic = Traffic()

    def snapshot(self) -> Traffic:
        """What has gone through so far."""
        with self._lock:
            return self._traffic

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Count a file and its bytes as written."""
        super().publish(path, content, readers)
        self._count(files_written=1, bytes_written=content.size)

    def open(self, owner: str, path: str) -> BinaryIO:
        """Count a file as read, and its bytes as they are read."""
        stream = super().open(owner, path)
        self._count(opens=1, files_read=1)
        return cast(BinaryIO, _CountedStream(stream, lambda count: self._count(bytes_read=count)))

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        """Count a file and its bytes as read."""
        super().fetch(owner, path, destination)
        self._count(fetches=1, files_read=1, bytes_read=destination.stat().st_size)

    def remove(self, path: str) -> None:
        """Count a removal, of whatever was there."""
        super().remove(path)
        self._count(files_removed=1)

    def list_own(self, folder: str = "") -> list[tuple[str, Entry]]:
        """Count a listing."""
        self._count(listings=1)
        return super().list_own(folder)

    def wait(self, token: int, timeout: float) -> int:
        """Count a wait."""
        self._count(waits=1)
        return super().wait(token, timeout)

    def _look(self, look: Callable[[], list[Entry]]) -> list[Entry]:
        self._count(listings=1)
        return look()

    def _count(self, **more: int) -> None:
        with self._lock:
            now = {name: getattr(self._traffic, name) + count for name, count in more.items()}
            self._traffic = replace(self._traffic, **now)


class _CountedStream(BufferedIOBase):
    """A stream that tells how many bytes are read from it; those read past it (`fileno`) it cannot see."""

    def __init__(self, inner: BinaryIO, count: Callable[[int], None]) -> None:
        self._inner = inner
        self._count = count

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._inner.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

    def fileno(self) -> int:
        return self._inner.fileno()

    def read(self, size: int | None = -1) -> bytes:
        data = self._inner.read(-1 if size is None else size)
        self._count(len(data))
        return data

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = cast(BufferedIOBase, self._inner).readinto(buffer)
        self._count(count)
        return count

    def readline(self, size: int | None = -1) -> bytes:
        data = self._inner.readline(-1 if size is None else size)
        self._count(len(data))
        return data

    def close(self) -> None:
        self._inner.close()
        super().close()


class Faulty(_Around):
    """Fails on purpose, repeatably as long as the calls come in the same order.

    Parameters
    ----------
    inner : Transport
        What works.
    seed : int
        Where the chances come from.
    refused : float
        Chance that a call fails before it has done anything.
    unanswered : float
        Chance that a call fails although it has done all.
    """

    def __init__(self, inner: Transport, seed: int, refused: float = 0.1, unanswered: float = 0.1) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._refused = refused
        self._unanswered = unanswered

    def open(self, owner: str, path: str) -> BinaryIO:
        """Fail before or not at all: a stream whose answer is lost would stay open."""
        self._refuse()
        return self._inner.open(owner, path)

    def _look(self, look: Callable[[], list[Entry]]) -> list[Entry]:
        """Fail before or not at all: what a look has told of, it need not tell of again."""
        self._refuse()
        return look()

    def _refuse(self) -> None:
        with self._lock:
            refused = self._random.random() < self._refused
        if refused:
            raise TransientError("The store refused, as it was asked to.", hint="Try again.")

    def _call(self, action: Callable[[], T]) -> T:
        with self._lock:
            unanswered = self._random.random() < self._unanswered
        self._refuse()
        result = action()
        if unanswered:
            raise TransientError("The store's answer was lost, as it was asked to be.", hint="Try again.")
        return result
