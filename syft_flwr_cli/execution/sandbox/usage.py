"""What a tree of processes uses, as Linux tells it in ``/proc``: processes, memory, processor time, disk.

Memory is what only these processes need: their own pages, each counted once however many share it, and
shared memory, mapped or only held open. Pages of files are not counted; the system takes those back.
"""

import contextlib
import os
from collections.abc import Iterator

__all__ = ["Tree", "disk", "machine_memory"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class Tree:
    """All descendants of one process.

    Parameters
    ----------
    root : int
        The process; it is not itself counted.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._known: list[int] = []
        self._fresh_looks = 2
        self._cpu = 0.0

    def grows(self) -> None:
        """A process is about to be started: what was known of the tree is out of date."""
        self._fresh_looks = 2

    def processes(self, *, fresh: bool = False) -> list[int]:
        """The ids; read anew only when the tree may have changed."""
        if fresh or self._fresh_looks:
            self._known = list(_descendants(self._root))
            self._fresh_looks = max(0, self._fresh_looks - 1)
        return self._known

    def threads(self) -> int:
        """How many threads the processes have together."""
        return sum(_threads(process) for process in self.processes(fresh=True))

    def cpu_seconds(self) -> float:
        """Processor time used so far, by those that have ended too; never less than it was."""
        self._cpu = max(self._cpu, sum(_cpu(process) for process in self.processes()))
        return self._cpu

    def memory(self, enough: int) -> int:
        """Bytes of memory; exact only beyond ``enough``, and at most too high below it."""
        processes = self.processes()
        held = _held_open(processes)
        quick = sum(_resident(process) for process in processes)
        if quick + held <= enough:
            return quick + held
        own, shared = 0, 0
        for process in processes:
            anonymous, mapped = _proportional(process)
            own += anonymous
            shared += mapped
        return own + max(shared, held)


def _descendants(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal() and (fields := _fields(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    waiting = [root]
    while waiting:
        found = children.get(waiting.pop(), [])
        yield from found
        waiting += found


def _text(process: int, name: str) -> bytes:
    try:
        with open(f"/proc/{process}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""  # it is gone


def _fields(process: int) -> list[bytes]:
    return _text(process, "stat").rpartition(b")")[2].split()


def _threads(process: int) -> int:
    fields = _fields(process)
    return int(fields[17]) if fields else 0


def _cpu(process: int) -> float:
    fields = _fields(process)
    return sum(int(field) for field in fields[11:15]) / _TICKS if fields else 0.0


def _resident(process: int) -> int:
    fields = _text(process, "statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _proportional(process: int) -> tuple[int, int]:
    found = {b"Pss_Anon:": 0, b"Pss_Shmem:": 0}
    for line in _text(process, "smaps_rollup").splitlines():
        words = line.split()
        if words and words[0] in found:
            found[words[0]] = int(words[1]) << 10
    return found[b"Pss_Anon:"], found[b"Pss_Shmem:"]


def _held_open(processes: list[int]) -> int:
    """Bytes of shared memory that is open in some process, which need not be mapped to be there."""
    seen: dict[tuple[int, int], int] = {}
    for process in processes:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{process}/fd"):
                path = f"/proc/{process}/fd/{name}"
                with contextlib.suppress(OSError):
                    if os.readlink(path).startswith("/memfd:"):
                        facts = os.stat(path)
                        seen[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return sum(seen.values())


def disk(folder: str) -> int:
    """Bytes on disk below a folder, links not followed; what vanishes meanwhile counts nothing."""
    total, waiting = 0, [folder]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return total


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container if it has less."""
    total = os.sysconf("SC_PHYS_PAGES") * _PAGE
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError), open(path) as file:
            total = min(total, int(file.read()))
    return total
