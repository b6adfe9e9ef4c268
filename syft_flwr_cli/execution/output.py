"""Where the output of an app goes: a bounded log and the person's screen, never the stdout of a command.

The stdout of a command belongs to its one document, so an app never gets it. What an app, its C libraries and
its children write comes through a pipe, is appended to a log of bounded size, and is shown on stderr. Text of
an app that somebody else wrote is marked and escaped there, so that it can neither move the cursor nor be taken
for a sentence of this program.
"""

import contextlib
import ctypes
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from syft_flwr_cli.protocol.printable import visible

__all__ = ["Screen", "app_stdout", "copy_output", "escaped_screen", "log_tail", "own_screen", "plain_screen"]

MAX_LOG = 8 << 20
"""Bytes that a log and the one before it take up together at most."""

_LONGEST_LINE = 4000

_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
"""Control sequences of a terminal (ECMA-48): CSI, OSC, and those of two characters."""

Screen = Callable[[bytes], None]
"""Shows a piece of output; the empty piece is the end."""


def plain_screen(piece: bytes) -> None:
    """Write output to stderr as it is: for an app that the person at the screen wrote."""
    with contextlib.suppress(OSError):
        view = memoryview(piece)
        while view:
            view = view[os.write(2, view) :]


def own_screen() -> Screen:
    """A screen for an app that the person at it wrote: as it is, but without colours and other escape sequences
    where stderr is no terminal, or NO_COLOR is set."""
    held = bytearray()

    def show(piece: bytes) -> None:
        if os.isatty(2) and not os.environ.get("NO_COLOR"):
            plain_screen(piece)
            return
        held.extend(piece)
        begun = held.rfind(b"\x1b")
        # A sequence that is cut off at the end of the piece waits for the next one.
        whole = begun < 0 or _ESCAPE.match(held, begun) or len(held) - begun > 200 or not piece
        end = len(held) if whole else begun
        plain_screen(_ESCAPE.sub(b"", bytes(held[:end])))
        del held[:end]

    return show


def escaped_screen() -> Screen:
    """A screen for somebody else's app: whole lines, each marked with ``app | `` and without control characters."""
    held = bytearray()

    def show(piece: bytes) -> None:
        held.extend(piece)
        lines = bytes(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest = lines.pop()
        held[:] = rest
        if rest and (not piece or len(rest) > _LONGEST_LINE):
            lines.append(rest)
            held.clear()
        text = "".join(
            f"app | {visible(line[:_LONGEST_LINE].decode(errors='replace'), keep=chr(9))}\n"
            for line in lines
            if line.strip()
        )
        plain_screen(text.encode(errors="replace"))

    return show


def copy_output(source: IO[bytes], path: Path, screen: Screen | None = None) -> None:
    """Copy output into its log until it ends; when the log is full, begin again and keep the part before."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    size = path.stat().st_size if path.exists() else 0
    log = _open_private(path, os.O_APPEND)
    try:
        while block := source.read1(1 << 16):  # type: ignore[attr-defined]
            if size + len(block) > MAX_LOG // 2:
                log.close()
                path.replace(path.with_suffix(".log.1"))
                log, size = _open_private(path, os.O_TRUNC), 0
            log.write(block)
            log.flush()
            size += len(block)
            if screen is not None:
                screen(block)
        if screen is not None:
            screen(b"")
    finally:
        log.close()
        source.close()


def _open_private(path: Path, flag: int) -> IO[bytes]:
    """Open a log for writing that only its owner can read, whatever the umask: apps print what they like."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o600), "wb")


def log_tail(path: Path, size: int = 2000) -> str:
    """The last ``size`` bytes of a log, as text."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - size))
        return log.read().decode(errors="replace").strip()


@contextmanager
def app_stdout(path: Path, screen: Screen | None = plain_screen) -> Iterator[None]:
    """While this lasts, whatever this process and its children write to descriptor 1 goes to a log and a screen.

    For an app that runs in this process. The descriptor that was there before is kept where no child inherits it.
    """
    sys.stdout.flush()
    before = os.dup(1)
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(writing)
    copier = threading.Thread(
        target=copy_output,
        args=(os.fdopen(reading, "rb"), path, screen),
        name="syft-flwr-app-log",
        daemon=True,
    )
    copier.start()
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    buffered = not getattr(sys.stdout, "line_buffering", True)
    if reconfigure is not None and buffered:
        reconfigure(line_buffering=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        ctypes.CDLL(None).fflush(None)  # C libraries have buffers of their own
        if reconfigure is not None and buffered:
            reconfigure(line_buffering=False)
        os.dup2(before, 1)
        os.close(before)
        copier.join(timeout=2.0)  # a child that the app left behind may hold the other end for ever
