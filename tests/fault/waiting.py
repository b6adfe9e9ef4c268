"""Waiting for what must come, and for nothing else."""

import time
from collections.abc import Callable


def until(seen: Callable[[], bool], what: str, seconds: float = 60.0, often: float = 0.01) -> None:
    """Wait until ``seen()``; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(often)
