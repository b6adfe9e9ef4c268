"""A store in memory, for tests: as good as a store can be, or as bad as the contract allows.

`MemoryStore` is what the participants share, `MemoryTransport` one participant's view of it. With
`MemoryFaults` files arrive late and out of order, listings repeat themselves, nobody is woken and
calls fail now and then, repeatably from a seed. Several threads may use it, several processes cannot.
"""

import io
import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.transports.base import (
    BytesContent,
    Content,
    Cost,
    FileInfo,
    Properties,
    TransientError,
    Watch,
)
from syft_flwr_cli.transports.folder import atomic_write, posix
from syft_flwr_cli.transports.wakeup import WakeupSignal

__all__ = ["MemoryFaults", "MemoryStore", "MemoryTransport"]


@dataclass(frozen=True, slots=True)
class MemoryFaults:
    """How bad a store is.

    Parameters
    ----------
    seed : int
        Where its chances come from.
    lag : float
        Seconds that a file takes to reach the others at the most; each takes its own time.
    repeats : float
        Chance that a listing tells of a file again.
    lost_events : bool
        Whether nobody is woken by what the others write.
    errors : float
        Chance that a call fails, before it did anything or after it did all.
    """

    seed: int = 0
    lag: float = 0.0
    repeats: float = 0.0
    lost_events: bool = False
    errors: float = 0.0


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    created: float
    version: int
    readers: frozenset[str]
    arrives: float
    before: "_File | None"
    """What the others see until then."""


class MemoryStore:
    """What several participants share.

    Parameters
    ----------
    faults : MemoryFaults
        How bad it is.
    clock : Callable[[], float]
        Seconds, from wherever, by which files arrive.
    """

    def __init__(
        self, faults: MemoryFaults | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self.faults = faults or MemoryFaults()
        self._lock = threading.RLock()
        self._random = random.Random(self.faults.seed)
        self._files: dict[tuple[str, str], _File] = {}
        self._signals: list[WakeupSignal] = []
        self._versions = 0

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens now."""
        with self._lock:
            return self._random.random() < probability

    def join(self, wakeup: WakeupSignal) -> None:
        """Let a participant be woken."""
        with self._lock:
            self._signals.append(wakeup)

    def leave(self, wakeup: WakeupSignal) -> None:
        """Wake a participant no more."""
        with self._lock:
            self._signals.remove(wakeup)

    def put(self, owner: str, path: str, data: bytes, readers: Collection[str]) -> None:
        """Put a file in place of what was there."""
        with self._lock:
            self._versions += 1
            arrives = self._clock() + self._random.random() * self.faults.lag
            before = self.get("", owner, path)
            self._files[owner, path] = _File(
                data, time.time(), self._versions, frozenset(readers), arrives, before
            )
            signals = [] if self.faults.lost_events else list(self._signals)
        for wakeup in signals:
            wakeup.expect(self.faults.lag) if self.faults.lag else wakeup.notify()

    def get(self, viewer: str, owner: str, path: str) -> _File | None:
        """The file as ``viewer`` sees it."""
        with self._lock:
            file = self._files.get((owner, path))
            while file is not None and viewer != owner and self._clock() < file.arrives:
                file = file.before
            return file

    def drop(self, owner: str, path: str) -> None:
        """Forget a file."""
        with self._lock:
            self._files.pop((owner, path), None)

    def below(self, viewer: str, owner: str, folder: str) -> list[tuple[str, _File]]:
        """The files of ``owner`` below ``folder``, with their paths, oldest first."""
        start = f"{folder}/" if folder else ""
        with self._lock:
            seen = [
                (path, self.get(viewer, owner, path))
                for (whose, path) in self._files
                if whose == owner and path.startswith(start)
            ]
        there = [(path, file) for path, file in seen if file is not None]
        return sorted(there, key=lambda item: item[1].version)


class MemoryTransport:
    """One participant's view of a `MemoryStore`.

    Parameters
    ----------
    store : MemoryStore
        What is shared.
    email : str
        Whose view this is.
    poll_interval : float
        Seconds between two looks where nobody is woken.
    """

    def __init__(self, store: MemoryStore, email: str, poll_interval: float = 3.0) -> None:
        self._store = store
        self._email = names.check_email(email)
        self._wakeup = WakeupSignal(poll_interval)
        store.join(self._wakeup)

    @property
    def email(self) -> str:
        """Whose view this is."""
        return self._email

    @property
    def properties(self) -> Properties:
        """Everything is cheap here."""
        return Properties(inline_limit=16 * 1024, listing_cost=0.0)

    def prepare(self, path: str, readers: Collection[str]) -> None:
        """Nothing to do: who may read is decided with each file."""

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Put a file into one's own space, readable by exactly ``readers``."""
        names_of_readers = [names.check_email(reader) for reader in readers]
        path = _checked(path)
        if content.size == 0:
            raise ValueError(f"{path} is empty: its readers would never see it.")
        data = b"".join(bytes(chunk) for chunk in content.chunks())
        if len(data) != content.size:
            raise ValueError(
                f"Content of {content.size} bytes was promised, but its chunks made {len(data)}."
            )
        self._maybe_fail()
        self._store.put(self._email, path, data, names_of_readers)
        self._maybe_fail()

    def open(self, owner: str, path: str) -> BinaryIO:
        """Open a file for streaming."""
        return io.BytesIO(self._get(owner, path))

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        """Write the file to ``destination``, all of it or nothing."""
        data = self._get(owner, path)
        try:
            with posix.entered(destination.parent.absolute(), ()) as folder:
                atomic_write.publish(destination.name, folder, BytesContent(data))
        except OSError as error:
            raise posix.explain(error, "write", destination) from error

    def watch(self, owner: str, folder: str) -> Watch:
        """Begin to look at a folder."""
        return _MemoryWatch(self._store, self._email, names.check_email(owner), _checked(folder))

    def token(self) -> int:
        """A number that grows whenever something may have changed."""
        return self._wakeup.token()

    def wait(self, token: int, timeout: float) -> int:
        """Wait until `token()` exceeds ``token`` or ``timeout`` seconds have passed; the token now."""
        return self._wakeup.wait(token, timeout)

    def wake(self) -> None:
        """Let every thread that waits look again."""
        self._wakeup.notify()

    def remove(self, path: str) -> None:
        """Remove a file of one's own; an absent one is no error."""
        path = _checked(path)
        self._maybe_fail()
        self._store.drop(self._email, path)

    def list_own(self, folder: str = "") -> list[tuple[str, FileInfo]]:
        """Every file of one's own below ``folder``, with its path, sorted by path."""
        folder = _checked(folder) if folder else ""
        self._maybe_fail()
        return sorted(
            (path, _entry(path, file)) for path, file in self._store.below(self._email, self._email, folder)
        )

    def cost(self) -> Cost:
        """Nothing: there is no service to ask."""
        return Cost()

    def close(self) -> None:
        """Be woken no more."""
        self._store.leave(self._wakeup)
        self._wakeup.notify()

    def _get(self, owner: str, path: str) -> bytes:
        owner, path = names.check_email(owner), _checked(path)
        self._maybe_fail()
        file = self._store.get(self._email, owner, path)
        if file is None or self._email not in {owner, *file.readers}:
            raise NotThereError(f"{owner} has no file {path} (yet).", hint=f"Wait for {owner} to write it.")
        return file.data

    def _maybe_fail(self) -> None:
        if self._store.chance(self._store.faults.errors):
            raise TransientError("The store in memory failed, as it was asked to.", hint="Try again.")


class _MemoryWatch:
    def __init__(self, store: MemoryStore, viewer: str, owner: str, folder: str) -> None:
        self._store, self._viewer, self._owner, self._folder = store, viewer, owner, folder
        self._known: dict[str, int] = {}
        self._lock = threading.Lock()
        self._closed = False

    def new(self) -> list[FileInfo]:
        """What has appeared or changed since the last call, oldest first."""
        with self._lock:
            if self._closed:
                return []
            if self._store.chance(self._store.faults.errors):
                raise TransientError("The store in memory failed, as it was asked to.", hint="Try again.")
            found = []
            for path, file in self._store.below(self._viewer, self._owner, self._folder):
                name = path.removeprefix(f"{self._folder}/")
                if "/" in name or self._viewer not in {self._owner, *file.readers}:
                    continue
                again = self._store.chance(self._store.faults.repeats)
                if self._known.get(name) != file.version or again:
                    self._known[name] = file.version
                    found.append(_entry(path, file))
            return found

    def close(self) -> None:
        """Look no more."""
        with self._lock:
            self._closed = True


def _checked(path: str) -> str:
    for part in path.split("/"):
        names.check_component(part)
    return path


def _entry(path: str, file: _File) -> FileInfo:
    return FileInfo(path.rsplit("/", 1)[-1], len(file.data), file.created)
