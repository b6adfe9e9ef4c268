"""Events of messages and offers between participants, whichever side sends them."""

import math
import time
from dataclasses import dataclass

from syft_flwr_cli.events.base import Event, Level, with_full_stop

__all__ = [
    "DecisionReceived",
    "DecisionsAwaited",
    "MessageRejected",
    "MessagesForgotten",
    "OfferAwaited",
    "OfferReceived",
    "OfferSent",
    "OwnerAbsent",
    "RequestSent",
    "ResponseReceived",
    "StoreFailed",
]


@dataclass(frozen=True, slots=True)
class MessageRejected(Event):
    """A file of a peer's was not taken."""

    kind = "refused"
    level = "warning"
    peer: str
    path: str
    reason: str
    detail: str
    hint: str = ""

    def sentence(self) -> str:
        name = self.path.rpartition("/")[2]
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"Refused {name} of {self.peer} ({self.reason}): {with_full_stop(self.detail)}{hint}"


@dataclass(frozen=True, slots=True)
class StoreFailed(Event):
    """The shared store, or this machine's disk, refused something; it is tried again."""

    kind = "store-fails"
    level = "warning"
    repeats = 60.0
    error: str
    hint: str = ""

    def sentence(self) -> str:
        return f"{self.error} Trying again. {self.hint}".strip()


@dataclass(frozen=True, slots=True)
class RequestSent(Event):
    """A request lies in the store."""

    kind = "sent"
    level = "detail"
    peer: str
    message: str

    def sentence(self) -> str:
        return f"Request to {self.peer}."


@dataclass(frozen=True, slots=True)
class ResponseReceived(Event):
    """A response was taken in. ``error`` is the first line of what the data owner's app says went wrong."""

    kind = "received"
    repeats = math.inf
    peer: str
    message: str
    error: str | None = None

    def same(self) -> object:
        # An error that is told again names what it was the first time: the same text, the same error.
        return None if self.error is None else (self.peer, self.error)

    def sentence(self) -> str:
        return (
            f"Answer from {self.peer}."
            if self.error is None
            else f"{self.peer} reports an error: {self.error}"
        )

    def importance(self) -> Level:
        return "detail" if self.error is None else "info"


@dataclass(frozen=True, slots=True)
class OwnerAbsent(Event):
    """A data owner has not answered in time; the run goes on without it. ``since`` is when it was asked."""

    kind = "absent"
    level = "warning"
    peer: str
    message: str
    since: float

    def sentence(self) -> str:
        since = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"{self.peer} has not answered a request of {since}; going on without."


@dataclass(frozen=True, slots=True)
class OfferSent(Event):
    """A project offer lies in the store for a data owner."""

    kind = "offer-sent"
    peer: str
    project: str
    revision: int

    def sentence(self) -> str:
        return f"Offered {self.project} (version {self.revision}) to {self.peer}."


@dataclass(frozen=True, slots=True)
class OfferReceived(Event):
    """A project offer of an aggregator's has come, or one was withdrawn."""

    kind = "offer-received"
    level = "notice"
    peer: str
    project: str
    revision: int

    def sentence(self) -> str:
        return f"{self.peer} offers {self.project} (version {self.revision})."


@dataclass(frozen=True, slots=True)
class OfferAwaited(Event):
    """A data owner waits for an aggregator to offer a project; no peer is named where it may be anybody."""

    kind = "offer-awaited"
    repeats = float("inf")
    peer: str
    known: bool = True
    """Whether a key of ``peer`` has been seen."""

    def sentence(self) -> str:
        if not self.peer:
            return "Waiting for anybody to offer a project here; share or run-server sends it. Ctrl-C ends waiting."
        waiting = f"Waiting for {self.peer} to offer a project; its share or run-server sends it. Ctrl-C ends waiting."
        if self.known:
            return waiting
        return (
            f"{self.peer} has published no key here yet. Is the e-mail right, and is it the same shared folder?\n"
            + waiting
        )


@dataclass(frozen=True, slots=True)
class DecisionReceived(Event):
    """A data owner's decision about an offered project has come: ``approved`` or ``rejected``."""

    kind = "decision"
    level = "notice"
    peer: str
    project: str
    decision: str
    message: str = ""

    def sentence(self) -> str:
        return f"{self.peer} has {self.decision} {self.project}" + (
            f": {self.message}" if self.message else "."
        )


@dataclass(frozen=True, slots=True)
class DecisionsAwaited(Event):
    """A run is pending until these data owners have decided about the project."""

    kind = "decisions-awaited"
    repeats = float("inf")
    peers: tuple[str, ...]
    project: str

    def sentence(self) -> str:
        return (
            f"Pending: {', '.join(self.peers)} has not decided about {self.project} yet."
            if len(self.peers) == 1
            else f"Pending: {', '.join(self.peers)} have not decided about {self.project} yet."
        )


@dataclass(frozen=True, slots=True)
class MessagesForgotten(Event):
    """What lies in the store shows that this home was restored from an older state: it wrote more than it remembers."""

    kind = "messages-forgotten"
    level = "alarm"
    repeats = float("inf")
    email: str
    run: str

    def sentence(self) -> str:
        return (
            f"The home of {self.email} was restored from an older state: messages of run {self.run} lie in the store "
            "that it wrote and does not remember. They count, and nothing is executed twice; peers will see that its "
            "audit log begins anew from there."
        )
