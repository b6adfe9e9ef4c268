"""One run, one process: advisory locks that the kernel takes back when their holder dies.

The one place that knows how a file is locked: with ``fcntl.flock``. `lock_descriptor` is the bare lock;
`FileLock` adds who holds it, since when and on which machine, for the sentence that the person reads. A lock
file stays, unless it is made for one use (``passing``, a run's): its holder removes that before letting go, and
whoever locked a file that was removed meanwhile does not have the lock, but tries again. It does not know what
the lock protects.
"""

import fcntl
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["FileLock", "Holder", "lock_descriptor", "unlock_descriptor", "who_holds"]

MAX_NOTE = 4096


def lock_descriptor(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file against all who opened it apart: False if held and not ``wait``."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock_descriptor(descriptor: int) -> None:
    """Let go of the lock; closing the descriptor does the same."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


class FileLock:
    """A lock that one process holds for as long as it lives, or until it lets go.

    Parameters
    ----------
    path : Path
        The lock file; made (0600, its directory 0700) when it is not there.
    clock : Callable[[], float]
        Seconds since 1970, for "since when".
    passing : bool
        Remove the file when the lock is let go.

    Notes
    -----
    Two `FileLock` objects exclude each other within one process too. The lock is not inherited by the
    programs that this process starts, but by a plain ``fork``.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, *, passing: bool = False) -> None:
        self._path = path
        self._clock = clock
        self._passing = passing
        self._descriptor: int | None = None

    def try_acquire(self, info: str) -> bool:
        """Take the lock if nobody holds it, and say in the file who does and what for.

        Parameters
        ----------
        info : str
            What the holder does, such as ``run-client``; shown to whoever finds the lock taken.
        """
        if self._descriptor is not None:
            return True
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            if not lock_descriptor(descriptor, wait=False):
                os.close(descriptor)
                return False
            if not self._passing or _is_at(descriptor, self._path):
                break
            os.close(descriptor)  # removed by its holder after we had opened it: it protects nothing any more
        try:
            note = {"info": info, "pid": os.getpid(), "host": platform.node(), "since": self._clock()}
            _replace_content(descriptor, json.dumps(note).encode("ascii") + b"\n")
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def holder(self) -> str:
        """Who holds the lock, or held it last, for people: what, process, machine, since when."""
        try:
            with self._path.open("rb") as stream:
                note: Any = json.loads(stream.read(MAX_NOTE))
            since = datetime.fromtimestamp(float(note["since"]), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            what = str(note["info"])
            what = "" if what.startswith("{") else f"{what}, "  # facts for programs are no sentence
            return f"{what}process {int(note['pid'])} on {note['host']}, since {since}"
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return "another process"

    def release(self) -> None:
        """Let go; no error if it is not held."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            if self._passing:
                self._path.unlink(missing_ok=True)
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock, and since when (seconds since 1970)."""

    pid: int
    since: float


def who_holds(path: Path) -> Holder | None:
    """The process on this machine that holds the lock at ``path``; None if there is none.

    Found out by looking, not by trying to take it: whoever tried would hold it for a moment, and another
    process that starts in that moment would be turned away. Whoever died left its note, so the process
    must be there and, where the system tells (Linux), have the file open.
    """
    try:
        with path.open("rb") as stream:
            note: Any = json.loads(stream.read(MAX_NOTE))
        holder = Holder(int(note["pid"]), float(note["since"]))
        here = note["host"] == platform.node()
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return holder if here and _has_open(holder.pid, path) else None


def _has_open(pid: int, path: Path) -> bool:
    descriptors = Path(f"/proc/{pid}/fd")
    try:
        os.kill(pid, 0)
        if not descriptors.is_dir():
            return True
        return any(os.path.realpath(entry) == os.path.realpath(path) for entry in descriptors.iterdir())
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is somebody else's process, or its descriptors come and go while we look


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one that has this path now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _replace_content(descriptor: int, content: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, content)
