"""Console reporter: a sink that shows events to a person, a sentence each, on stderr.

Text of peers is escaped before it becomes part of a sentence. An event that repeats is shown as seldom as its class
says. It decides nothing and keeps nothing but what it has shown.
"""

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.events import Event, Level, RequestExecuting
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.storage.paths import append_private
from syft_flwr_cli.ui import output

__all__ = ["ConsoleReporter", "log_to", "printable"]

E = TypeVar("E", bound=Event)

_STYLES: dict[Level, str] = {
    "detail": "",
    "info": "",
    "notice": "",
    "warning": "yellow",
    "alarm": "bold yellow",
}


class ConsoleReporter:
    """Shows events.

    Parameters
    ----------
    verbose : bool
        Show every message, not only what is out of the ordinary.
    quiet : bool
        Show only what needs attention.
    live : bool
        Leave out what a live view shows at the same time.
    say : callable
        Where a sentence goes.
    clock : callable
        Seconds, for what is not repeated within a time.
    """

    def __init__(
        self,
        verbose: bool = False,
        say: Callable[..., None] = output.note,
        clock: Callable[[], float] = time.monotonic,
        *,
        quiet: bool = False,
        live: bool = False,
    ) -> None:
        self._live = live
        self._verbose = verbose
        self._hidden: tuple[Level, ...] = ("detail", "info", "notice") if quiet else ("detail",)
        self._say = say
        self._clock = clock
        self._shown: dict[object, float] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        level = event.importance()
        if level in self._hidden and not self._verbose:
            return
        if self._live and isinstance(event, RequestExecuting):
            return
        sentence = printable(event).sentence()
        if sentence and self._is_new(event):
            self._say(sentence, style=_STYLES[level])

    def _is_new(self, event: Event) -> bool:
        key = event.same()
        if not event.repeats or key is None:
            return True
        now = self._clock()
        with self._lock:
            before = self._shown.get(key)
            if before is not None and now - before < event.repeats:
                return False
            self._shown[key] = now
            return True


def log_to(path: Path, clock: Callable[[], float] = time.time) -> ConsoleReporter:
    """A reporter that appends every event's sentence to a file, each with its time (UTC).

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    try:
        with append_private(path):
            pass
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}.", hint="Name another file with --log-file FILE."
        ) from error

    def say(text: str, **how: Any) -> None:
        with append_private(path) as stream:
            stream.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(clock()))} {text}\n")

    return ConsoleReporter(True, say)


def printable(event: E) -> E:
    """``event`` with every text in it escaped as a terminal may show it."""
    return dataclasses.replace(
        event, **{each.name: _escaped(getattr(event, each.name)) for each in dataclasses.fields(event)}
    )


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, tuple):
        return tuple(_escaped(item) for item in value)
    return value
