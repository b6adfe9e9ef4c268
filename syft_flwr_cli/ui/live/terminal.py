"""The terminal of the live view: while it lasts, everything on stderr scrolls by above the view, and Flower's lines
are folded into it.

Descriptor 2 becomes a pipe, so nothing that this process, its libraries or its children write can disturb the view.
It is drawn at most four times a second, and only on a terminal that obeys; elsewhere there are plain lines. It only
shows: if it fails, the run goes on.
"""

import contextlib
import dataclasses
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from syft_flwr_cli.events import Event, Publisher
from syft_flwr_cli.protocol.printable import without_sequences
from syft_flwr_cli.ui.live.draw import draw
from syft_flwr_cli.ui.live.state import LiveState
from syft_flwr_cli.ui.output import EscapingConsole

__all__ = ["live_view", "shown", "sink", "wanted"]

PER_SECOND = 4
MAX_LINES = 100
"""Lines that scroll by in one refresh; those before are counted."""

_FLOWER = re.compile(r"(?:DEBUG|INFO)\s*:(.*)", re.DOTALL)


def _nothing() -> Mapping[str, int]:
    return {}


def wanted(*, quiet: bool = False, verbose: bool = False) -> bool:
    """Whether a live view can and should be shown: stderr is a terminal that obeys, and nothing speaks against it."""
    return (
        not quiet
        and not verbose
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
        and sys.stderr.isatty()
        and os.isatty(2)
    )


def sink(state: LiveState, clock: Callable[[], float] = time.time) -> Callable[[Event], None]:
    """A sink of events that feeds ``state``."""
    lock = threading.Lock()

    def hear(event: Event) -> None:
        # Not `Event.facts`, which copies: an app may report ten thousand metrics.
        facts = {each.name: getattr(event, each.name) for each in dataclasses.fields(event)}
        with lock:
            state.hear({**facts, "event": event.kind}, clock())

    return hear


@contextmanager
def shown(
    state: LiveState,
    emit: Publisher,
    *,
    quiet: bool = False,
    verbose: bool = False,
    spent: Callable[[], Mapping[str, int]] = _nothing,
) -> Iterator[None]:
    """Show what ``emit`` publishes while this lasts, where a live view is `wanted`; nothing changes elsewhere."""
    if not wanted(quiet=quiet, verbose=verbose):
        yield
        return
    remove = emit.add(sink(state))
    try:
        with live_view(state, spent):
            yield
    finally:
        remove()


@contextmanager
def live_view(state: LiveState, spent: Callable[[], Mapping[str, int]] = _nothing) -> Iterator[None]:
    """Show ``state`` while this lasts; the last picture stays."""
    sys.stderr.flush()
    terminal = os.dup(2)
    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    screen = os.fdopen(terminal, "w", encoding="utf-8", errors="replace", closefd=False)
    console = EscapingConsole(file=screen, highlight=False)
    lines = _Lines(state)
    reader = threading.Thread(target=lines.read, args=(reading,), name="syft-flwr-screen", daemon=True)
    reader.start()
    view = _View(state, spent, console)
    live = Live(
        get_renderable=view.picture,
        console=console,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    )
    over = threading.Event()
    try:
        with contextlib.suppress(OSError):
            live.start()
        painter = threading.Thread(
            target=_paint, args=(live, lines, over), name="syft-flwr-live", daemon=True
        )
        painter.start()
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)  # the last writing end of the pipe, but for children's
        reader.join(timeout=0.5)
        over.set()
        painter.join(timeout=2.0)
        with contextlib.suppress(OSError):
            lines.show(console)
            live.refresh()
            live.stop()
            screen.flush()
        os.close(terminal)


def _paint(live: Live, lines: "_Lines", over: threading.Event) -> None:
    while not over.wait(1 / PER_SECOND):
        try:
            lines.show(live.console)
            live.refresh()
        except OSError:  # the terminal is gone; the run is not
            return


class _View:
    def __init__(self, state: LiveState, spent: Callable[[], Mapping[str, int]], console: Console) -> None:
        self._state, self._spent, self._console = state, spent, console

    def picture(self) -> RenderableType:
        self._state.spent = self._spent()
        size = self._console.size
        # A thread of the run may change the state at this moment; the next picture is right again.
        try:
            return Group(*draw(self._state, time.time(), size.width, min(size.height - 3, 30)))
        except RuntimeError:
            return Text("")


class _Lines:
    """What was written to stderr: Flower's lines are folded into the state, the others wait to scroll by."""

    def __init__(self, state: LiveState) -> None:
        self._state = state
        self._waiting: deque[str] = deque(maxlen=MAX_LINES)
        self._dropped = 0
        self._lock = threading.Lock()

    def read(self, descriptor: int) -> None:
        """Read until every writer has gone."""
        with os.fdopen(descriptor, "rb") as stream:
            held = b""
            while block := stream.read1(1 << 16):
                *whole, held = (held + block).split(b"\n")
                for line in whole:
                    self._take(line[:4000].decode(errors="replace"))
                held = held[:4000]  # of a longer line the beginning tells what it is
            if held:
                self._take(held.decode(errors="replace"))

    def _take(self, line: str) -> None:
        text = without_sequences(line).rstrip("\r")
        text = text.rpartition("\r")[2]
        found = _FLOWER.match(text)
        if found is not None:
            self._state.flower_line(found[1])
            return
        with self._lock:
            self._dropped += len(self._waiting) == MAX_LINES
            self._waiting.append(text)

    def show(self, console: Console) -> None:
        """Let what waits scroll by."""
        with self._lock:
            lines, dropped = list(self._waiting), self._dropped
            self._waiting.clear()
            self._dropped = 0
        if dropped:
            console.print(Text(f"({dropped} lines more; the app's log has them)", "dim"))
        for line in lines:
            console.print(Text(line), soft_wrap=False)
