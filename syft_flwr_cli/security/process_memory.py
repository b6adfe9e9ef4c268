"""Keeps other processes of the same user from reading this one's secrets: its environment and its memory.

What stands in the environment when a program starts lies in its memory for as long as it runs, readable as
``/proc/PID/environ`` by every process of the same user, an app among them, whatever the program unsets.
`hide_variable` overwrites it there. `deny_inspection` has the kernel refuse ptrace, ``/proc/PID/mem`` and core
dumps (prctl(2), PR_SET_DUMPABLE). Both are of Linux and do nothing elsewhere; neither helps against the superuser.
"""

import ctypes
import os
import sys
from pathlib import Path

__all__ = ["deny_inspection", "hide_variable"]

_PR_SET_DUMPABLE = 4
_ENV_START, _ENV_END = 49, 50  # fields of /proc/PID/stat, from 0, as proc(5) counts them from 1


def deny_inspection() -> bool:
    """Have no other process of this user look into this one from now on; whether that is so."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def hide_variable(name: str) -> None:
    """Keep an environment variable, for this program and those that it starts, where no other process sees it.

    Call it at the start, before threads and before `deny_inspection`, which closes ``/proc/self`` to this process, too,
    unless it is the superuser's.
    """
    value = os.environ.get(name)
    if value and sys.platform == "linux":
        os.environ[name] = (
            value  # a copy elsewhere in memory, which is what is used and inherited from now on
        )
        _overwrite(os.fsencode(name) + b"=")


def _overwrite(beginning: bytes) -> None:
    """Fill with zeros what follows ``beginning`` in the block of memory that ``/proc/self/environ`` shows."""
    try:
        block = Path("/proc/self/environ").read_bytes()
        # The second field, the program's name in brackets, may hold anything.
        facts = Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return  # no /proc: then nobody else can read it there either
    start, end = (int(facts[field - 2]) for field in (_ENV_START, _ENV_END))
    place = 0
    for entry in block.split(b"\0"):
        if entry.startswith(beginning) and start + place + len(entry) <= end:
            ctypes.memset(start + place + len(beginning), 0, len(entry) - len(beginning))
        place += len(entry) + 1
