"""Finds what an app without a sandbox has started and let go: daemons in sessions of their own, on Linux.

A process group holds only those who stay in it. So an app's process carries a mark in its environment, which all
that it starts inherits, and is told what becomes of its orphans (a subreaper), so that they stay below it while it
lives. Who clears the environment and whose parents have all ended is not found; a sandbox has no such gap.
"""

import contextlib
import ctypes
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MARK_VARIABLE", "adopt_orphans", "kill_strays", "new_mark"]

MARK_VARIABLE = "SYFT_FLWR_APP_PROCESS"
"""The environment variable that marks an app's process and what it started."""

_PROC = Path("/proc")
_SCANS = 20


def new_mark() -> str:
    """A mark that no other process has."""
    return secrets.token_hex(16)


def adopt_orphans() -> None:
    """On Linux, become the parent of what the children of this marked process leave behind when they end.

    Nobody waits for those, so they stay as entries in the table of processes until this process ends.
    """
    if sys.platform == "linux" and MARK_VARIABLE in os.environ:
        set_child_subreaper = 36  # PR_SET_CHILD_SUBREAPER in linux/prctl.h
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def kill_strays(mark: str, parent: int | None) -> None:
    """Kill every process with ``mark`` and every one below ``parent``, and that too; does nothing but on Linux.

    Parameters
    ----------
    mark : str
        What `new_mark` gave for the app's process.
    parent : int, optional
        The app's process, if nobody has waited for it yet: its number is its own till then.
    """
    if sys.platform != "linux":
        return
    if parent is not None:
        # While it lives its orphans are below it; with it they are lost to those who only look there.
        for pid in _below(parent):
            _kill(pid)
        _kill(parent)
    for _ in range(_SCANS):
        if not [pid for pid in _marked(mark) if _kill(pid)]:
            return


def _marked(mark: str) -> Iterator[int]:
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    for pid in _processes():
        with contextlib.suppress(OSError):
            if wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                yield pid


def _below(parent: int) -> list[int]:
    """All processes below ``parent`` at this moment."""
    children: dict[int, list[int]] = {}
    for pid in _processes():
        status = _status(pid)
        if status is not None:
            children.setdefault(status[1], []).append(pid)
    found, open_ = [], [parent]
    while open_:
        below = children.get(open_.pop(), [])
        found += below
        open_ += below
    return found


def _processes() -> Iterator[int]:
    with os.scandir(_PROC) as entries:
        numbers = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    own = os.getpid()
    yield from (number for number in numbers if number != own)


def _status(pid: int) -> tuple[str, int] | None:
    """State and parent of a process (proc(5), stat); None if it is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def _kill(pid: int) -> bool:
    """Kill a process unless it has ended already; whether it had not."""
    status = _status(pid)
    if status is None or status[0] in "ZX":
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True
