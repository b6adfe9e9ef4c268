"""Events: what happens while a participant works, as typed values, and the publisher that hands them to sinks.

An event is a frozen dataclass: its ``kind`` is the name that programs see, its docstring says when it happens, and
`Event.sentence` is what a person reads. `Publisher` gives each event to every sink (the console, the round log, a
command of the owner's). A sink only observes: what it raises is logged and changes nothing. An event repeats what the
journal and the audit log know; nothing depends on its being heard. This module imports nothing of the project.

The catalogue of docs/events.md is `catalogue`, compared by a test.
"""

import dataclasses
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

__all__ = ["Emit", "Event", "Level", "Publisher", "Sink", "catalogue", "nobody", "row"]

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


# The store


@dataclass(frozen=True, slots=True)
class StoreOpened(Event):
    """A command begins to work in this store; ``place`` is its folder on this machine, where it has one."""

    kind = "store"
    transport: str
    place: str

    def sentence(self) -> str:
        return f"Shared folder: {self.place}" if self.place else f"Transport: {self.transport}"


# Keys


@dataclass(frozen=True, slots=True)
class IdentityCreated(Event):
    """Keys were made for a participant on this machine."""

    kind = "identity-created"
    email: str
    words: str

    def sentence(self) -> str:
        return f"Made keys for {self.email}. Fingerprint: {self.words}"


@dataclass(frozen=True, slots=True)
class KeyPinned(Event):
    """A peer's key was seen for the first time, and is trusted from now on."""

    kind = "pinned"
    level = "alarm"
    peer: str
    fingerprint: str
    words: str

    def sentence(self) -> str:
        return (
            f"First contact with {self.peer}: from now on only this key is trusted for it.\n"
            f"    fingerprint: {self.words}\n"
            f"    Compare it with {self.peer} by phone, then: syft-flwr keys verify {self.peer}"
        )


@dataclass(frozen=True, slots=True)
class KeyRotated(Event):
    """A peer has a new key, signed with the one before."""

    kind = "rotated"
    level = "alarm"
    peer: str
    fingerprint: str
    words: str

    def sentence(self) -> str:
        return f"{self.peer} has a new key, signed with the one before. Fingerprint: {self.words}"


@dataclass(frozen=True, slots=True)
class KeyWithdrawn(Event):
    """The key of a peer, accepted so far, is not trusted any more, so nothing is sent to it or taken from it."""

    kind = "key-withdrawn"
    level = "alarm"
    repeats = float("inf")
    peer: str
    error: str
    hint: str

    def sentence(self) -> str:
        return f"{self.peer} takes no part any more: {self.error} {self.hint}"


@dataclass(frozen=True, slots=True)
class HomeRestored(Event):
    """A peer has seen a later entry of the participant's record than there is: as after an old backup was put back."""

    kind = "home-restored"
    level = "alarm"
    repeats = float("inf")
    peer: str
    head: str

    def sentence(self) -> str:
        return (
            f"{self.peer} has seen a later state of the record here (head {self.head[:16]}…) than there is: this home "
            "was restored from an older state, or a process writes to another one. What was executed after that state "
            "is executed again if it is asked for again. docs/durability.md says what else repeats."
        )


@dataclass(frozen=True, slots=True)
class KeyAwaited(Event):
    """A peer has published no key yet, so nothing can be sealed for it."""

    kind = "no-key"
    repeats = float("inf")
    peer: str

    def sentence(self) -> str:
        return f"Waiting for {self.peer}: it has published no key yet (its run-client has not started)."


@dataclass(frozen=True, slots=True)
class OwnKeyReplaced(Event):
    """Another key than this machine's was published for the participant itself, as by a second machine of theirs."""

    kind = "own-key-elsewhere"
    level = "alarm"
    email: str
    words: str

    def sentence(self) -> str:
        return f"Another key of yours ({self.email}) is published here: {self.words}"


@dataclass(frozen=True, slots=True)
class EncryptionOff(Event):
    """A participant works with encryption switched off."""

    kind = "encryption-off"
    level = "alarm"

    def sentence(self) -> str:
        return "Encryption is switched OFF for debugging: messages are signed, but anybody can read them."


# What an owner's app gets, and what waits for the owner


@dataclass(frozen=True, slots=True)
class DataChosen(Event):
    """An app begins with these data: ``private``, ``mock`` or ``none``. The path stays on this machine."""

    kind = "data"
    app_name: str
    data: str
    path: str
    files: int
    bytes: int

    def sentence(self) -> str:
        if self.data == "mock":
            return "The app runs on mock data, as you said (--mock); the aggregator is told so."
        if self.data == "none":
            return "The app gets no data, as you said (--no-data); the aggregator is told so."
        return f"The app reads your data: {self.path} ({self.files} files, {self.bytes:,} bytes)."


@dataclass(frozen=True, slots=True)
class DecisionAwaited(Event):
    """Something waits for the owner's decision; ``next`` is the command to type."""

    kind = "decision-awaited"
    level = "alarm"
    repeats = float("inf")
    email: str
    what: str
    next: str

    def sentence(self) -> str:
        return f"{_closed(self.what)} Decide with: {self.next}"


@dataclass(frozen=True, slots=True)
class AppServed(Event):
    """A node serves an app from now on."""

    kind = "app-served"
    email: str
    app_name: str
    aggregator: str

    def sentence(self) -> str:
        return f"Serving {self.app_name} for {self.aggregator}."


@dataclass(frozen=True, slots=True)
class AppLetGo(Event):
    """A node serves an app no more; ``reason`` is empty where it was only worked off."""

    kind = "app-let-go"
    level = "detail"
    email: str
    app_name: str
    reason: str = ""

    def sentence(self) -> str:
        return f"{self.app_name} is served no more{': ' + self.reason if self.reason else '.'}"


@dataclass(frozen=True, slots=True)
class AppFailed(Event):
    """An app cannot be served at the moment; a node tries it again."""

    kind = "app-failed"
    level = "warning"
    repeats = 600.0
    email: str
    app_name: str
    error: str
    hint: str = ""

    def sentence(self) -> str:
        return f"{self.app_name} is not served: {_closed(self.error)} {self.hint}".strip()


# Messages


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
        return f"Refused {name} of {self.peer} ({self.reason}): {_closed(self.detail)}{hint}"


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
    peer: str
    message: str
    error: str | None = None

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


# Offers


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
    """A data owner waits for an aggregator to offer a project."""

    kind = "offer-awaited"
    repeats = float("inf")
    peer: str

    def sentence(self) -> str:
        return f"Waiting for {self.peer} to offer a project (its share or run-server sends it). Ctrl-C ends waiting."


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


# A run, at the aggregator


@dataclass(frozen=True, slots=True)
class RunBegun(Event):
    """The aggregator begins a run, or takes up an unfinished one."""

    kind = "run"
    run: str
    resumed: bool
    datasites: tuple[str, ...]

    def sentence(self) -> str:
        how = "Taking up" if self.resumed else "Starting"
        return f"{how} run {self.run} with {len(self.datasites)} data owners."


@dataclass(frozen=True, slots=True)
class RequestPrepared(Event):
    """The ServerApp asks a data owner for something; the first thing of a round."""

    kind = "asked"
    level = "detail"
    peer: str
    type: str
    round: int


@dataclass(frozen=True, slots=True)
class RequestsPublished(Event):
    """All requests of one push to the data owners are on their way."""

    kind = "requests-published"
    level = "detail"
    type: str
    round: int


@dataclass(frozen=True, slots=True)
class ReplyDelivered(Event):
    """The ServerApp got a reply: metrics or an error; whether it was executed (``partakes``), and on which data."""

    kind = "reply"
    level = "detail"
    peer: str
    type: str
    round: int
    metrics: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    partakes: bool = True
    data: str | None = None


@dataclass(frozen=True, slots=True)
class ReplyMissing(Event):
    """The ServerApp was told that a data owner has not answered."""

    kind = "reply-missing"
    level = "detail"
    peer: str


@dataclass(frozen=True, slots=True)
class ReplyLate(Event):
    """At the end of a run: an answer came after its time, and the ServerApp did not ask for it any more."""

    kind = "reply-late"
    level = "notice"
    peer: str
    type: str
    round: int

    def sentence(self) -> str:
        return f"The answer of {self.peer} to {self.type} of round {self.round} came too late to count."


@dataclass(frozen=True, slots=True)
class StillWaiting(Event):
    """The ServerApp waits for these data owners. ``since`` is when the first was asked, in seconds since 1970."""

    kind = "still-waiting"
    level = "notice"
    peers: tuple[str, ...]
    since: float

    def sentence(self) -> str:
        some = ", ".join(self.peers[:10]) + (f" and {len(self.peers) - 10} more" if self.peers[10:] else "")
        since = time.strftime("%d %b %H:%M:%S", time.localtime(self.since))
        return f"Waiting for {some} since {since}. (Ctrl-C pauses the run; --timeout limits the waiting.)"


@dataclass(frozen=True, slots=True)
class RunDiverged(Event):
    """A ServerApp that was started again did something else than before, and goes on live as it was told to."""

    kind = "diverged"
    level = "notice"
    detail: str

    def sentence(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class WaitsForMore(Event):
    """The ServerApp seems to wait for more data owners than the run has."""

    kind = "waits-for-more"
    level = "warning"
    repeats = float("inf")
    count: int

    def sentence(self) -> str:
        return (
            f"The ServerApp goes on asking who takes part and sends nothing. This run has {self.count} data owners, "
            "and there will not be more: should it wait for more (min_available_nodes, min_train_nodes, …), pause it "
            "with Ctrl-C, and name more data owners or ask for fewer."
        )


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """A run of the aggregator's ended: ``finished``, ``failed`` or ``stopped``."""

    kind = "run-ended"
    level = "detail"
    run: str
    state: str
    reason: str

    def sentence(self) -> str:
        return f"Run {self.run} {self.state}: {_closed(self.reason)}"


# A run, at a data owner


@dataclass(frozen=True, slots=True)
class NodeReady(Event):
    """A data owner's app is ready for requests."""

    kind = "node-ready"
    email: str
    aggregator: str

    def sentence(self) -> str:
        return f"{self.email} is ready and waits for {self.aggregator}."


@dataclass(frozen=True, slots=True)
class RunJoined(Event):
    """The first request of a run has come."""

    kind = "run-started"
    run: str

    def sentence(self) -> str:
        return f"Run {self.run} has begun."


@dataclass(frozen=True, slots=True)
class RequestExecuting(Event):
    """The app works on a request."""

    kind = "executing"
    message: str
    type: str
    round: int | None
    run: str

    def sentence(self) -> str:
        number = f", round {self.round}" if self.round is not None else ""
        return f"Working on {'an' if self.type[:1] in 'aeiou' else 'a'} {self.type} request{number}."


@dataclass(frozen=True, slots=True)
class RequestAnswered(Event):
    """A request was answered. ``error`` is the first line of what went wrong in the app."""

    kind = "answered"
    message: str
    type: str
    error: str | None = None

    def sentence(self) -> str:
        return "Answered." if self.error is None else f"The app failed; the aggregator was told: {self.error}"

    def importance(self) -> Level:
        return "detail" if self.error is None else "info"


@dataclass(frozen=True, slots=True)
class PayloadAwaited(Event):
    """A request has come, and its arrays have not."""

    kind = "payload-awaited"
    message: str

    def sentence(self) -> str:
        return "A request is here, its arrays are still on their way."


@dataclass(frozen=True, slots=True)
class PayloadDamaged(Event):
    """A request's arrays are not what it says they are."""

    kind = "payload-damaged"
    level = "notice"
    message: str
    detail: str

    def sentence(self) -> str:
        return "A request's arrays are damaged; it waits until they are whole."


@dataclass(frozen=True, slots=True)
class AppRaised(Event):
    """The owner's app failed; what it said is kept here, and the aggregator knows it by ``error`` alone."""

    kind = "app-raised"
    level = "warning"
    message: str
    error: str
    headline: str
    file: str

    def sentence(self) -> str:
        return f"The app failed (error {self.error}): {self.headline}\n    All that it said: {self.file}"


@dataclass(frozen=True, slots=True)
class RunConfigDiffers(Event):
    """The aggregator set a run config that differs from the approved one, as the owner's policy allows."""

    kind = "run-config"
    level = "notice"
    run: str
    detail: str

    def sentence(self) -> str:
        return f"{self.detail}."


@dataclass(frozen=True, slots=True)
class ReplyWithheld(Event):
    """The owner's policy does not let leave what came of a request; the aggregator was told which rule."""

    kind = "withheld"
    level = "notice"
    message: str
    detail: str

    def sentence(self) -> str:
        return f"A reply was withheld by your policy: {_closed(self.detail)}"


@dataclass(frozen=True, slots=True)
class RequestNotExecuted(Event):
    """The owner's approval or policy did not let a request pass; the aggregator was told."""

    kind = "policy"
    level = "notice"
    message: str
    detail: str

    def sentence(self) -> str:
        return f"A request was not executed: {_closed(self.detail)}"


@dataclass(frozen=True, slots=True)
class ResponseConsumed(Event):
    """The aggregator has what was answered to a request."""

    kind = "consumed"
    level = "detail"
    message: str


@dataclass(frozen=True, slots=True)
class AnsweredBefore(Event):
    """A request is one that an earlier installation answered."""

    kind = "answered-before"
    message: str

    def sentence(self) -> str:
        return f"Request {self.message} was answered by an earlier installation; not executed again."


@dataclass(frozen=True, slots=True)
class StopWasEarlier(Event):
    """A stop signal is of a run that ended before this node joined. ``ended``: seconds since 1970."""

    kind = "old-stop"
    run: str
    reason: str
    ended: float

    def sentence(self) -> str:
        return f"Run {self.run} ended before this node joined ({self.reason}); it waits for the next one."


@dataclass(frozen=True, slots=True)
class RunStopped(Event):
    """The aggregator has ended a run."""

    kind = "stopped"
    run: str
    reason: str
    answered: int

    def sentence(self) -> str:
        return f"Run {self.run} is over: {_closed(self.reason)} Answered {self.answered} requests."


def catalogue() -> list[type[Event]]:
    """Every kind of event, in the order of this module."""
    found = vars(sys.modules[__name__]).values()
    return [
        each for each in found if isinstance(each, type) and issubclass(each, Event) and each is not Event
    ]


def row(event: type[Event]) -> str:
    """A kind of event as a line of the table in docs/events.md: kind, fields, when it happens."""
    fields = ", ".join(f"`{each.name}`" for each in dataclasses.fields(event)) or "none"
    return f"| `{event.kind}` | {fields} | {' '.join((event.__doc__ or '').split())} |"


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."
