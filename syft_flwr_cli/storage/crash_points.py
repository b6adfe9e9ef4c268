"""Named points at which a test harness can kill this process, to prove that nothing is lost.

Code that changes what lies on a disk calls `point` with a fixed name at each moment that matters.
Unless the environment asks for it when this module is first imported, `point` does nothing:

* ``SYFT_FLWR_FAULT_POINT=name:n`` kills the process with SIGKILL at its n-th arrival at ``name``
  (``:n`` left out means the first); ``*:n`` counts the arrivals at all points.
* ``SYFT_FLWR_FAULT_LOG=file`` appends the name of every point arrived at, one a line, so that a
  harness can find out which points there are.

Both are inherited by child processes, each of which counts for itself. This module imports nothing
of the project and knows nothing of what the points mean.
"""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["FAULT_LOG", "FAULT_POINT", "make_point", "point"]

FAULT_POINT = "SYFT_FLWR_FAULT_POINT"
FAULT_LOG = "SYFT_FLWR_FAULT_LOG"


def _nothing(name: str) -> None:
    """Arrive at a point while nobody wants to know."""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def make_point(environment: Mapping[str, str], die: Callable[[], None] = _die) -> Callable[[str], None]:
    """Build the function that is called at every point.

    Parameters
    ----------
    environment : Mapping[str, str]
        Where the two variables are looked up.
    die : Callable[[], None]
        What happens at the chosen arrival.

    Raises
    ------
    ValueError
        If the count is no positive number.
    """
    wanted = environment.get(FAULT_POINT, "")
    log = environment.get(FAULT_LOG, "")
    if not wanted and not log:
        return _nothing
    chosen, _, digits = wanted.partition(":")
    count = int(digits or "1")
    if count < 1:
        raise ValueError(f"{FAULT_POINT}={wanted}: arrivals are counted from 1.")
    lock = threading.Lock()
    arrivals = 0

    def arrive(name: str) -> None:
        nonlocal arrivals
        with lock:
            if log:
                with Path(log).open("a", encoding="utf-8") as stream:
                    stream.write(f"{name}\n")
            if chosen in ("*", name):
                arrivals += 1
                if arrivals == count:
                    die()

    return arrive


point: Callable[[str], None] = make_point(os.environ)
"""Arrive at the point of this name."""
