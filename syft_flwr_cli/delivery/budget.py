"""How many bytes a peer may bring: decided from what is announced, before anything is fetched or made room for.

Disks and memory are finite and are shared by all peers, so each has its part of them and no more. Pure, but
for the two functions that ask the system what there is.
"""

import os
import shutil
from pathlib import Path
from typing import Final

__all__ = ["available_memory", "free_disk", "share_left"]

_MEMINFO: Final = Path("/proc/meminfo")


def share_left(free: int, held_by_all: int, held_by_peer: int, peers: int) -> int:
    """Bytes that one of ``peers`` may still bring where ``free`` bytes are left.

    What is free and what all of them hold is divided among them and ourselves in equal parts, so that one who
    takes all that it may leaves every other its part.
    """
    return max(0, min(free, (free + held_by_all) // (peers + 1) - held_by_peer))


def free_disk(place: Path) -> int:
    """Bytes that may still be written where ``place`` lies, or will lie."""
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def available_memory() -> int:
    """Bytes of memory that a process may take without others being pushed out, as far as the system tells."""
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
