"""A terminal for a process that is measured: what is drawn on it is read, as a terminal would, and kept in a log."""

import fcntl
import os
import pty
import struct
import termios
import threading
from pathlib import Path

__all__ = ["open_terminal"]

COLUMNS, ROWS = 200, 50


def open_terminal(log: Path) -> int:
    """The descriptor for the process; to be closed here once it has it. The reader ends with the last writer."""
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    threading.Thread(target=_copy, args=(reading, log), name="terminal", daemon=True).start()
    return writing


def _copy(reading: int, log: Path) -> None:
    with log.open("ab") as stream:
        try:
            while block := os.read(reading, 1 << 16):
                stream.write(block)
                stream.flush()
        except OSError:  # Linux says so that no process has the other end any more
            pass
    os.close(reading)
