"""The base of all events, and the publisher that hands them to sinks.

`Publisher` gives each event to every sink (the console, the round log, a command of the owner's). A sink only
observes: what it raises is logged and changes nothing.
"""

import dataclasses
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

__all__ = ["Emit", "Event", "Level", "Publisher", "Sink", "lasting", "nobody", "row", "with_full_stop"]

log = logging.getLogger("syft_flwr")

Level = Literal["detail", "info", "notice", "warning", "alarm"]
"""``detail`` is shown with ``--verbose`` alone, ``info`` plainly, the others with growing emphasis."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. Text fields hold what peers wrote, as they wrote it: escape them before printing."""

    kind: ClassVar[str] = ""
    level: ClassVar[Level] = "info"
    repeats: ClassVar[float] = 0.0
    """Seconds within which an equal event is not shown to a person again; infinity: once per process."""

    def same(self) -> object:
        """What events have in common of which one is shown within ``repeats`` seconds; None: nothing."""
        return self

    def sentence(self) -> str:
        """What a person reads; empty where a person need not know."""
        return ""

    def importance(self) -> Level:
        """How much emphasis this one asks for."""
        return self.level

    def facts(self) -> dict[str, Any]:
        """What a program reads: ``event`` (the kind) and the fields by name."""
        return {"event": self.kind, **dataclasses.asdict(self)}


Sink = Callable[[Event], None]
"""Observes events."""

Emit = Callable[[Event], None]
"""How an event is made known. A `Publisher` is one."""


def nobody(event: Event) -> None:
    """A sink that hears nothing."""


class Publisher:
    """Hands events to sinks, in the order in which these were added. May be called from any thread."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = list(sinks)
        self._lock = threading.Lock()

    def add(self, sink: Sink) -> Callable[[], None]:
        """Add a sink; what is returned takes it away again."""
        with self._lock:
            self._sinks.append(sink)

        def remove() -> None:
            with self._lock:
                if sink in self._sinks:
                    self._sinks.remove(sink)

        return remove

    def __call__(self, event: Event) -> None:
        """Give ``event`` to every sink."""
        with self._lock:
            sinks = list(self._sinks)
        for sink in sinks:
            try:
                sink(event)
            except Exception:
                log.exception("A sink failed on the event %s.", event.kind)


def row(event: type[Event]) -> str:
    """A kind of event as a line of the table in docs/events.md: kind, fields, when it happens."""
    fields = ", ".join(f"`{each.name}`" for each in dataclasses.fields(event)) or "none"
    return f"| `{event.kind}` | {fields} | {' '.join((event.__doc__ or '').split())} |"


def with_full_stop(sentence: str) -> str:
    """``sentence``, ended by a full stop."""
    return sentence if sentence.endswith(".") else f"{sentence}."


def lasting(seconds: float) -> str:
    """A duration for people: 42 s, 3:20 min, 14 min, 5 h 10 min, 3 days."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60}:{whole % 60:02d} min"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 172800:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days"
