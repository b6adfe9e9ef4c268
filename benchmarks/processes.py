"""What processes use, read from ``/proc``: CPU seconds, bytes read and written, peak and shared memory.

A `Tree` is a process with everything below it. Children that have ended count through their parents as
far as those waited for them; a `Sampler` looks often enough to catch the peak memory of short-lived ones.
Linux only.
"""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Sampler", "Usage", "available_memory", "descendants", "loopback_bytes", "usage_of"]

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU in seconds; bytes given to ``write`` and taken from ``read`` of files and pipes, not of sockets."""

    cpu: float = 0.0
    written: int = 0
    read: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu + other.cpu, self.written + other.written, self.read + other.read)

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu - other.cpu, self.written - other.written, self.read - other.read)


def usage_of(pid: int) -> Usage:
    """What a process and those of its children that it has waited for have used; nothing if it is gone."""
    place = Path("/proc") / str(pid)
    try:
        words = (place / "stat").read_text().rsplit(") ", 1)[1].split()
        lines = dict(line.split(": ") for line in (place / "io").read_text().splitlines())
    except (OSError, ValueError):
        return Usage()
    return Usage(sum(int(word) for word in words[11:15]) / _TICK, int(lines["wchar"]), int(lines["rchar"]))


def descendants(pid: int) -> list[int]:
    """The processes below ``pid``, without itself."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                parent = int((place / "stat").read_text().rsplit(") ", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(parent, []).append(int(place.name))
    found: list[int] = []
    todo = [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def memory_of(pid: int, field: str = "VmHWM") -> int:
    """The peak resident memory (or another field of ``status``) in bytes; 0 if it is gone."""
    try:
        for line in (Path("/proc") / str(pid) / "status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def forget_peak(pid: int) -> None:
    """Begin to measure the peak anew."""
    with suppress(OSError):
        (Path("/proc") / str(pid) / "clear_refs").write_text("5")


def available_memory() -> int:
    """Bytes that could be had without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def loopback_bytes() -> int:
    """Bytes that have gone through the loopback device of this machine, whoever sent them."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name.strip() == "lo":
            return int(rest.split()[0])
    return 0


class Sampler:
    """Looks at processes ten times a second and keeps the peaks by role.

    Parameters
    ----------
    roots : dict
        Role by process; what is below such a process has the role with ``>`` after it.
    """

    def __init__(self, roots: dict[int, str], interval: float = 0.1) -> None:
        self._roots = roots
        self._interval = interval
        self._peaks: dict[str, int] = {}
        self._before = available_memory()
        self._least = self._before
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(self._interval):
            self.look()

    def look(self) -> None:
        """Look once."""
        self._least = min(self._least, available_memory())
        for root, role in list(self._roots.items()):
            self._note(role, memory_of(root))
            for pid in descendants(root):
                self._note(f"{role}>", memory_of(pid))

    def _note(self, role: str, peak: int) -> None:
        self._peaks[role] = max(self._peaks.get(role, 0), peak)

    def forget(self) -> None:
        """Begin anew: peaks from now on."""
        for root in list(self._roots):
            for pid in [root, *descendants(root)]:
                forget_peak(pid)
        self._peaks.clear()
        self._least = available_memory()

    @property
    def peaks(self) -> dict[str, int]:
        """The largest peak of any process in each role, in bytes."""
        self.look()
        return dict(self._peaks)

    @property
    def taken(self) -> int:
        """By how much the machine's available memory went down meanwhile, in bytes, whoever took it."""
        return self._before - self._least

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()
